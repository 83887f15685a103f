//! The keys, all of them, from the one table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::keymap;
use crate::model::Model;
use crate::view::paint;
use crate::view::theme::Theme;

/// Width of the column of keys.
const KEYS: usize = 14;

/// Draws the list from its row `top` on.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, top: usize, theme: &Theme) {
    let below = model.context_below();
    let title = [paint::span("Keys", theme.title)];
    let area = paint::heading(area, buf, &title, true, theme);
    let room = usize::from(area.width).saturating_sub(KEYS + 2).max(1);
    let mut rows = Vec::new();
    for binding in keymap::bindings(below) {
        for (index, part) in paint::wrap(binding.says, room).into_iter().enumerate() {
            let keys = if index == 0 { binding.keys } else { "" };
            let keys = Span::styled(format!("  {keys:<KEYS$}"), theme.title);
            rows.push(Line::from(vec![keys, Span::styled(part, theme.text)]));
        }
    }
    let height = usize::from(area.height);
    // Scrolled as far as there is something to see.
    let top = top.min(rows.len().saturating_sub(height));
    for (index, line) in rows.iter().skip(top).take(height).enumerate() {
        paint::line(paint::below(area, index as u16), buf, line);
    }
}
