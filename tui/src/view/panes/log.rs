//! The last log lines of a run.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use tenantry_protocol::run::{LogLine, LogStream};

use crate::model::Model;
use crate::model::run::{OpenRun, RunPane};
use crate::view::theme::Theme;
use crate::view::{paint, words};

/// From this width on, each line says when it came.
const WIDE: u16 = 72;

/// How many rows a line takes at the most when long lines are shown whole.
const FOLDS: usize = 20;

/// Draws the pane.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, run: &OpenRun, theme: &Theme) {
    let log = &run.log;
    let older = match log.dropped() {
        0 => String::new(),
        dropped => format!(", {dropped} older ones not kept"),
    };
    let place = match (log.follows(), log.ended) {
        (false, _) => ", G goes to the end",
        (true, false) => ", following",
        (true, true) => "",
    };
    let about = format!(" {} lines{older}{place}", log.lines().len());
    let title = [paint::span("Log", theme.title), paint::span(&about, theme.dim)];
    let mut area = paint::heading(area, buf, &title, run.pane == RunPane::Log, theme);
    if let Some(trouble) = &log.trouble {
        paint::text(area, buf, &format!("  {}: {}", trouble.code, trouble.detail), theme.bad);
        area = paint::below(area, 1);
    }
    let most = if log.wraps { FOLDS } else { 1 };
    let height = usize::from(area.height);
    let rows: Vec<_> =
        log.window(height).flat_map(|line| drawn(line, area.width, most, model, theme)).collect();
    // The newest line in the window stays in sight.
    for row in rows.iter().skip(rows.len().saturating_sub(height)) {
        paint::line(area, buf, row);
        area = paint::below(area, 1);
    }
}

fn drawn(line: &LogLine, width: u16, most: usize, model: &Model, theme: &Theme) -> Vec<Line<'static>> {
    let style = match line.stream {
        LogStream::Stdout => theme.text,
        LogStream::Stderr => theme.warn,
        LogStream::System => theme.dim,
    };
    let when = if width >= WIDE {
        format!("{} ", words::moment(line.at, model.now, &model.zone))
    } else {
        String::new()
    };
    let step = if line.attempt > 1 { format!("{}#{}", line.step, line.attempt) } else { line.step.clone() };
    let head = format!("  {when}{} ", paint::fit(&step, 16));
    let indent = Span::raw(head.as_str()).width();
    let parts = paint::folded(&line.text, width.saturating_sub(indent as u16), most);
    let heads = std::iter::once(head).chain(std::iter::repeat(" ".repeat(indent)));
    let rows = heads
        .zip(parts)
        .map(|(head, part)| Line::from(vec![paint::span(&head, theme.dim), Span::styled(part, style)]));
    rows.collect()
}
