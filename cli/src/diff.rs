//! Two texts line by line: what went, what came, as a unified diff.
//!
//! Pure. The shortest edit is searched (Myers 1986, "An O(ND) Difference Algorithm and Its Variations") within a limit;
//! texts that differ in more places are shown as replaced from the first difference to the last.

use std::fmt::Write as _;

use tenantry_protocol::printable::printable;

use crate::table::{Tone, push_toned};

/// Differences up to which the shortest edit is searched.
const SEARCH_LIMIT: usize = 2_000;
/// Lines shown before and after a difference.
const CONTEXT: usize = 3;

/// A line of both texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit<'t> {
    Same(&'t str),
    Gone(&'t str),
    Come(&'t str),
}

/// A unified diff; nothing if the texts are the same.
pub(crate) fn unified(old_name: &str, new_name: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let edits = edits(&split(old), &split(new));
    let mut out = format!("--- {old_name}\n+++ {new_name}\n");
    let differs = |edit: &Edit<'_>| !matches!(edit, Edit::Same(_));
    let mut from = 0;
    while let Some(found) = edits.iter().skip(from).position(differs) {
        let begin = (from + found).saturating_sub(CONTEXT).max(from);
        let mut end = from + found;
        // Differences whose surroundings touch are one hunk.
        while let Some(next) = edits.iter().skip(end).take(2 * CONTEXT + 1).position(differs) {
            end += next + 1;
        }
        let end = (end + CONTEXT).min(edits.len());
        hunk(&mut out, &edits, begin, end);
        from = end;
    }
    out
}

/// How many lines came and went.
pub(crate) fn counts(diff: &str) -> (usize, usize) {
    let body = || diff.lines().skip(2);
    (body().filter(|line| line.starts_with('+')).count(), body().filter(|line| line.starts_with('-')).count())
}

/// A unified diff for a terminal: sanitised, with colour if it may be.
pub(crate) fn shown(diff: &str, colour: bool) -> String {
    let mut out = String::with_capacity(diff.len());
    for (number, line) in diff.lines().enumerate() {
        let tone = match line.as_bytes().first() {
            _ if number < 2 => Tone::Strong,
            Some(b'+') => Tone::Good,
            Some(b'-') => Tone::Bad,
            Some(b'@' | b'\\') => Tone::Dim,
            _ => Tone::Plain,
        };
        push_toned(&mut out, &printable(line), tone, colour);
        out.push('\n');
    }
    out
}

fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn hunk(out: &mut String, edits: &[Edit<'_>], begin: usize, end: usize) {
    let count =
        |range: &[Edit<'_>], side: fn(&Edit<'_>) -> bool| range.iter().filter(|edit| side(edit)).count();
    let in_old: fn(&Edit<'_>) -> bool = |edit| !matches!(edit, Edit::Come(_));
    let in_new: fn(&Edit<'_>) -> bool = |edit| !matches!(edit, Edit::Gone(_));
    let before = edits.get(..begin).unwrap_or_default();
    let shown = edits.get(begin..end).unwrap_or_default();
    let place = |side| {
        let (skipped, lines) = (count(before, side), count(shown, side));
        // An empty side is named by the line before it.
        let first = if lines == 0 { skipped } else { skipped + 1 };
        if lines == 1 { first.to_string() } else { format!("{first},{lines}") }
    };
    writeln!(out, "@@ -{} +{} @@", place(in_old), place(in_new)).ok();
    for edit in shown {
        let (sign, line) = match edit {
            Edit::Same(line) => (' ', line),
            Edit::Gone(line) => ('-', line),
            Edit::Come(line) => ('+', line),
        };
        out.push(sign);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

fn edits<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Edit<'t>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (old_middle, new_middle) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut out: Vec<Edit<'t>> = old[..head].iter().map(|line| Edit::Same(line)).collect();
    out.extend(shortest(old_middle, new_middle).unwrap_or_else(|| {
        let gone = old_middle.iter().map(|line| Edit::Gone(line));
        gone.chain(new_middle.iter().map(|line| Edit::Come(line))).collect()
    }));
    out.extend(old[old.len() - tail..].iter().map(|line| Edit::Same(line)));
    out
}

/// The shortest edit; `None` if it is longer than the limit.
fn shortest<'t>(old: &[&'t str], new: &[&'t str]) -> Option<Vec<Edit<'t>>> {
    let most = (old.len() + new.len()).min(SEARCH_LIMIT);
    // `reach[k + most]` is how far the old text is read on diagonal k.
    let mut reach = vec![0_usize; 2 * most + 2];
    let mut trace = Vec::new();
    for distance in 0..=most {
        trace.push(reach.clone());
        for step in 0..=distance {
            // Diagonals -distance, -distance + 2, …, distance, shifted by `most`.
            let at = most - distance + 2 * step;
            let down = step == 0 || (step != distance && reach[at - 1] < reach[at + 1]);
            let mut x = if down { reach[at + 1] } else { reach[at - 1] + 1 };
            let mut y = (x + most).checked_sub(at)?;
            while x < old.len() && y < new.len() && old[x] == new[y] {
                x += 1;
                y += 1;
            }
            reach[at] = x;
            if x >= old.len() && y >= new.len() {
                return Some(walk_back(old, new, &trace, most));
            }
        }
    }
    None
}

fn walk_back<'t>(old: &[&'t str], new: &[&'t str], trace: &[Vec<usize>], most: usize) -> Vec<Edit<'t>> {
    let (mut x, mut y) = (old.len(), new.len());
    let mut out = Vec::new();
    for (distance, reach) in trace.iter().enumerate().rev() {
        let at = x + most - y;
        let lowest = at == most - distance;
        let down = lowest || (at != most + distance && reach[at - 1] < reach[at + 1]);
        let before_x = if distance == 0 {
            0
        } else if down {
            reach[at + 1]
        } else {
            reach[at - 1]
        };
        let before_at = if down { at + 1 } else { at - 1 };
        let before_y = if distance == 0 { 0 } else { before_x + most - before_at };
        while x > before_x && y > before_y {
            x -= 1;
            y -= 1;
            out.push(Edit::Same(old[x]));
        }
        if distance > 0 {
            if down {
                y -= 1;
                out.push(Edit::Come(new[y]));
            } else {
                x -= 1;
                out.push(Edit::Gone(old[x]));
            }
        }
    }
    out.reverse();
    out
}

#[cfg(test)]
mod tests;
