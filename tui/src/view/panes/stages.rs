//! Where a run's time went: one bar over the four stages, waiting included.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use tenantry_protocol::run::RunView;
use tenantry_protocol::state::StageName;

use crate::view::theme::Theme;
use crate::view::{paint, words};

/// A stage's part of the bar; shades as well as colours tell them apart.
struct Part {
    stage: StageName,
    ms: Option<i64>,
    /// Whether it is under way, so that the time grows.
    open: bool,
    shade: &'static str,
    style: Style,
}

/// Draws the bar and its legend, if the daemon told the times; what is left of the area.
pub fn draw(area: Rect, buf: &mut Buffer, view: &RunView, now: i64, theme: &Theme) -> Rect {
    let Some(times) = view.stages else { return area };
    let part = |stage, ms, shade, style| Part { stage, ms, open: false, shade, style };
    let mut parts = [
        part(StageName::Trigger, Some(times.trigger_ms), "█", theme.busy),
        part(StageName::Action, times.action_ms, "▓", theme.good),
        part(StageName::Logging, times.logging_ms, "▒", theme.warn),
        part(StageName::Notification, times.notification_ms, "░", theme.text),
    ];
    if !view.state.is_terminal() && times.action_ms.is_none() {
        parts[1].ms = Some(now.saturating_sub(view.created_at).max(0));
        parts[1].open = true;
    }
    let widths = widths(&parts.each_ref().map(|part| part.ms.unwrap_or(0)), area.width);
    let bar = parts.iter().zip(widths);
    let bar: Vec<_> =
        bar.map(|(part, width)| Span::styled(part.shade.repeat(usize::from(width)), part.style)).collect();
    paint::line(area, buf, &Line::from(bar));
    let mut legend = Vec::new();
    for part in &parts {
        let time = match part.ms {
            Some(ms) if part.open => format!("{}…", words::seconds(ms)),
            Some(ms) => words::duration(ms),
            None => "-".to_owned(),
        };
        legend.push(Span::styled(part.shade, part.style));
        legend.push(paint::span(&format!(" {} {time}  ", part.stage), theme.text));
    }
    paint::line(paint::below(area, 1), buf, &Line::from(legend));
    paint::below(area, 2)
}

/// Shares a width by time; whatever took any time gets at least one cell.
fn widths(ms: &[i64; 4], width: u16) -> [u16; 4] {
    let total: i128 = ms.iter().map(|ms| i128::from((*ms).max(0))).sum();
    if total == 0 {
        return [0; 4];
    }
    let mut widths = ms.map(|ms| {
        let share = i128::from(ms.max(0)) * i128::from(width) / total;
        (share as u16).max(u16::from(ms > 0))
    });
    // What rounding added is taken from the longest.
    let excess = widths.iter().sum::<u16>().saturating_sub(width);
    if let Some(longest) = widths.iter_mut().max() {
        *longest = longest.saturating_sub(excess);
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_stages_stay_visible() {
        assert_eq!(widths(&[1, 997, 1, 1], 40), [1, 37, 1, 1]);
        assert_eq!(widths(&[0, 0, 0, 0], 40), [0; 4]);
        assert_eq!(widths(&[1, 1, 0, 0], 10), [5, 5, 0, 0]);
    }

    proptest! {
        #[test]
        fn the_bar_fits(ms in any::<[i64; 4]>(), width in 4_u16..500) {
            prop_assert!(widths(&ms, width).iter().sum::<u16>() <= width);
        }
    }
}
