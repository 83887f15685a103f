//! The daemon in one line, and what it has done since it started in another.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use tenantry_protocol::health::{HealthState, Status};

use crate::model::Model;
use crate::view::theme::Theme;
use crate::view::{paint, words};

/// Draws the lines; what is left of the area.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, theme: &Theme) -> Rect {
    let mut area = area;
    if let Some(host) = &model.host {
        paint::line(area, buf, &join(host_parts(host, model, theme), theme));
        area = paint::below(area, 1);
    }
    paint::line(area, buf, &join(counter_parts(model, theme), theme));
    paint::below(area, 1)
}

fn host_parts(host: &Status, model: &Model, theme: &Theme) -> Vec<Span<'static>> {
    let state = match host.state {
        HealthState::Serving => theme.good,
        HealthState::Starting | HealthState::Draining => theme.warn,
    };
    let counts = host.tenants;
    let mut parts = vec![paint::span(host.state.as_str(), state)];
    // What needs a look stands first: the line may be cut.
    parts.extend(some(
        counts.quarantined,
        &format!("{} quarantined", tenants(counts.quarantined)),
        theme.bad,
    ));
    parts.extend(some(counts.degraded, &format!("{} degraded", tenants(counts.degraded)), theme.warn));
    if let Some(task) = host.degraded_tasks.first() {
        let why = task.last_error.as_deref().unwrap_or("no reason given");
        let more = host.degraded_tasks.len() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = format!("task {} restarted {} times: {why}{more}", task.name, task.restarts);
        parts.push(paint::span(&text, theme.warn));
    }
    parts.push(paint::span(&format!("{} {}", counts.total, tenants(counts.total)), theme.text));
    parts.push(paint::span(&words::bytes(host.memory_bytes), theme.text));
    let since = words::moment(host.started_at, model.now, &model.zone);
    parts.push(paint::span(&format!("since {since}"), theme.text));
    parts.push(paint::span(&format!("pid {}", host.pid), theme.dim));
    parts.push(paint::span(&format!("version {}", host.version), theme.dim));
    parts.push(paint::span(&format!("ingress {}", host.ingress), theme.dim));
    parts
}

const fn tenants(n: u64) -> &'static str {
    if n == 1 { "tenant" } else { "tenants" }
}

fn counter_parts(model: &Model, theme: &Theme) -> Vec<Span<'static>> {
    let sum = model.tenants.counters(model.scope.as_deref());
    let part = |n: u64, word: &str| paint::span(&format!("{} {word}", words::count(n)), theme.text);
    let mut parts = vec![part(sum.events_accepted, "accepted"), part(sum.runs_succeeded, "succeeded")];
    parts.extend(some(sum.runs_failed, "failed", theme.bad));
    parts.extend(some(sum.dead_letters, "dead letters", theme.bad));
    parts.extend(some(sum.events_refused, "refused", theme.warn));
    parts.extend(some(sum.runs_cancelled, "cancelled", theme.text));
    parts.push(part(sum.attempts, "attempts"));
    parts.push(part(sum.notifications_delivered, "notified"));
    parts.extend(some(sum.events_duplicate, "duplicates", theme.dim));
    parts
}

/// A count, unless it is nought.
fn some(n: u64, word: &str, style: Style) -> Option<Span<'static>> {
    (n > 0).then(|| paint::span(&format!("{} {word}", words::count(n)), style))
}

fn join(parts: Vec<Span<'static>>, theme: &Theme) -> Line<'static> {
    let mut spans = Vec::with_capacity(parts.len() * 2);
    for part in parts {
        if !spans.is_empty() {
            spans.push(Span::styled(" · ", theme.dim));
        }
        spans.push(part);
    }
    Line::from(spans)
}
