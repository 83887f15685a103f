//! Who comes after whom: ids, `needs`, cycles.

use crate::build::layout::Layout;
use crate::findings::Findings;
use crate::names::is_step_id;
use crate::source::Node;
use crate::suggest::closest;

/// The steps and their order.
pub(crate) struct Graph {
    pub(crate) ids: Vec<String>,
    pub(crate) needs: Vec<Vec<usize>>,
    pub(crate) parents: Vec<Option<usize>>,
    pub(crate) children: Vec<Vec<usize>>,
    pub(crate) finally: Vec<bool>,
    /// Whether the step's list goes in its order.
    pub(crate) in_order: Vec<bool>,
    /// Whether the step has a `foreach`.
    pub(crate) has_items: Vec<bool>,
    /// Whether what the step needs is not known, because it was written wrong.
    pub(crate) unsure: Vec<bool>,
    /// For every step, which steps have ended before it.
    before: Vec<Vec<bool>>,
}

impl Graph {
    pub(crate) fn index(&self, id: &str) -> Option<usize> {
        self.ids.iter().position(|known| known == id)
    }

    /// Whether `first` has ended whenever `second` starts.
    pub(crate) fn comes_before(&self, first: usize, second: usize) -> bool {
        self.before.get(second).and_then(|before| before.get(first)).copied().unwrap_or_default()
    }

    fn ancestors(&self, index: usize) -> impl Iterator<Item = usize> {
        let parent = |index: &usize| self.parents.get(*index).copied().flatten();
        std::iter::successors(parent(&index), parent)
    }

    /// What has ended when a step starts, apart from what follows from that.
    fn waits_for(&self, index: usize) -> impl Iterator<Item = usize> {
        let own = std::iter::once(index).chain(self.ancestors(index));
        own.flat_map(|step| self.needs.get(step).into_iter().flatten().copied())
    }

    /// Everything that has ended when a step starts.
    fn closure(&self, index: usize) -> Vec<bool> {
        let mut seen = vec![false; self.ids.len()];
        let mut open: Vec<usize> = self.waits_for(index).collect();
        if self.finally.get(index) == Some(&true) {
            open.extend((0..self.ids.len()).filter(|other| self.finally.get(*other) == Some(&false)));
        }
        while let Some(next) = open.pop() {
            if let Some(mark) = seen.get_mut(next).filter(|mark| !**mark) {
                *mark = true;
                open.extend(self.waits_for(next));
                open.extend(self.children.get(next).into_iter().flatten());
            }
        }
        seen
    }
}

pub(crate) fn graph(layout: &Layout<'_>, findings: &mut Findings<'_>) -> Graph {
    let places = &layout.places;
    let ids = ids(layout, findings);
    let mut children = vec![Vec::new(); places.len()];
    for (index, place) in places.iter().enumerate() {
        if let Some(siblings) = place.parent.and_then(|parent| children.get_mut(parent)) {
            siblings.push(index);
        }
    }
    let in_order = |list: usize| layout.lists.get(list).is_some_and(|list| list.sequential);
    let mut graph = Graph {
        needs: Vec::new(),
        parents: places.iter().map(|place| place.parent).collect(),
        children,
        finally: places.iter().map(|place| place.finally).collect(),
        in_order: places.iter().map(|place| in_order(place.list)).collect(),
        has_items: places.iter().map(|place| place.node.get("foreach").is_some()).collect(),
        unsure: Vec::new(),
        before: Vec::new(),
        ids,
    };
    graph.needs = (0..places.len()).map(|index| needs_of(index, layout, &graph, findings)).collect();
    let unsure = |place: &super::layout::Place<'_>| {
        place.node.get("needs").is_some_and(|needs| findings.has_error_in(&needs.span))
    };
    graph.unsure = places.iter().map(unsure).collect();
    graph.before = (0..places.len()).map(|index| graph.closure(index)).collect();
    cycles(layout, &graph, findings);
    graph
}

fn ids(layout: &Layout<'_>, findings: &mut Findings<'_>) -> Vec<String> {
    let mut ids: Vec<String> = Vec::with_capacity(layout.places.len());
    let mut known = std::collections::HashSet::new();
    for (index, place) in layout.places.iter().enumerate() {
        let node = place.node.get("id");
        let id = node.and_then(Node::text).map_or_else(|| format!("step-{}", index + 1), ToOwned::to_owned);
        let start = place.node.span.start;
        let at = node.map_or(start..start, |node| node.span.clone());
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

fn needs_of(index: usize, layout: &Layout<'_>, graph: &Graph, findings: &mut Findings<'_>) -> Vec<usize> {
    let Some(place) = layout.places.get(index) else { return Vec::new() };
    let siblings = layout.lists.get(place.list).map(|list| list.steps.as_slice()).unwrap_or_default();
    if graph.in_order.get(index) == Some(&true) {
        return siblings.iter().copied().take_while(|sibling| *sibling < index).last().into_iter().collect();
    }
    let mut needs = Vec::new();
    for node in place.node.get("needs").map(Node::one_or_many).unwrap_or_default() {
        let Some(id) = node.text() else {
            continue;
        };
        match graph.index(id) {
            Some(need) if need == index => {
                findings.error("needs-cycle", node.span.clone(), format!("step `{id}` needs itself"), None);
            }
            Some(need) if needs.contains(&need) => {
                findings.error("duplicate-need", node.span.clone(), format!("`{id}` is there twice"), None);
            }
            Some(need) if siblings.contains(&need) => needs.push(need),
            Some(need) => elsewhere(index, need, graph, node, findings),
            None => {
                let shown: String = id.chars().take(80).collect();
                let help =
                    closest(id, siblings.iter().filter_map(|step| graph.ids.get(*step)).map(String::as_str));
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

/// A step that is not in the same list.
fn elsewhere(index: usize, need: usize, graph: &Graph, node: &Node, findings: &mut Findings<'_>) {
    let id = graph.ids.get(need).map(String::as_str).unwrap_or_default();
    let finally = |step: usize| graph.finally.get(step) == Some(&true);
    let (message, help) = if finally(index) && !finally(need) {
        (format!("`{id}` has always ended when `finally` begins"), "leave it out".to_owned())
    } else if finally(need) {
        (
            format!("`{id}` belongs to `finally`, which comes after everything"),
            "move one of the two".to_owned(),
        )
    } else {
        let own: Vec<usize> = graph.ancestors(index).collect();
        let outer = graph.ancestors(need).filter(|group| !own.contains(group)).last().unwrap_or(need);
        let outer = graph.ids.get(outer).map(String::as_str).unwrap_or_default();
        (
            format!("`{id}` is not in the same list of steps"),
            format!("the groups wait for each other: let the group of this step need `{outer}`"),
        )
    };
    findings.error("needs-elsewhere", node.span.clone(), message, Some(help));
}

/// Reports each cycle once, at the first of its steps.
fn cycles(layout: &Layout<'_>, graph: &Graph, findings: &mut Findings<'_>) {
    let mut told = vec![false; layout.places.len()];
    for (index, place) in layout.places.iter().enumerate() {
        if !graph.comes_before(index, index) || told.get(index) == Some(&true) {
            continue;
        }
        let circle: Vec<usize> = (0..layout.places.len())
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
        let at = place.node.key_span("needs").unwrap_or_else(|| place.node.span.clone());
        findings.error("needs-cycle", at, format!("the steps {} need each other", names.join(", ")), None);
    }
}
