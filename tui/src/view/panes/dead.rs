//! Dead letters: what was given up, why, and how to take it up again.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::message::LinkState;
use crate::model::Model;
use crate::model::dead::{DeadLetters, DeadRow};
use crate::view::table::{Cell, Column, Table, numbers, rest, words as text};
use crate::view::theme::Theme;
use crate::view::{paint, words};

const COLUMNS: &[Column] = &[
    text("CREATED", 8, 1),
    text("TENANT", 14, 2),
    text("STAGE", 12, 0),
    rest("SUBJECT", 14, 0),
    numbers("ATTEMPT", 7, 3),
    rest("ERROR", 14, 4),
];

/// Lines below the table: heading, error, and two hints.
const DETAIL: u16 = 7;
/// How many lines of the error are shown.
const ERROR_LINES: usize = 3;

/// Draws the list and what is to be known about the selected one.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, dead: &DeadLetters, theme: &Theme) {
    let rows = dead.visible(|id| model.tenants.name(id));
    let mut title = vec![
        paint::span("Dead letters", theme.title),
        paint::span(&super::runs::how_many(rows.len(), dead.all().len(), dead.filter.text()), theme.dim),
    ];
    let queues = model.tenants.queues(model.scope.as_deref());
    let counted: u64 = queues.iter().fold(0, |sum, queue| sum.saturating_add(queue.dead));
    if counted > dead.all().len() as u64 {
        title.push(paint::span(&format!(", {} in all", words::count(counted)), theme.dim));
    }
    let area = paint::heading(area, buf, &title, true, theme);
    let ids: Vec<_> = rows.iter().map(|row| row.job.id).collect();
    let Some(at) = dead.cursor.index(&ids) else {
        let why = match (&model.link, dead.refresh.succeeded_at(), dead.filter.is_empty()) {
            (_, _, false) => "no dead letter is left by the filter; esc clears it",
            (_, Some(_), true) => "no dead letter: nothing waits for a person",
            (LinkState::Live | LinkState::Connecting, None, true) => "reading",
            (LinkState::Lost { .. }, None, true) => "not read yet",
        };
        paint::text(area, buf, &format!("  {why}"), theme.dim);
        return;
    };
    let detail = DETAIL.min(area.height / 2);
    let cells = |row: usize| rows.get(row).map(|row| cells(row, model, theme)).unwrap_or_default();
    let table =
        Table { columns: COLUMNS, rows: rows.len(), selected: Some(at), focused: true, cells: &cells };
    table.draw(Rect { height: area.height - detail, ..area }, buf, theme);
    if let Some(row) = rows.get(at) {
        selected(paint::below(area, area.height - detail), buf, model, row, theme);
    }
}

fn selected(area: Rect, buf: &mut Buffer, model: &Model, row: &DeadRow, theme: &Theme) {
    let title = [paint::span(&row.job.id.to_string(), theme.title)];
    let mut area = paint::heading(area, buf, &title, false, theme);
    let error = row.job.error.as_deref().unwrap_or("no reason was recorded");
    for line in paint::folded(error, area.width.saturating_sub(2), ERROR_LINES) {
        paint::text(area, buf, &format!("  {line}"), theme.bad);
        area = paint::below(area, 1);
    }
    let tenant = model.tenants.name(row.tenant).map_or_else(|| row.tenant.to_string(), str::to_owned);
    let job = row.job.id;
    for command in ["retry", "discard"] {
        let text = format!("  {command}: tenantry -t {tenant} dead {command} {job}");
        paint::text(area, buf, &text, theme.dim);
        area = paint::below(area, 1);
    }
}

fn cells(row: &DeadRow, model: &Model, theme: &Theme) -> Vec<Cell> {
    let tenant = model.tenants.name(row.tenant).map_or_else(|| row.tenant.to_string(), str::to_owned);
    let job = &row.job;
    vec![
        (words::moment(job.created_at, model.now, &model.zone), theme.dim),
        (tenant, theme.text),
        (job.stage.to_string(), theme.text),
        (job.subject.clone(), theme.text),
        (job.attempt.to_string(), theme.text),
        (job.error.clone().unwrap_or_default(), theme.text),
    ]
}
