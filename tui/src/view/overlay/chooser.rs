//! The tenants to choose from, found by typing.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::model::{Chooser, Model};
use crate::view::paint;
use crate::view::table::{Cell, Table, rest};
use crate::view::theme::Theme;

/// Its widest, in columns.
const WIDTH: u16 = 48;

/// Draws the chooser over the panes.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, chooser: &Chooser, theme: &Theme) {
    let choices = model.choices(chooser);
    // Heading, what is typed, the table's headings and its rows.
    let height = (choices.len().min(usize::from(u16::MAX)) as u16).saturating_add(3).min(area.height);
    let width = WIDTH.min(area.width);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y, width, height };
    Clear.render(place, buf);
    let inner = paint::heading(place, buf, &[paint::span("Show tenant", theme.title)], true, theme);
    let typed = format!("> {}_", chooser.filter.text());
    paint::text(inner, buf, &typed, theme.accent);
    let cells = |row: usize| -> Vec<Cell> {
        let name = choices.get(row).and_then(Option::as_deref);
        vec![(name.unwrap_or("all tenants").to_owned(), theme.text)]
    };
    let table = Table {
        columns: &[rest("TENANT", 8, 0)],
        rows: choices.len(),
        selected: chooser.cursor.index(&choices),
        focused: true,
        cells: &cells,
    };
    table.draw(paint::below(inner, 1), buf, theme);
}
