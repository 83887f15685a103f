//! The steps of a text in one row: those inside of a group after the group, those of `finally` at the end.

use crate::findings::Findings;
use crate::limits::{MAX_CASES, MAX_STEPS};
use crate::source::Node;

/// One step and where it stands.
pub(crate) struct Place<'n> {
    pub(crate) node: &'n Node,
    pub(crate) parent: Option<usize>,
    pub(crate) finally: bool,
    /// Its list of steps, by its place in [`Layout::lists`].
    pub(crate) list: usize,
}

/// One list of steps.
#[derive(Default)]
pub(crate) struct List {
    pub(crate) steps: Vec<usize>,
    /// No step says `needs`, and the list is no `parallel`.
    pub(crate) sequential: bool,
}

/// All steps.
#[derive(Default)]
pub(crate) struct Layout<'n> {
    pub(crate) places: Vec<Place<'n>>,
    pub(crate) lists: Vec<List>,
}

/// Lays the steps of a workflow out.
pub(crate) fn layout<'n>(root: &'n Node, findings: &mut Findings<'_>) -> Layout<'n> {
    let mut layout = Layout::default();
    layout.list(root.get("steps").map(Node::items).unwrap_or_default(), None, false, true);
    let finally = root.get("finally").map(Node::one_or_many).unwrap_or_default();
    if !finally.is_empty() {
        layout.list(finally, None, true, true);
    }
    // A list that is too long by itself was reported.
    let alone = root.get("steps").map(Node::items).unwrap_or_default().len() <= MAX_STEPS;
    if let (Some(place), true) = (layout.places.get(MAX_STEPS), alone) {
        let message = format!("the workflow has more than {MAX_STEPS} steps");
        findings.error("too-many", place.node.span.clone(), message, None);
    }
    layout.cut();
    layout
}

impl<'n> Layout<'n> {
    fn list(&mut self, nodes: &'n [Node], parent: Option<usize>, finally: bool, in_order: bool) {
        let list = self.lists.len();
        let sequential = in_order && nodes.iter().all(|node| node.get("needs").is_none());
        self.lists.push(List { steps: Vec::new(), sequential });
        for node in nodes {
            // One more than is possible is laid out, so that there is a place to report.
            if self.places.len() > MAX_STEPS {
                return;
            }
            let index = self.places.len();
            self.places.push(Place { node, parent, finally, list });
            if let Some(list) = self.lists.get_mut(list) {
                list.steps.push(index);
            }
            if let Some(steps) = node.get("parallel") {
                self.list(steps.items(), Some(index), finally, false);
            }
            if node.get("switch").is_some() {
                for steps in cases(node) {
                    self.list(steps, Some(index), finally, true);
                }
            }
        }
    }

    fn cut(&mut self) {
        self.places.truncate(MAX_STEPS);
        for list in &mut self.lists {
            list.steps.retain(|step| *step < MAX_STEPS);
        }
    }

    /// The steps directly in a group, list by list.
    pub(crate) fn lists_in(&self, group: usize) -> Vec<Vec<usize>> {
        let belongs = |list: &&List| {
            list.steps
                .first()
                .and_then(|first| self.places.get(*first))
                .is_some_and(|p| p.parent == Some(group))
        };
        self.lists.iter().filter(belongs).map(|list| list.steps.clone()).collect()
    }
}

/// The lists of steps of a `switch`, `default` at the end.
fn cases(node: &Node) -> impl Iterator<Item = &[Node]> {
    let cases = node.get("cases").map(Node::fields).unwrap_or_default();
    let cases = cases.iter().take(MAX_CASES + 1).map(|(_, steps)| steps.one_or_many());
    cases.chain(node.get("default").map(Node::one_or_many))
}
