//! The last log lines of a run.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use tenantry_protocol::run::{LogLine, LogStream};

use crate::model::Model;
use crate::model::run::{OpenRun, RunPane};
use crate::view::theme::Theme;
use crate::view::{paint, words};

/// From this width on, each line says when it came.
const WIDE: u16 = 72;

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
    for line in log.window(usize::from(area.height)) {
        paint::line(area, buf, &drawn(line, area.width, model, theme));
        area = paint::below(area, 1);
    }
}

fn drawn(line: &LogLine, width: u16, model: &Model, theme: &Theme) -> Line<'static> {
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
    let head = paint::span(&format!("  {when}{} ", paint::fit(&step, 16)), theme.dim);
    let room = width.saturating_sub(head.width() as u16);
    Line::from(vec![head, ratatui::text::Span::styled(paint::fit(&line.text, room), style)])
}
