//! YAML, line by line: every line of its own gets the indentation of its place, what goes on with a value moves along.
//!
//! A line's place is found by a stack of the open mappings and lists, each with the column it had and the column it
//! gets. Go next to [`order`] for the order of the keys.

mod order;

use crate::source::layout::{self, Line};
use crate::source::{Kind, Node};

/// Columns of one indentation.
const STEP: usize = 2;

/// A line of the result.
#[derive(Debug)]
struct Placed {
    text: String,
    /// Whether it is a line of its own: structure, a comment or nothing.
    own: bool,
}

/// An open mapping or list.
#[derive(Clone, Copy, Debug)]
struct Level {
    list: bool,
    old: usize,
    new: usize,
}

/// The text in its layout; as it is, if it has forms that are not handled here.
pub(super) fn tidy(text: &str, root: Option<&Node>) -> String {
    let text = text.replace("\r\n", "\n");
    let Some(layout) = layout::of(&text) else { return text };
    let lines: Vec<&str> = text.lines().collect();
    let is_own = |index: usize| layout.lines.get(index) == Some(&Line::Own);
    let unusual = lines.iter().enumerate().any(|(index, line)| is_own(index) && is_unusual(line));
    let in_brackets = |root: &Node| text.get(root.span.start..).is_some_and(|rest| rest.starts_with('{'));
    let is_block = root.is_some_and(|root| matches!(root.kind, Kind::Mapping(_)) && !in_brackets(root));
    if unusual || !is_block {
        return text;
    }
    let placed = place(&lines, &layout.lines);
    let placed = squeeze(placed);
    let placed = if layout.has_aliases { placed } else { order::order(placed) };
    // Empty lines at the end may be content of a block that keeps them.
    let keep = placed.last().is_some_and(|line| !line.own);
    let mut out: String = placed.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
    if !keep {
        out = super::ended(&out);
    }
    out
}

/// Directives, document markers and complex keys.
fn is_unusual(line: &str) -> bool {
    let begin = line.trim_start();
    line.starts_with(['%', '\t'])
        || line.starts_with("---")
        || line.starts_with("...")
        || begin.starts_with("? ")
        || begin == "?"
        || begin.starts_with('\t')
}

