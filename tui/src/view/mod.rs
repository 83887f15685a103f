//! Draws the model. Pure: the same model and size give the same cells; nothing is remembered between frames.
//!
//! **Invariant:** any size works, from one cell up. Texts reach cells through [`paint`] only.
//! Go next to [`panes`], one file a pane.

pub mod footer;
pub mod header;
pub mod overlay;
pub mod paint;
pub mod panes;
pub mod table;
#[cfg(test)]
pub(crate) mod tests;
pub mod theme;
pub mod words;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::model::{Mode, Model};
use theme::Theme;

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, model: &Model, theme: &Theme) {
    let area = frame.area();
    let buf = frame.buffer_mut();
    let body = header::draw(area, buf, model, theme);
    let (body, foot) = split_off_bottom(body, footer::HEIGHT);
    match (&model.mode, &model.run, &model.dead) {
        (Mode::Chooser(chooser), ..) => overlay::chooser::draw(body, buf, model, chooser, theme),
        (Mode::Help { top }, ..) => overlay::help::draw(body, buf, model, *top, theme),
        (_, Some(run), _) => panes::run::draw(body, buf, model, run, theme),
        (_, None, Some(dead)) => panes::dead::draw(body, buf, model, dead, theme),
        (_, None, None) => panes::overview::draw(body, buf, model, theme),
    }
    footer::draw(foot, buf, model, theme);
}

/// The area without its last lines, and those.
fn split_off_bottom(area: Rect, lines: u16) -> (Rect, Rect) {
    let lines = lines.min(area.height);
    let rest = Rect { height: area.height - lines, ..area };
    (rest, Rect { y: rest.bottom(), height: lines, ..area })
}
