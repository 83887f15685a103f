//! A workflow's steps as a drawing: one line a step, each after what it needs, with its edges at the left.
//!
//! Pure text in, pure text out; `lanes` draws, this room says what is drawn. An edge that another path implies
//! is left out. Where the edges would take more than half of the width, the steps are listed with their needs instead.

mod lanes;

use std::fmt::Write as _;

use crate::definition::{OnError, Step, Workflow};

/// Columns that ids are padded to at most.
const ID_COLUMNS: usize = 24;
/// No drawing is narrower.
const NARROWEST: usize = 20;

/// How a drawing is made.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns that a line may take.
    pub width: usize,
    /// Only characters of ASCII.
    pub ascii: bool,
}

/// A step as it is drawn.
struct Node {
    id: String,
    label: String,
    /// The nodes it comes after, without those that others imply.
    needs: Vec<usize>,
}

/// The drawing, one line after the other, each ended by a line break.
pub fn draw(workflow: &Workflow, style: Style) -> String {
    let style = Style { width: style.width.max(NARROWEST), ..style };
    let nodes = nodes(workflow);
    let needs: Vec<&[usize]> = nodes.iter().map(|node| node.needs.as_slice()).collect();
    let order = order(&needs);
    let ids = nodes.iter().map(|node| node.id.chars().count()).max().unwrap_or_default().min(ID_COLUMNS);
    let rows = lanes::rows(&needs, &order, style.ascii);
    let widest = rows.iter().map(|row| row.edges.chars().count()).max().unwrap_or_default();
    if widest * 2 > style.width {
        return list(&nodes, &order, ids, style);
    }
    let mut out = String::new();
    for row in rows {
        let text = row
            .node
            .and_then(|index| nodes.get(index))
            .map(|node| format!("{:widest$}  {:ids$}  {}", row.edges, node.id, node.label));
        push(&mut out, text.as_deref().unwrap_or(&row.edges), style);
    }
    out
}

/// What a workflow needs to be there, and which step comes in which round: steps of one round do not wait for each
/// other.
pub fn rounds(workflow: &Workflow) -> Vec<usize> {
    let nodes = nodes(workflow);
    let needs: Vec<&[usize]> = nodes.iter().map(|node| node.needs.as_slice()).collect();
    let mut rounds = vec![1; nodes.len()];
    for index in order(&needs) {
        let latest = needs[index].iter().map(|need| rounds[*need]).max();
        rounds[index] = latest.map_or(1, |latest| latest + 1);
    }
    rounds
}

fn list(nodes: &[Node], order: &[usize], ids: usize, style: Style) -> String {
    let mut out = String::new();
    for index in order {
        let Some(node) = nodes.get(*index) else { continue };
        let needs: Vec<_> =
            node.needs.iter().filter_map(|need| nodes.get(*need)).map(|n| n.id.as_str()).collect();
        let after = if needs.is_empty() { String::new() } else { format!("  after {}", needs.join(", ")) };
        push(&mut out, &format!("{:ids$}  {}{after}", node.id, node.label), style);
    }
    out
}

fn push(out: &mut String, line: &str, style: Style) {
    let line = line.trim_end();
    if line.chars().count() <= style.width {
        writeln!(out, "{line}").ok();
        return;
    }
    let (dots, keep) = if style.ascii { ("...", style.width - 3) } else { ("…", style.width - 1) };
    let short: String = line.chars().take(keep).collect();
    writeln!(out, "{}{dots}", short.trim_end()).ok();
}

fn nodes(workflow: &Workflow) -> Vec<Node> {
    let steps = &workflow.steps;
    // What stands first inside of a group is drawn below the group.
    let begun_by = |step: &Step| match step.needs.as_slice() {
        [] => step.parent.into_iter().collect(),
        needs => needs.to_vec(),
    };
    let needs: Vec<Vec<usize>> = steps.iter().map(begun_by).collect();
    let reduced = reduced(&needs);
    steps
        .iter()
        .zip(reduced)
        .map(|(step, needs)| Node { id: step.id.clone(), label: label(step), needs })
        .collect()
}

/// What a step does, and what is special about it.
fn label(step: &Step) -> String {
    let mut label = step.kind().as_str().to_owned();
    if let Some(condition) = &step.condition {
        write!(label, "  if {}", condition.source()).ok();
    }
    if step.retry.attempts > 1 {
        write!(label, "  up to {} attempts", step.retry.attempts).ok();
    }
    if step.at_most_once {
        label.push_str("  at most once");
    }
    if step.on_error == OnError::Continue {
        label.push_str("  may fail");
    }
    label
}

/// The needs without those that other needs imply.
fn reduced(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let order = order(&needs.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let mut before: Vec<Vec<bool>> = vec![Vec::new(); needs.len()];
    let mut reduced = vec![Vec::new(); needs.len()];
    for index in order {
        let mut all = vec![false; needs.len()];
        for need in &needs[index] {
            for (mark, implied) in all.iter_mut().zip(&before[*need]) {
                *mark |= implied;
            }
        }
        reduced[index] = needs[index].iter().copied().filter(|need| !all[*need]).collect();
        for need in &needs[index] {
            all[*need] = true;
        }
        before[index] = all;
    }
    reduced
}

/// Every node after what it needs, else in the order of the text. A checked workflow has no circles; nodes in one would
/// come last.
fn order(needs: &[&[usize]]) -> Vec<usize> {
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    let mut open: Vec<usize> = vec![0; needs.len()];
    for (index, needs) in needs.iter().enumerate() {
        for need in *needs {
            if let Some(dependents) = dependents.get_mut(*need) {
                dependents.push(index);
                open[index] += 1;
            }
        }
    }
    let mut ready: std::collections::BTreeSet<usize> =
        (0..needs.len()).filter(|index| open[*index] == 0).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        for dependent in &dependents[next] {
            open[*dependent] -= 1;
            if open[*dependent] == 0 {
                ready.insert(*dependent);
            }
        }
    }
    order.extend((0..needs.len()).filter(|index| open[*index] > 0));
    order
}

#[cfg(test)]
mod tests;
