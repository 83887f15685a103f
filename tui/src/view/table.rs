//! A table that fits: columns give way by rank when the pane is narrow, the selected row stays in sight.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::paint;
use super::theme::Theme;

/// Which side of its column a cell stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Its width in cells; for the one that grows, its least width.
    pub width: u16,
    /// Whether it takes its share of what is left.
    pub grows: bool,
    /// Where its cells stand.
    pub side: Side,
    /// The highest ranks give way first; 0 never does.
    pub rank: u8,
}

/// Words in a column of this width.
pub const fn words(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, grows: false, side: Side::Left, rank }
}

/// Words in a column that takes its share of what is left.
pub const fn rest(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, grows: true, side: Side::Left, rank }
}

/// Numbers in a column of this width.
pub const fn numbers(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width, grows: false, side: Side::Right, rank }
}

/// A text with its style.
pub type Cell = (String, Style);

/// A table's rows and how they are selected.
pub struct Table<'a> {
    /// The columns, from left to right.
    pub columns: &'a [Column],
    /// How many rows there are.
    pub rows: usize,
    /// The selected row.
    pub selected: Option<usize>,
    /// Whether the table has the keys.
    pub focused: bool,
    /// The cells of a row, one a column. Asked only for rows in sight.
    pub cells: &'a dyn Fn(usize) -> Vec<Cell>,
}

/// Columns of the marker before each row.
const MARKER: u16 = 2;
/// Columns between two columns.
const GAP: u16 = 1;

impl Table<'_> {
    /// Draws the headings and as many rows as fit.
    pub fn draw(&self, area: Rect, buf: &mut Buffer, theme: &Theme) {
        if area.height == 0 || area.width <= MARKER {
            return;
        }
        let layout = fit(self.columns, area.width - MARKER);
        let heading = Rect { height: 1, ..area };
        for (index, x, width) in &layout {
            let column = &self.columns[*index];
            cell(heading, buf, (*x, *width), column, &(column.title.to_owned(), theme.dim));
        }
        let height = usize::from(area.height - 1);
        let top = top(self.selected, self.rows, height);
        for (line, row) in (top..self.rows).take(height).enumerate() {
            let place = Rect { y: area.y + 1 + line as u16, height: 1, ..area };
            let cells = (self.cells)(row);
            for (index, x, width) in &layout {
                if let Some(content) = cells.get(*index) {
                    cell(place, buf, (*x, *width), &self.columns[*index], content);
                }
            }
            if self.selected == Some(row) {
                paint::text(place, buf, ">", theme.title);
                buf.set_style(place, if self.focused { theme.selected } else { theme.title });
            }
        }
    }
}

/// The first row in sight, so that the selected one is near the middle.
pub fn top(selected: Option<usize>, rows: usize, height: usize) -> usize {
    selected.unwrap_or(0).saturating_sub(height / 2).min(rows.saturating_sub(height))
}

/// Which columns are shown, each with its offset and width.
fn fit(columns: &[Column], width: u16) -> Vec<(usize, u16, u16)> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let need = |shown: &[usize]| {
        let widths: u16 = shown.iter().map(|index| columns[*index].width + GAP).sum();
        widths.saturating_sub(GAP)
    };
    while need(&shown) > width {
        let weakest = shown.iter().copied().filter(|index| columns[*index].rank > 0);
        let Some(weakest) = weakest.max_by_key(|index| columns[*index].rank) else { break };
        shown.retain(|index| *index != weakest);
    }
    let growing = shown.iter().filter(|index| columns[**index].grows).count().max(1) as u16;
    let spare = width.saturating_sub(need(&shown));
    let (share, mut odd) = (spare / growing, spare % growing);
    let mut x = MARKER;
    let mut layout = Vec::with_capacity(shown.len());
    for index in shown {
        let more = if columns[index].grows { share + std::mem::take(&mut odd) } else { 0 };
        let own = columns[index].width + more;
        layout.push((index, x, own));
        x = x.saturating_add(own + GAP);
    }
    layout
}

fn cell(row: Rect, buf: &mut Buffer, (x, width): (u16, u16), column: &Column, (text, style): &Cell) {
    let room = row.width.saturating_sub(x).min(width);
    let line = Line::from(Span::styled(paint::fit(text, room), *style));
    let indent = match column.side {
        Side::Left => 0,
        Side::Right => room.saturating_sub(line.width() as u16),
    };
    let place = Rect { x: row.x.saturating_add(x + indent), width: room - indent, ..row };
    paint::line(place, buf, &line);
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[words("A", 4, 0), numbers("B", 3, 2), rest("C", 5, 1)];

    #[test]
    fn columns_give_way_by_rank() {
        assert_eq!(fit(COLUMNS, 20), [(0, 2, 4), (1, 7, 3), (2, 11, 11)]);
        assert_eq!(fit(COLUMNS, 12), [(0, 2, 4), (2, 7, 7)]);
        assert_eq!(fit(COLUMNS, 6), [(0, 2, 4)]);
        assert_eq!(fit(COLUMNS, 1), [(0, 2, 4)], "the first column stays, cut off");
    }

    #[test]
    fn the_selected_row_is_in_sight() {
        assert_eq!(top(None, 100, 10), 0);
        assert_eq!(top(Some(50), 100, 10), 45);
        assert_eq!(top(Some(99), 100, 10), 90);
        assert_eq!(top(Some(3), 4, 10), 0);
        assert_eq!(top(Some(3), 4, 0), 3);
    }
}
