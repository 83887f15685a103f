//! The latest runs over the tenants that are shown, newest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::message::LinkState;
use crate::model::runs::RunRow;
use crate::model::{Model, OverviewPane, RUN_TENANTS};
use crate::view::table::{Cell, Column, Table, numbers, rest, words as text};
use crate::view::theme::Theme;
use crate::view::{paint, words};

const COLUMNS: &[Column] = &[
    text("CREATED", 8, 1),
    text("TENANT", 14, 2),
    rest("WORKFLOW", 14, 0),
    text("STATE", 9, 0),
    numbers("TOOK", 7, 3),
    text("RUN", 8, 5),
    rest("ERROR", 14, 4),
];

/// Draws the pane.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, theme: &Theme) {
    let rows = model.visible_runs();
    let focused = model.run.is_none() && model.pane == OverviewPane::Runs;
    let mut title = vec![
        paint::span("Runs", theme.title),
        paint::span(&how_many(rows.len(), model.runs.len(), model.runs.filter.text()), theme.dim),
    ];
    let tenants = model.tenants.all().len();
    if model.scope.is_none() && tenants > RUN_TENANTS {
        let text = format!(", earlier ones of {RUN_TENANTS} of {tenants} tenants");
        title.push(paint::span(&text, theme.dim));
    }
    let area = paint::heading(area, buf, &title, focused, theme);
    if rows.is_empty() {
        let why = match (model.runs.len(), &model.link, model.runs.filter.is_empty()) {
            (_, _, false) => "no run is left by the filter; esc clears it",
            (_, LinkState::Live, true) => "no run yet: `tenantry workflow run NAME` starts one",
            (_, _, true) => "not read yet",
        };
        paint::text(area, buf, &format!("  {why}"), theme.dim);
        return;
    }
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let cells = |row: usize| rows.get(row).map(|row| cells(row, model, theme)).unwrap_or_default();
    let table = Table {
        columns: COLUMNS,
        rows: rows.len(),
        selected: model.runs.cursor.index(&ids),
        focused,
        cells: &cells,
    };
    table.draw(area, buf, theme);
}

/// What stands behind a heading: how many rows are shown, of how many, and by which filter.
pub fn how_many(shown: usize, all: usize, filter: &str) -> String {
    let filter = if filter.is_empty() { String::new() } else { format!(", filter /{filter}") };
    if shown == all { format!(" {all}{filter}") } else { format!(" {shown} of {all}{filter}") }
}

fn cells(row: &RunRow, model: &Model, theme: &Theme) -> Vec<Cell> {
    let tenant = model.tenants.name(row.tenant).map_or_else(|| row.tenant.to_string(), str::to_owned);
    let took =
        row.ended_at.map(|ended| words::duration(ended.saturating_sub(row.created_at))).unwrap_or_default();
    let id = row.id.to_string();
    // The end of an id is the part that differs.
    let short = id.get(id.len() - 8..).unwrap_or_default().to_owned();
    vec![
        (words::moment(row.created_at, model.now, &model.zone), theme.dim),
        (tenant, theme.text),
        (row.workflow.clone(), theme.text),
        (row.state.to_string(), words::run_style(row.state, theme)),
        (took, theme.text),
        (short, theme.dim),
        (row.error.clone().unwrap_or_default(), theme.text),
    ]
}
