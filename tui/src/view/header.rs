//! The first lines: whose things are shown, who looks, and whether what is shown is true at present.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::theme::Theme;
use super::{paint, words};
use crate::message::LinkState;
use crate::model::Model;

/// Draws the header; what is left of the area.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, theme: &Theme) -> Rect {
    let (word, style) = state(model, theme);
    let right = Line::from(Span::styled(word, style));
    let width = (right.width() as u16).min(area.width);
    paint::line(Rect { x: area.right() - width, width, ..area }, buf, &right);

    let scope = match (&model.scope, model.sees_host()) {
        (Some(scope), _) => format!("tenant {scope}"),
        (None, true) => "all tenants".to_owned(),
        (None, false) => String::new(),
    };
    let who = model.access.as_ref().map(|access| format!("{} ({})", access.principal, access.role));
    let mut left = vec![paint::span("tenantry", theme.accent)];
    for part in [Some(scope), who].into_iter().flatten().filter(|part| !part.is_empty()) {
        left.push(Span::styled(" · ", theme.dim));
        left.push(paint::span(&part, theme.text));
    }
    let room = area.width.saturating_sub(width + 1);
    paint::line(Rect { width: room, ..area }, buf, &Line::from(left));
    banner(paint::below(area, 1), buf, model, theme)
}

/// The one word for the link.
fn state(model: &Model, theme: &Theme) -> (String, Style) {
    match (&model.link, model.stale_ms()) {
        (LinkState::Live, None) => ("live".to_owned(), theme.good),
        (LinkState::Live, Some(age)) => (format!("live, data {} old", words::seconds(age)), theme.warn),
        (LinkState::Connecting, _) => ("connecting".to_owned(), theme.busy),
        (LinkState::Lost { .. }, _) => ("disconnected".to_owned(), theme.bad),
    }
}

/// While disconnected: why, and what happens next.
fn banner(area: Rect, buf: &mut Buffer, model: &Model, theme: &Theme) -> Rect {
    let LinkState::Lost { trouble, retry_at } = &model.link else { return area };
    paint::text(area, buf, &format!("{}: {}", trouble.code, trouble.detail), theme.bad);
    let area = paint::below(area, 1);
    let age = model.stale_ms().map(|age| format!("; data is {} old", words::seconds(age)));
    // Rounded up: "in 0 s" would look stuck.
    let wait = words::seconds(retry_at.saturating_sub(model.now).max(0).saturating_add(999));
    let next = format!("next try in {wait}, r: now{}; {}", age.unwrap_or_default(), trouble.hint);
    paint::text(area, buf, &next, theme.text);
    paint::below(area, 1)
}
