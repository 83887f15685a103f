//! How much waits in each stage, over the tenants that are shown.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::model::Model;
use crate::view::table::{Cell, Table, numbers, rest, words as text};
use crate::view::theme::Theme;
use crate::view::{paint, words};

/// Heading, column titles, four stages.
pub const HEIGHT: u16 = 6;

/// Cells of the longest bar.
const BAR: usize = 40;

/// Draws the pane.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, theme: &Theme) {
    let area = paint::heading(area, buf, &[paint::span("Queues", theme.title)], false, theme);
    let queues = model.tenants.queues(model.scope.as_deref());
    let most = queues.iter().map(|queue| queue.ready).max().unwrap_or(0).max(1);
    let cells = |row: usize| -> Vec<Cell> {
        let Some(queue) = queues.get(row) else { return Vec::new() };
        let dead = if queue.dead > 0 { theme.bad } else { theme.dim };
        let oldest =
            if queue.ready > 0 { words::duration(queue.oldest_ms.cast_signed()) } else { "-".into() };
        vec![
            (queue.stage.to_string(), theme.text),
            (words::count(queue.ready), theme.text),
            (words::count(queue.leased), theme.text),
            (oldest, theme.text),
            (words::count(queue.dead), dead),
            (bar(queue.ready, most), theme.warn),
        ]
    };
    let columns = [
        text("STAGE", 12, 0),
        numbers("READY", 6, 0),
        numbers("LEASED", 6, 1),
        numbers("OLDEST", 7, 1),
        numbers("DEAD", 6, 0),
        rest("", 1, 2),
    ];
    let table =
        Table { columns: &columns, rows: queues.len(), selected: None, focused: false, cells: &cells };
    table.draw(area, buf, theme);
}

/// As long as there is much; the longest queue fills it.
fn bar(ready: u64, most: u64) -> String {
    let cells = u128::from(ready) * BAR as u128 / u128::from(most);
    "■".repeat((cells as usize).max(usize::from(ready > 0)))
}

/// Draws the same as one line; what is left of the area.
pub fn line(area: Rect, buf: &mut Buffer, model: &Model, theme: &Theme) -> Rect {
    let queues = model.tenants.queues(model.scope.as_deref());
    let mut spans = Vec::new();
    let mut dead = 0;
    for queue in &queues {
        dead += queue.dead;
        let depth = words::count(queue.ready.saturating_add(queue.leased));
        spans.push(paint::span(&format!("{} ", queue.stage), theme.dim));
        spans.push(paint::span(&format!("{depth}  "), theme.text));
    }
    if dead > 0 {
        spans.push(Span::styled(format!("dead {}", words::count(dead)), theme.bad));
    }
    paint::line(area, buf, &Line::from(spans));
    paint::below(area, 1)
}
