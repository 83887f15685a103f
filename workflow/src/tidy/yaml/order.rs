//! The order of a workflow's own keys: that of the reference, if every comment keeps its place beside what it speaks of.

use super::Placed;
use crate::language::WORKFLOW;

/// A key of the outermost mapping with its lines: the comments right above it, itself, all below it.
struct Block {
    rank: usize,
    lines: Vec<Placed>,
    /// Whether an empty line stands before it.
    apart: bool,
}

/// The lines in the order of the reference; as they are, where a comment would lose its place.
pub(super) fn order(lines: Vec<Placed>) -> Vec<Placed> {
    if !may_move(&lines) {
        return lines;
    }
    let first_key = lines.iter().position(is_key).unwrap_or_default();
    let mut lines = lines.into_iter();
    let head: Vec<Placed> = lines.by_ref().take(first_key).collect();
    let mut blocks: Vec<Block> = Vec::new();
    // Comments and empty lines that belong to the key that comes next.
    let mut waiting: Vec<Placed> = Vec::new();
    for line in lines {
        if is_key(&line) {
            let apart = waiting.first().is_some_and(is_empty);
            let mut own: Vec<Placed> = waiting.drain(..).filter(|line| !is_empty(line)).collect();
            let rank = rank(&line.text);
            own.push(line);
            blocks.push(Block { rank, lines: own, apart });
        } else if is_empty(&line) || is_comment(&line) {
            waiting.push(line);
        } else if let Some(block) = blocks.last_mut() {
            block.lines.append(&mut waiting);
            block.lines.push(line);
        }
    }
    blocks.sort_by_key(|block| block.rank);
    let mut out = head;
    for (index, block) in blocks.into_iter().enumerate() {
        if index > 0 && block.apart {
            out.push(super::own(String::new()));
        }
        out.extend(block.lines);
    }
    out
}

fn is_empty(line: &Placed) -> bool {
    line.own && line.text.is_empty()
}

/// A comment in the first column.
fn is_comment(line: &Placed) -> bool {
    line.own && line.text.starts_with('#')
}

fn is_key(line: &Placed) -> bool {
    line.own && !line.text.is_empty() && !line.text.starts_with([' ', '#', '-'])
}

/// Whether a block scalar begins on the line whose empty lines at the end count, as `|+` says.
fn keeps_lines(line: &str) -> bool {
    let bare = line.split(" #").next().unwrap_or_default().trim_end();
    bare.rsplit(' ').next().is_some_and(|word| word.starts_with(['|', '>']) && word.contains('+'))
}

fn rank(line: &str) -> usize {
    let end = super::key_end(line).unwrap_or(line.len());
    let name = line.get(..end).unwrap_or_default().trim_matches(['"', '\'', ' ']);
    WORKFLOW.keys.iter().position(|key| key.name == name).unwrap_or(WORKFLOW.keys.len())
}

/// Whether every comment in the first column says by its place what it belongs to: to the file, above an empty line at
/// the beginning, or to the key right below it.
fn may_move(lines: &[Placed]) -> bool {
    let ranks: Vec<usize> = lines.iter().filter(|line| is_key(line)).map(|line| rank(&line.text)).collect();
    if ranks.is_sorted() {
        return false;
    }
    let Some(first_key) = lines.iter().position(is_key) else { return false };
    let moves = ranks.first().is_some_and(|first| ranks.iter().any(|rank| rank < first));
    let attached = first_key > 0 && lines.get(first_key - 1).is_some_and(is_comment);
    // The empty lines after a block that keeps them are its content.
    if moves && attached || lines.iter().any(|line| line.own && keeps_lines(&line.text)) {
        return false;
    }
    let mut comment_open = false;
    for line in lines.iter().skip(first_key) {
        if comment_open && !is_comment(line) && !is_key(line) {
            return false;
        }
        comment_open = is_comment(line);
    }
    !comment_open
}
