//! The steps of a run, each with a lane that shows when it ran.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tenantry_protocol::run::{RunView, StepView};

use crate::model::Model;
use crate::model::run::{OpenRun, RunPane};
use crate::view::table::{Cell, Column, Table, numbers, rest, words as text};
use crate::view::theme::Theme;
use crate::view::{paint, words};

/// Cells of a lane.
const LANE: usize = 32;

const COLUMNS: &[Column] = &[
    rest("STEP", 14, 0),
    text("KIND", 5, 3),
    text("STATE", 11, 0),
    numbers("ATTEMPT", 7, 1),
    numbers("TOOK", 7, 1),
    text("WHEN", LANE as u16, 5),
    rest("ERROR", 14, 4),
];

/// Draws the pane.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, run: &OpenRun, theme: &Theme) {
    let Some(view) = &run.view else { return };
    let focused = run.pane == RunPane::Steps;
    let title =
        [paint::span("Steps", theme.title), paint::span(&format!(" {}", view.steps.len()), theme.dim)];
    let area = paint::heading(area, buf, &title, focused, theme);
    let ids = run.step_ids();
    let cells =
        |row: usize| view.steps.get(row).map(|step| cells(step, view, model.now, theme)).unwrap_or_default();
    let table = Table {
        columns: COLUMNS,
        rows: view.steps.len(),
        selected: run.cursor.index(&ids),
        focused,
        cells: &cells,
    };
    table.draw(area, buf, theme);
}

fn cells(step: &StepView, view: &RunView, now: i64, theme: &Theme) -> Vec<Cell> {
    let style = words::step_style(step.state, theme);
    let took = match (step.started_at, step.ended_at) {
        (Some(started), Some(ended)) => words::duration(ended.saturating_sub(started)),
        (Some(started), None) => words::seconds(now.saturating_sub(started)),
        (None, _) => String::new(),
    };
    let attempt = if step.attempt == 0 { String::new() } else { step.attempt.to_string() };
    vec![
        (step.id.clone(), theme.text),
        (step.kind.clone(), theme.dim),
        (step.state.to_string(), style),
        (attempt, theme.text),
        (took, theme.text),
        (lane(step, view.created_at, view.ended_at.unwrap_or(now)), style),
        (step.error.clone().unwrap_or_default(), theme.text),
    ]
}

/// The time of the run from left to right: `█` while an attempt ran, `─` between the first and the last.
fn lane(step: &StepView, from: i64, to: i64) -> String {
    let Some(started) = step.started_at else { return String::new() };
    let span = to.saturating_sub(from).max(1);
    let cell = |at: i64| {
        let share = i128::from(at.saturating_sub(from).max(0)) * LANE as i128 / i128::from(span);
        (share as usize).min(LANE - 1)
    };
    let mut cells = [' '; LANE];
    let ended = step.ended_at.unwrap_or(to);
    let fill = |cells: &mut [char; LANE], began: i64, ended: i64, mark: char| {
        let (first, last) = (cell(began), cell(ended));
        cells[first..=last.max(first)].fill(mark);
    };
    fill(&mut cells, started, ended, if step.attempts.is_empty() { '█' } else { '─' });
    for attempt in &step.attempts {
        fill(&mut cells, attempt.started_at, attempt.ended_at, '█');
    }
    if step.ended_at.is_none() {
        cells[LANE - 1] = '>';
    }
    cells.iter().collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{attempt, step_view};
    use tenantry_protocol::state::StepState;

    #[test]
    fn a_lane_shows_attempts_and_waits() {
        let mut step = step_view("charge", StepState::Succeeded);
        (step.started_at, step.ended_at) = (Some(0), Some(3_200));
        step.attempts = vec![attempt(1, 0, 500), attempt(2, 3_000, 3_100)];
        assert_eq!(lane(&step, 0, 3_200), "██████────────────────────────██");
        step.attempts.clear();
        assert_eq!(lane(&step, 0, 6_400), "█".repeat(17));
        step.started_at = None;
        assert_eq!(lane(&step, 0, 6_400), "");
    }

    #[test]
    fn times_that_make_no_sense_make_no_panic() {
        let mut step = step_view("x", StepState::Running);
        for (started, from, to) in [(i64::MAX, i64::MIN, 0), (i64::MIN, i64::MAX, i64::MIN), (5, 9, 2)] {
            (step.started_at, step.ended_at) = (Some(started), None);
            step.attempts = vec![attempt(1, i64::MAX, i64::MIN)];
            assert!(lane(&step, from, to).chars().count() <= LANE);
        }
    }
}
