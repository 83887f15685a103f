//! Tables and lists of fields as text: aligned, sanitised, cut only where a terminal would wrap them.
//!
//! **Invariant:** every cell passes [`printable`] here, so that no command can forget it.

use std::borrow::Cow;

use tenantry_protocol::printable::{printable, printable_lines};

use crate::moment::Clock;

/// Between two columns.
const GAP: &str = "  ";
/// No column is cut below this many characters.
const NARROWEST: usize = 8;

/// What a cell says besides its text. Shown as one of the terminal's own 16 colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// A person should look.
    Warn,
    /// It matters less than the rest.
    Dim,
    /// It heads what follows.
    Strong,
}

impl Tone {
    /// The SGR parameter (ECMA-48 §8.3.117).
    const fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Warn => Some("33"),
            Self::Dim => Some("2"),
            Self::Strong => Some("1"),
        }
    }
}

/// One field of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// A dash where there is nothing.
    pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> Self {
        value.map_or_else(|| Self::toned("-", Tone::Dim), |value| value.to_string().into())
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// A column of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    title: &'static str,
    wide: bool,
    right: bool,
}

impl Column {
    /// Always shown.
    pub(crate) const fn new(title: &'static str) -> Self {
        Self { title, wide: false, right: false }
    }

    /// Shown with `-o wide` only.
    pub(crate) const fn wide(title: &'static str) -> Self {
        Self { title, wide: true, right: false }
    }

    /// Numbers.
    pub(crate) const fn right(title: &'static str) -> Self {
        Self { title, wide: false, right: true }
    }
}

/// Something that lists show, one line each.
pub(crate) trait Row {
    /// The columns, in order.
    const COLUMNS: &'static [Column];

    /// One cell a column.
    fn cells(&self, clock: Clock) -> Vec<Cell>;

    /// What names it in other commands; `-o name` prints only this.
    fn name(&self) -> String;
}

/// How text is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Columns marked as wide are shown.
    pub(crate) wide: bool,
    /// Cells may have colour.
    pub(crate) colour: bool,
    /// The terminal's width; `None` where nothing is cut.
    pub(crate) width: Option<usize>,
}

/// A list as a table with a header.
pub(crate) fn table<T: Row>(rows: &[T], clock: Clock, layout: Layout) -> String {
    let shown: Vec<usize> =
        (0..T::COLUMNS.len()).filter(|index| layout.wide || !T::COLUMNS[*index].wide).collect();
    let mut lines: Vec<Vec<Cell>> =
        vec![shown.iter().map(|index| Cell::from(T::COLUMNS[*index].title)).collect()];
    for row in rows {
        let mut cells = row.cells(clock);
        let picked = shown.iter().map(|index| cells.get_mut(*index).map(std::mem::take).unwrap_or_default());
        lines.push(picked.map(|cell| clean(&cell)).collect());
    }
    let right: Vec<bool> = shown.iter().map(|index| T::COLUMNS[*index].right).collect();
    let widths = fit(widths(&lines, right.len()), layout.width);
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        let tone = (number == 0).then_some(Tone::Strong);
        push_line(&mut out, line, &widths, &right, tone, layout.colour);
    }
    out
}

