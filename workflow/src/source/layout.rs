//! How a YAML text lies on its lines: which lines are structure of their own, which go on with a value that began above.

use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A key, an item, a comment or nothing.
    Own,
    /// It goes on with a value in quotes, in brackets or in plain words.
    Goes,
    /// It is content of a block scalar whose indentation, if it is found and not said, is this many columns.
    Block { indent: Option<usize> },
}

/// The lines of a text.
#[derive(Debug)]
pub(crate) struct Layout {
    /// One a line, in order.
    pub(crate) lines: Vec<Line>,
    /// Whether values refer to each other, so that their order matters.
    pub(crate) has_aliases: bool,
}

/// Looks at a text that can be read; `None` for one that cannot.
pub(crate) fn of(text: &str) -> Option<Layout> {
    let texts: Vec<&str> = text.lines().collect();
    let mut layout = Layout { lines: vec![Line::Own; texts.len()], has_aliases: false };
    let mut open_flows: Vec<usize> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let lines = lines(&span);
        match event {
            Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) => {
                // Nothing but empty lines stands between the header and the first line of content.
                let above = texts.iter().take(lines.start).enumerate().rev();
                let header = above.clone().find(|(_, line)| !line.trim().is_empty());
                let (header, line) = header.map_or((0, ""), |(at, line)| (at, *line));
                // It ends with a line; what the parser names is the place after it.
                let last = texts.get(span.end.line().saturating_sub(1)).copied().unwrap_or_default();
                let before_next = last.get(..span.end.col()).is_some_and(|space| space.trim().is_empty());
                let end = if before_next { span.end.line().saturating_sub(1) } else { lines.end };
                let indent = (!says_indent(line)).then_some(span.start.col());
                layout.set(header + 1..end, Line::Block { indent });
            }
            Event::Scalar(..) if open_flows.is_empty() => layout.set(lines.start + 1..lines.end, Line::Goes),
            Event::SequenceStart(StructureStyle::Flow, ..)
            | Event::MappingStart(StructureStyle::Flow, ..) => {
                open_flows.push(lines.start);
            }
            Event::SequenceEnd | Event::MappingEnd if span.start != span.end => {
                if let Some(start) = open_flows.pop() {
                    layout.set(start + 1..lines.end, Line::Goes);
                }
            }
            Event::Alias(_) => layout.has_aliases = true,
            _ => {}
        }
    }
    Some(layout)
}

impl Layout {
    fn set(&mut self, range: Range<usize>, line: Line) {
        let end = range.end.min(self.lines.len());
        if let Some(lines) = self.lines.get_mut(range.start.min(end)..end) {
            lines.fill(line);
        }
    }
}

/// The lines that a span covers, from 0.
fn lines(span: &Span) -> Range<usize> {
    let first = span.start.line().saturating_sub(1);
    // A span that ends before the first column ends with the line above.
    let end = if span.end.col() == 0 { span.end.line().saturating_sub(1) } else { span.end.line() };
    first..end.max(first + 1)
}

/// Whether the header of a block scalar says its indentation, as `|2-` does.
fn says_indent(header: &str) -> bool {
    let bare = header.split(" #").next().unwrap_or_default().trim_end();
    let marks = bare.rsplit(['|', '>']).next().unwrap_or_default();
    marks.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let text = "a: |\n\n  x\n\nb: [1,\n  2]\n# c\nc:\n- 'a\n  b'\n- |2-\n   y\n";
        let layout = of(text).unwrap();
        let found = Line::Block { indent: Some(2) };
        let said = Line::Block { indent: None };
        let (own, goes) = (Line::Own, Line::Goes);
        assert_eq!(layout.lines, [own, found, found, found, own, goes, own, own, own, goes, own, said]);
        assert!(of("a: [").is_none());
        assert!(of("a: &x 1\nb: *x\n").unwrap().has_aliases);
    }
}
