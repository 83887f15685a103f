//! The tenants to choose from, found by typing.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::{Chooser, Model};
use crate::view::paint;
use crate::view::table::{Cell, Table, rest};
use crate::view::theme::Theme;

/// Draws the chooser in place of the panes.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, chooser: &Chooser, theme: &Theme) {
    let choices = model.choices(chooser);
    let inner = paint::heading(area, buf, &[paint::span("Show tenant", theme.title)], true, theme);
    let typed = format!("/{}_", chooser.filter.text());
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