/// One thing as `label  value` lines. Values of several lines are indented below their label.
pub(crate) fn fields(fields: &[(&'static str, Cell)], layout: Layout) -> String {
    let label_width = fields.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
    let mut out = String::new();
    for (label, cell) in fields {
        let text = printable_lines(&cell.text);
        let mut lines = text.trim_end_matches('\n').split('\n');
        let first = lines.next().unwrap_or_default();
        push_toned(&mut out, &format!("{label:label_width$}"), Tone::Dim, layout.colour);
        out.push_str(GAP);
        push_toned(&mut out, first, cell.tone, layout.colour);
        out.push('\n');
        for line in lines {
            out.push_str(&" ".repeat(label_width + GAP.len()));
            push_toned(&mut out, line, cell.tone, layout.colour);
            out.push('\n');
        }
    }
    out
}

/// Text with its tone, already sanitised.
pub(crate) fn push_toned(out: &mut String, text: &str, tone: Tone, colour: bool) {
    match tone.sgr().filter(|_| colour && !text.is_empty()) {
        Some(sgr) => {
            out.push_str("\u{1b}[");
            out.push_str(sgr);
            out.push('m');
            out.push_str(text);
            out.push_str("\u{1b}[0m");
        }
        None => out.push_str(text),
    }
}

fn clean(cell: &Cell) -> Cell {
    let text = match printable(&cell.text) {
        Cow::Borrowed("") => "-".to_owned(),
        other => other.into_owned(),
    };
    Cell { text, tone: cell.tone }
}

fn widths(lines: &[Vec<Cell>], columns: usize) -> Vec<usize> {
    (0..columns)
        .map(|column| lines.iter().map(|line| line[column].text.chars().count()).max().unwrap_or_default())
        .collect()
}

/// Narrows the widest columns until the line fits. The first one names the thing: it is what a person copies into the
/// next command, so it is never cut.
fn fit(mut widths: Vec<usize>, limit: Option<usize>) -> Vec<usize> {
    let Some(limit) = limit else { return widths };
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > limit {
        let Some(widest) = widths.iter_mut().skip(1).max().filter(|width| **width > NARROWEST) else { break };
        *widest -= 1;
    }
    widths
}

fn push_line(
    out: &mut String,
    line: &[Cell],
    widths: &[usize],
    right: &[bool],
    tone: Option<Tone>,
    colour: bool,
) {
    for (index, cell) in line.iter().enumerate() {
        if index > 0 {
            out.push_str(GAP);
        }
        let width = widths[index];
        let text = cut(&cell.text, width);
        let padding = " ".repeat(width - text.chars().count());
        if right[index] {
            out.push_str(&padding);
        }
        push_toned(out, &text, tone.unwrap_or(cell.tone), colour);
        if !right[index] && index + 1 < line.len() {
            out.push_str(&padding);
        }
    }
    out.push('\n');
}

fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.chars().count() <= width {
        return Cow::Borrowed(text);
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    Cow::Owned(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(&'static str, u32, &'static str);

    impl Row for Thing {
        const COLUMNS: &'static [Column] =
            &[Column::new("NAME"), Column::right("COUNT"), Column::wide("NOTE")];
        fn cells(&self, _: Clock) -> Vec<Cell> {
            vec![self.0.into(), self.1.to_string().into(), Cell::toned(self.2, Tone::Bad)]
        }
        fn name(&self) -> String {
            self.0.to_owned()
        }
    }

    const PIPE: Layout = Layout { wide: false, colour: false, width: None };

    fn rows() -> [Thing; 2] {
        [Thing("acme", 7, "fine"), Thing("a\u{1b}]0;owned\u{7}", 12_345, "")]
    }

    #[test]
    fn columns_align_and_tenants_text_is_sanitised() {
        let text = table(&rows(), Clock::new(0, false), PIPE);
        assert_eq!(
            text,
            "NAME                  COUNT\n\
             acme                      7\n\
             a\\u{1b}]0;owned\\u{7}  12345\n"
        );
    }

    #[test]
    fn wide_shows_more_and_empty_cells_have_a_dash() {
        let text = table(&rows(), Clock::new(0, false), Layout { wide: true, ..PIPE });
        assert!(text.lines().next().is_some_and(|header| header.ends_with("NOTE")));
        assert!(text.ends_with("12345  -\n"), "{text}");
    }

    #[test]
    fn a_terminal_cuts_the_widest_column_but_never_the_name() {
        let rows = [Thing("a-name-that-is-copied", 7, "a note that is longer than the terminal")];
        let text = table(&rows, Clock::new(0, false), Layout { wide: true, width: Some(50), ..PIPE });
        assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
        assert!(text.contains("a-name-that-is-copied") && text.contains('…'), "{text}");
        let tight = table(&rows, Clock::new(0, false), Layout { wide: true, width: Some(5), ..PIPE });
        assert!(tight.contains("a-name-that-is-copied"), "{tight}");
    }

    #[test]
    fn colour_comes_only_when_asked_for() {
        let plain = table(&rows(), Clock::new(0, false), Layout { wide: true, ..PIPE });
        let coloured = table(&rows(), Clock::new(0, false), Layout { wide: true, colour: true, ..PIPE });
        assert!(!plain.contains('\u{1b}'));
        assert!(coloured.contains("\u{1b}[31mfine\u{1b}[0m"));
    }

    #[test]
    fn fields_indent_what_follows() {
        let text = fields(&[("id", "run_1".into()), ("error", "one\ntwo\u{9b}".into())], PIPE);
        assert_eq!(text, "id     run_1\nerror  one\n       two\\u{9b}\n");
    }
}
