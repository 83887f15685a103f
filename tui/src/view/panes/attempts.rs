//! The attempts of the selected step, if there is something to tell about them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use tenantry_protocol::run::StepView;

use crate::model::Model;
use crate::model::run::OpenRun;
use crate::view::theme::Theme;
use crate::view::{paint, words};

/// How many attempts are shown; the last ones.
const SHOWN: usize = 3;
/// How many lines of each error are shown.
const ERROR_LINES: usize = 3;
/// How far an error stands from the left.
const INDENT: u16 = 6;
/// Below this height the log needs the room more.
const LEAST: u16 = 8;

/// Draws the pane; what is left of the area.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, run: &OpenRun, theme: &Theme) -> Rect {
    let Some(step) = selected(run).filter(|_| area.height >= LEAST) else { return area };
    if step.attempts.len() < 2 && step.error.is_none() {
        return area;
    }
    let title = [paint::span("Attempts", theme.title), paint::span(&format!(" of {}", step.id), theme.dim)];
    let mut area = paint::heading(area, buf, &title, false, theme);
    let hidden = step.attempts.len().saturating_sub(SHOWN);
    for attempt in step.attempts.iter().skip(hidden) {
        let took = words::duration(attempt.ended_at.saturating_sub(attempt.started_at));
        let at = words::moment(attempt.started_at, model.now, &model.zone);
        let style = if attempt.outcome == "succeeded" { theme.good } else { theme.warn };
        let line = Line::from(vec![
            paint::span(&format!("  {at} {:>3} ", attempt.number), theme.dim),
            paint::span(&attempt.outcome, style),
            paint::span(&format!(" after {took}"), theme.text),
        ]);
        paint::line(area, buf, &line);
        area = paint::below(area, 1);
        if let Some(error) = &attempt.error {
            area = told(area, buf, error, theme);
        }
    }
    // What no attempt tells: why it was skipped, or a time limit of the run.
    let last = step.attempts.last().and_then(|attempt| attempt.error.as_deref());
    match step.error.as_deref() {
        Some(error) if Some(error) != last => told(area, buf, error, theme),
        _ => area,
    }
}

/// An error in full, as far as there is room; what is left of the area.
fn told(area: Rect, buf: &mut Buffer, error: &str, theme: &Theme) -> Rect {
    let mut area = area;
    for line in paint::folded(error, area.width.saturating_sub(INDENT), ERROR_LINES) {
        let place =
            Rect { x: area.x + INDENT.min(area.width), width: area.width.saturating_sub(INDENT), ..area };
        paint::text(place, buf, &line, theme.text);
        area = paint::below(area, 1);
    }
    area
}

fn selected(run: &OpenRun) -> Option<&StepView> {
    let at = run.cursor.index(&run.step_ids())?;
    run.view.as_ref()?.steps.get(at)
}
