//! One run: what it is, where its time went, its steps, the attempts of the selected one, its log.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use tenantry_protocol::run::RunView;

use super::{attempts, log, stages, steps};
use crate::model::Model;
use crate::model::run::OpenRun;
use crate::view::theme::Theme;
use crate::view::{paint, words};

/// Draws the run.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, run: &OpenRun, theme: &Theme) {
    let Some(view) = &run.view else {
        let area = heading(area, buf, run, None, theme);
        let text = match &run.trouble {
            Some(trouble) => format!("{}: {}; {}", trouble.code, trouble.detail, trouble.hint),
            None => "reading".to_owned(),
        };
        paint::text(area, buf, &text, if run.trouble.is_some() { theme.bad } else { theme.dim });
        return;
    };
    let area = heading(area, buf, run, Some(view), theme);
    let mut area = facts(area, buf, model, view, theme);
    if let Some(error) = &view.error {
        paint::text(area, buf, &format!("error: {error}"), theme.bad);
        area = paint::below(area, 1);
    }
    area = stages::draw(area, buf, view, model.now, theme);

    let count = (view.steps.len().clamp(1, 1_000)) as u16;
    let height = (count + 2).min((area.height / 2).max(4)).min(area.height);
    steps::draw(Rect { height, ..area }, buf, model, run, theme);
    area = paint::below(area, height);
    area = attempts::draw(area, buf, model, run, theme);
    log::draw(area, buf, model, run, theme);
}

fn heading(area: Rect, buf: &mut Buffer, run: &OpenRun, view: Option<&RunView>, theme: &Theme) -> Rect {
    let mut title = vec![paint::span("Run", theme.title)];
    if let Some(view) = view {
        title.push(paint::span(&format!(" {} ", view.state), words::run_style(view.state, theme)));
        title.push(paint::span(&format!("{} r{} · ", view.workflow, view.revision), theme.text));
    } else {
        title.push(Span::raw(" "));
    }
    title.push(paint::span(&format!("tenant {}", run.tenant_name), theme.text));
    paint::heading(area, buf, &title, false, theme)
}

fn facts(area: Rect, buf: &mut Buffer, model: &Model, view: &RunView, theme: &Theme) -> Rect {
    let accepted = words::moment(view.accepted_at, model.now, &model.zone);
    let took = match view.ended_at {
        Some(ended) => format!("took {}", words::duration(ended.saturating_sub(view.accepted_at))),
        None => format!("for {}", words::seconds(model.now.saturating_sub(view.accepted_at))),
    };
    let line = Line::from(vec![
        paint::span(&view.id.to_string(), theme.text),
        paint::span(&format!("  {} at {accepted}, ", view.trigger), theme.dim),
        paint::span(&took, theme.text),
    ]);
    paint::line(area, buf, &line);
    paint::below(area, 1)
}
