//! The tenants: how they are, what waits, what they did.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tenantry_protocol::state::StageName;
use tenantry_protocol::tenant::TenantStats;

use crate::message::LinkState;
use crate::model::tenants::{condition, dead, depth};
use crate::model::{Model, OverviewPane};
use crate::view::table::{Cell, Column, Table, numbers, rest, words as text};
use crate::view::theme::Theme;
use crate::view::{paint, words};

const COLUMNS: &[Column] = &[
    rest("TENANT", 12, 0),
    text("STATE", 11, 0),
    numbers("TRIGGER", 7, 5),
    numbers("ACTION", 6, 6),
    numbers("LOGGING", 7, 7),
    numbers("NOTIFY", 6, 8),
    numbers("QUEUED", 6, 1),
    numbers("ACCEPTED", 8, 2),
    numbers("SUCCEEDED", 9, 3),
    numbers("FAILED", 6, 1),
    numbers("DEAD", 5, 1),
];

/// Draws the pane.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, theme: &Theme) {
    let rows = model.tenants.visible(model.scope.as_deref());
    let focused = model.run.is_none() && model.pane == OverviewPane::Tenants;
    let all = model.tenants.all().len();
    let title = [
        paint::span("Tenants", theme.title),
        paint::span(&super::runs::how_many(rows.len(), all, model.tenants.filter.text()), theme.dim),
    ];
    let area = paint::heading(area, buf, &title, focused, theme);
    if rows.is_empty() {
        let why = match (all, &model.link) {
            (0, LinkState::Live) if model.host.is_some() => "no tenant yet: `tenantry tenant create NAME`",
            (0, LinkState::Live | LinkState::Connecting) => "reading",
            (0, LinkState::Lost { .. }) => "not read yet",
            _ if model.tenants.filter.is_empty() => {
                "there is no such tenant; esc shows all, t lets you choose"
            }
            _ => "no tenant is left by the filter; esc clears it",
        };
        paint::text(area, buf, &format!("  {why}"), theme.dim);
        return;
    }
    let ids: Vec<_> = rows.iter().map(|row| row.tenant).collect();
    let cells = |row: usize| rows.get(row).map(|row| cells(row, theme)).unwrap_or_default();
    let table = Table {
        columns: COLUMNS,
        rows: rows.len(),
        selected: model.tenants.cursor.index(&ids),
        focused,
        cells: &cells,
    };
    table.draw(area, buf, theme);
}

fn cells(row: &TenantStats, theme: &Theme) -> Vec<Cell> {
    let state = match condition(row) {
        "active" => theme.good,
        "quarantined" => theme.bad,
        _ => theme.warn,
    };
    let lit = |n: u64, style| (words::count(n), if n > 0 { style } else { theme.dim });
    let queued = StageName::ALL.iter().fold(0_u64, |sum, stage| sum.saturating_add(depth(row, *stage)));
    let mut cells = vec![(row.name.clone(), theme.text), (condition(row).to_owned(), state)];
    cells.extend(StageName::ALL.iter().map(|stage| lit(depth(row, *stage), theme.text)));
    cells.push(lit(queued, theme.text));
    cells.push(lit(row.counters.events_accepted, theme.text));
    cells.push(lit(row.counters.runs_succeeded, theme.text));
    cells.push(lit(row.counters.runs_failed, theme.bad));
    cells.push(lit(dead(row), theme.bad));
    cells
}
