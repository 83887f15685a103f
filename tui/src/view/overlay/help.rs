//! The keys, all of them, from the one table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::keymap::{self, Binding, Context};
use crate::model::Model;
use crate::view::paint;
use crate::view::theme::Theme;

/// Width of the column of keys.
const KEYS: usize = 14;

/// Draws the list from its row `top` on.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, top: usize, theme: &Theme) {
    let below = if model.run.is_some() { Context::Run } else { Context::Overview };
    let title = [paint::span("Keys", theme.title)];
    let area = paint::heading(area, buf, &title, true, theme);
    let rows: Vec<&Binding> = keymap::bindings(below).collect();
    let height = usize::from(area.height);
    // Scrolled as far as there is something to see.
    let top = top.min(rows.len().saturating_sub(height));
    for (index, binding) in rows.iter().skip(top).take(height).enumerate() {
        let keys = Span::styled(format!("  {:<KEYS$}", binding.keys), theme.title);
        let line = Line::from(vec![keys, Span::styled(binding.says, theme.text)]);
        paint::line(paint::below(area, index as u16), buf, &line);
    }
}
