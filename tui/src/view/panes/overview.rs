//! Where the panes of the overview stand, by how much room there is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{host, queues, runs, tenants};
use crate::model::Model;
use crate::view::paint;
use crate::view::theme::Theme;

/// From this width on, the queues stand beside the tenants.
const WIDE: u16 = 150;
/// From this height on, the queues have a pane of their own.
const TALL: u16 = 24;
/// Width of the queues beside the tenants.
const QUEUES: u16 = 46;

/// Draws the overview.
pub fn draw(area: Rect, buf: &mut Buffer, model: &Model, theme: &Theme) {
    let mut area = host::draw(area, buf, model, theme);
    let rows = model.tenants.visible(model.scope.as_deref()).len().clamp(1, 1_000) as u16;
    if area.width >= WIDE {
        // Heading, column titles, four stages.
        let most = (area.height * 2 / 5).max(queues::HEIGHT);
        let height = (rows + 2).clamp(queues::HEIGHT, most).min(area.height);
        let band = Rect { height, ..area };
        let left = Rect { width: area.width - QUEUES - 2, ..band };
        tenants::draw(left, buf, model, theme);
        queues::draw(Rect { x: left.right() + 2, width: QUEUES, ..band }, buf, model, theme);
        area = paint::below(area, height);
    } else {
        if area.height >= TALL {
            queues::draw(Rect { height: queues::HEIGHT, ..area }, buf, model, theme);
            area = paint::below(area, queues::HEIGHT);
        } else {
            area = queues::line(area, buf, model, theme);
        }
        let height = (rows + 2).min((area.height * 2 / 5).max(4)).min(area.height);
        tenants::draw(Rect { height, ..area }, buf, model, theme);
        area = paint::below(area, height);
    }
    runs::draw(area, buf, model, theme);
}