fn width(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn place(lines: &[&str], kinds: &[Line]) -> Vec<Placed> {
    let mut levels: Vec<Level> = Vec::new();
    let mut out = Vec::with_capacity(lines.len());
    // How far the present value's lines are moved.
    let mut shift = 0_isize;
    for (index, line) in lines.iter().enumerate() {
        match kinds.get(index).copied().unwrap_or(Line::Own) {
            Line::Own if line.trim().is_empty() => out.push(own(String::new())),
            Line::Own if line.trim_start().starts_with('#') => {
                let column = comment_column(lines, kinds, index, &levels);
                out.push(own(format!("{}{}", " ".repeat(column), line.trim())));
            }
            Line::Own => {
                let (text, moved) = structure(line, &mut levels);
                shift = moved;
                out.push(own(text));
            }
            Line::Goes => out.push(Placed { text: moved(line.trim_end(), shift), own: false }),
            Line::Block { indent } => {
                let inside = levels.last().map_or(0, |level| level.new) + STEP;
                let by = indent.map_or(shift, |indent| inside as isize - indent as isize);
                out.push(Placed { text: moved(line, by), own: false });
            }
        }
    }
    out
}

fn own(text: String) -> Placed {
    Placed { text, own: true }
}

/// A line moved to the right or, as far as there is space, to the left.
fn moved(line: &str, by: isize) -> String {
    let line = line.trim_end_matches('\r');
    if line.trim_matches(' ').is_empty() && by >= 0 {
        // Space beyond the indentation of a block is content.
        return if line.is_empty() {
            String::new()
        } else {
            format!("{}{line}", " ".repeat(by.unsigned_abs()))
        };
    }
    if by >= 0 {
        return format!("{}{line}", " ".repeat(by.unsigned_abs()));
    }
    let cut = by.unsigned_abs().min(width(line));
    line.get(cut..).unwrap_or_default().to_owned()
}

/// A line of structure in its place, and how far what goes on with it is moved.
fn structure(line: &str, levels: &mut Vec<Level>) -> (String, isize) {
    let mut column = width(line);
    let mut rest = line.trim();
    let mut text = String::new();
    let mut first = true;
    let mut by = 0;
    loop {
        let list = rest == "-" || rest.starts_with("- ");
        let new = enter(levels, column, list);
        if first {
            text = " ".repeat(new);
            first = false;
        }
        by = if list { by } else { new as isize - column as isize };
        if !list {
            text.push_str(rest);
            return (text, by);
        }
        let after = rest.get(1..).unwrap_or_default();
        let content = after.trim_start_matches(' ');
        text.push('-');
        by = new as isize - column as isize;
        if content.is_empty() {
            return (text, by);
        }
        text.push(' ');
        column += 1 + (after.len() - content.len());
        rest = content;
        if !is_structure(content) {
            text.push_str(content);
            return (text, by);
        }
    }
}

/// Whether what stands after a dash is a list or a mapping itself.
fn is_structure(content: &str) -> bool {
    if content == "-" || content.starts_with("- ") {
        return true;
    }
    if content.starts_with(['{', '[', '|', '>', '&', '*', '!', '#']) {
        return false;
    }
    key_end(content).is_some()
}

/// Where the colon of a key is.
fn key_end(content: &str) -> Option<usize> {
    let begin = match content.as_bytes().first()? {
        quote @ (b'"' | b'\'') => {
            let inner = content.get(1..)?;
            let mut escaped = false;
            let close = inner.bytes().position(|byte| {
                let closes = byte == *quote && !escaped;
                escaped = byte == b'\\' && *quote == b'"' && !escaped;
                closes
            })?;
            close + 2
        }
        _ => 0,
    };
    let found = content.get(begin..)?.match_indices(':').find(|(at, _)| {
        let next = content.as_bytes().get(begin + at + 1);
        next.is_none_or(|byte| *byte == b' ')
    });
    let (at, _) = found?;
    let before = content.get(..begin + at)?;
    (!before.contains(" #")).then_some(begin + at)
}

/// Finds the level of a line, opening one where it is deeper, and says the column that it gets.
fn enter(levels: &mut Vec<Level>, column: usize, list: bool) -> usize {
    while let Some(top) = levels.last().copied() {
        // A list may stand in the column of its key; a key there ends it.
        let ends = top.old > column || (top.old == column && top.list && !list);
        if !ends {
            break;
        }
        levels.pop();
    }
    match levels.last().copied() {
        Some(top) if top.old == column && top.list == list => top.new,
        top => {
            let new = top.map_or(0, |top| top.new + STEP);
            levels.push(Level { list, old: column, new });
            new
        }
    }
}

/// A comment stands where the next line of structure does, or at one of the levels that are open.
fn comment_column(lines: &[&str], kinds: &[Line], index: usize, levels: &[Level]) -> usize {
    let column = lines.get(index).map_or(0, |line| width(line));
    let next = lines.iter().enumerate().skip(index + 1).find(|(index, line)| {
        let text = line.trim_start();
        kinds.get(*index) == Some(&Line::Own) && !text.is_empty() && !text.starts_with('#')
    });
    if let Some((_, next)) = next {
        let mut after = levels.to_vec();
        let new = structure_column(next, &mut after);
        if width(next) == column || after.len() > levels.len() {
            return new;
        }
    }
    let open = levels.iter().rev().find(|level| level.old <= column);
    match (open, next) {
        (Some(level), _) => level.new,
        (None, _) => 0,
    }
}

fn structure_column(line: &str, levels: &mut Vec<Level>) -> usize {
    let rest = line.trim();
    enter(levels, width(line), rest == "-" || rest.starts_with("- "))
}

/// No empty line at the beginning, never two together.
fn squeeze(lines: Vec<Placed>) -> Vec<Placed> {
    let mut out: Vec<Placed> = Vec::with_capacity(lines.len());
    for line in lines {
        let empty = line.own && line.text.is_empty();
        if empty && out.last().is_none_or(|last| last.own && last.text.is_empty()) {
            continue;
        }
        out.push(line);
    }
    out
}
