//! The last lines: what is typed or what went wrong, and the keys that work here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint;
use super::theme::Theme;
use crate::keymap::{self, Binding};
use crate::model::{Mode, Model};

/// Its lines.
pub const HEIGHT: u16 = 2;

/// Draws the footer.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, theme: &Theme) {
    if area.height == HEIGHT {
        status(area, buf, model, theme);
    }
    keys(paint::below(area, area.height.saturating_sub(1)), buf, model, theme);
}

fn status(area: Rect, buf: &mut Buffer, model: &Model, theme: &Theme) {
    if let Mode::Entry { .. } = model.mode {
        let Some(filter) = model.filter() else { return };
        let typed = paint::span(&format!("/{}", filter.text()), theme.accent);
        // What is typed last stays in sight.
        let hidden = (typed.width() + 1).saturating_sub(usize::from(area.width));
        let shown: String = typed.content.chars().skip(hidden).collect();
        let cursor = Span::styled(" ", theme.selected);
        paint::line(area, buf, &Line::from(vec![Span::styled(shown, theme.accent), cursor]));
    } else if let Some(trouble) = &model.notice {
        let text = format!("{}: {}; {}", trouble.code, trouble.detail, trouble.hint);
        paint::text(area, buf, &text, theme.bad);
    } else if model.lost_items > 0 {
        let text = format!("{} changes came too fast and were read instead", model.lost_items);
        paint::text(area, buf, &text, theme.dim);
    }
}

/// As many keys as fit, in the order of the table; the last two, which lead on, always.
fn keys(area: Rect, buf: &mut Buffer, model: &Model, theme: &Theme) {
    let all: Vec<&Binding> = keymap::bindings(model.context()).filter(|b| !b.bar.is_empty()).collect();
    let width = |binding: &Binding| binding.keys.len() + binding.bar.len() + 3;
    let (rest, last) = all.split_at(all.len().saturating_sub(2));
    let mut room = usize::from(area.width).saturating_sub(last.iter().map(|binding| width(binding)).sum());
    let fitting = rest.iter().take_while(|binding| {
        let fits = width(binding) <= room;
        room = room.saturating_sub(width(binding));
        fits
    });
    let mut spans = Vec::new();
    for binding in fitting.chain(last) {
        spans.push(Span::styled(binding.keys, theme.title));
        spans.push(Span::styled(format!(" {}  ", binding.bar), theme.dim));
    }
    paint::line(area, buf, &Line::from(spans));
}
