//! Who comes after whom: ids, `needs`, cycles.

use crate::findings::Findings;
use crate::names::is_step_id;
use crate::source::Node;
use crate::suggest::closest;

/// The steps and their order.
pub(crate) struct Graph {
    pub(crate) ids: Vec<String>,
    pub(crate) needs: Vec<Vec<usize>>,
    /// No step says `needs`.
    pub(crate) sequential: bool,
    /// For every step, which steps have ended before it; empty if sequential.
    before: Vec<Vec<bool>>,
}

impl Graph {
    pub(crate) fn index(&self, id: &str) -> Option<usize> {
        self.ids.iter().position(|known| known == id)
    }

    /// Whether `first` has ended whenever `second` starts.
    pub(crate) fn comes_before(&self, first: usize, second: usize) -> bool {
        if self.sequential {
            return first < second;
        }
        self.before.get(second).and_then(|before| before.get(first)).copied().unwrap_or_default()
    }
}

pub(crate) fn graph(steps: &[Node], findings: &mut Findings<'_>) -> Graph {
    let ids = ids(steps, findings);
    let sequential = steps.iter().all(|step| step.get("needs").is_none());
    let needs: Vec<Vec<usize>> = if sequential {
        (0..steps.len()).map(|index| index.checked_sub(1).into_iter().collect()).collect()
    } else {
        steps.iter().enumerate().map(|(index, step)| needs_of(index, step, &ids, findings)).collect()
    };
    let mut graph = Graph { ids, needs, sequential, before: Vec::new() };
    if !sequential {
        graph.before = closure(&graph.needs);
        cycles(steps, &graph, findings);
    }
    graph
}

fn ids(steps: &[Node], findings: &mut Findings<'_>) -> Vec<String> {
    let mut ids: Vec<String> = Vec::with_capacity(steps.len());
    let mut known = std::collections::HashSet::new();
    for (index, step) in steps.iter().enumerate() {
        let node = step.get("id");
        let id = node.and_then(Node::text).map_or_else(|| format!("step-{}", index + 1), ToOwned::to_owned);
        let at = node.map_or_else(|| step.span.start..step.span.start, |node| node.span.clone());
        if !is_step_id(&id) {
            let help = "begin with a letter; use letters, digits, `_` and single inner dashes, at most 63";
            let message = "the step's id is not a name that expressions can use";
            findings.error("bad-name", at, message, Some(help.to_owned()));
        } else if !known.insert(id.clone()) {
            findings.error("duplicate-id", at, format!("another step has the id `{id}`"), None);
        }
        ids.push(id);
    }
    ids
}

fn needs_of(index: usize, step: &Node, ids: &[String], findings: &mut Findings<'_>) -> Vec<usize> {
    let mut needs = Vec::new();
    for node in step.get("needs").map(Node::one_or_many).unwrap_or_default() {
        let Some(id) = node.text() else {
            continue;
        };
        match ids.iter().position(|known| known == id) {
            Some(need) if need == index => {
                findings.error("needs-cycle", node.span.clone(), format!("step `{id}` needs itself"), None);
            }
            Some(need) if needs.contains(&need) => {
                findings.error("duplicate-need", node.span.clone(), format!("`{id}` is there twice"), None);
            }
            Some(need) => needs.push(need),
            None => {
                let shown: String = id.chars().take(80).collect();
                let help = closest(id, ids.iter().map(String::as_str));
                findings.error(
                    "unknown-step",
                    node.span.clone(),
                    format!("there is no step `{shown}`"),
                    help.map(|id| format!("did you mean `{id}`?")),
                );
            }
        }
    }
    needs
}

/// Everything that is needed, directly or not.
fn closure(needs: &[Vec<usize>]) -> Vec<Vec<bool>> {
    (0..needs.len())
        .map(|index| {
            let mut seen = vec![false; needs.len()];
            let mut open = needs.get(index).cloned().unwrap_or_default();
            while let Some(next) = open.pop() {
                if let Some(mark) = seen.get_mut(next).filter(|mark| !**mark) {
                    *mark = true;
                    open.extend(needs.get(next).into_iter().flatten());
                }
            }
            seen
        })
        .collect()
}

/// Reports each cycle once, at the first of its steps.
fn cycles(steps: &[Node], graph: &Graph, findings: &mut Findings<'_>) {
    let mut told = vec![false; steps.len()];
    for (index, step) in steps.iter().enumerate() {
        if !graph.comes_before(index, index) || told.get(index) == Some(&true) {
            continue;
        }
        let circle: Vec<usize> = (0..steps.len())
            .filter(|other| graph.comes_before(*other, index) && graph.comes_before(index, *other))
            .collect();
        for member in &circle {
            if let Some(mark) = told.get_mut(*member) {
                *mark = true;
            }
        }
        let names: Vec<_> = circle
            .iter()
            .take(10)
            .filter_map(|member| graph.ids.get(*member))
            .map(|id| format!("`{id}`"))
            .collect();
        let at = step.key_span("needs").unwrap_or_default();
        findings.error("needs-cycle", at, format!("the steps {} need each other", names.join(", ")), None);
    }
}
