//! A tree of the right shape into a workflow: names, references, expressions, and what goes together.
//!
//! Wrong types were reported by [`crate::language::structure`]; this room passes over them in silence and
//! reports only what the table cannot say. It returns a workflow even when there are findings; the caller
//! throws it away.

mod action;
mod flow;
mod input;
mod layout;
mod needs;
mod notify;
mod pace;
mod respond;
mod rules;
mod schedule;
mod step;
mod text;
mod trigger;
mod verify;
mod webhook;

use std::collections::{BTreeSet, HashMap};

use crate::definition::{Outputs, Workflow};
use crate::findings::Findings;
use crate::limits::MAX_TITLE_CHARS;
use crate::source::Node;
use needs::Graph;

/// The builder: the findings, and what expressions may refer to.
struct Build<'b, 's> {
    findings: &'b mut Findings<'s>,
    /// The names of the inputs, if the workflow can be started by hand.
    inputs: Option<Vec<String>>,
    graph: Graph,
    /// By group, the steps directly in it, list by list.
    lists: HashMap<usize, Vec<Vec<usize>>>,
    /// The events that start the workflow.
    event_patterns: Vec<String>,
    /// How many expressions were compiled.
    expressions: usize,
    /// What was too wrong for expressions to be held against it.
    unsure: Unsure,
    /// The tenant's variables that were read.
    vars: BTreeSet<String>,
    /// Whether one run takes many events.
    batched: bool,
}

/// What was reported to be so wrong that its names are not known: that other places do not find them follows from it.
struct Unsure {
    inputs: bool,
    steps: bool,
}

fn is_wrong(node: &Node, findings: &Findings<'_>) -> bool {
    findings.has_error_in(&(node.span.start..node.span.start))
}

/// Builds a workflow. `None` if a part is missing without which there is none.
pub(crate) fn workflow(root: &Node, findings: &mut Findings<'_>) -> Option<Workflow> {
    let manual = root.get("on").and_then(|on| on.get("manual"));
    let inputs = manual.map(|manual| {
        let inputs = manual.get("inputs").map(Node::fields).unwrap_or_default();
        inputs.iter().map(|(name, _)| name.text.to_string()).collect()
    });
    let layout = layout::layout(root, findings);
    let graph = needs::graph(&layout, findings);
    let unsure = Unsure {
        inputs: root.get("on").is_none_or(|on| on.fields().is_empty())
            || manual.is_some_and(|node| {
                is_wrong(node, findings) || node.get("inputs").is_some_and(|node| is_wrong(node, findings))
            }),
        steps: layout.places.is_empty()
            || layout.places.iter().any(|place| {
                let id = place.node.get("id");
                place.node.fields().is_empty() || id.is_some_and(|id| findings.has_error_in(&id.span))
            }),
    };
    let groups =
        (0..layout.places.len()).filter(|index| graph.children.get(*index).is_some_and(|c| !c.is_empty()));
    let lists = groups.map(|group| (group, layout.lists_in(group))).collect();
    let mut build = Build {
        findings,
        inputs,
        graph,
        lists,
        event_patterns: Vec::new(),
        expressions: 0,
        unsure,
        vars: BTreeSet::new(),
        batched: root.get("batch").is_some(),
    };
    let name = build.name(root, "name");
    let description = build.title(root, "description", usize::MAX);
    let triggers = build.triggers(root.get("on"), name.as_deref());
    build.event_patterns.extend(triggers.events.iter().map(|trigger| trigger.pattern.clone()));
    let condition = root.get("if").and_then(|node| build.condition(node, &rules::EVENT_CONDITION, None));
    let timeout_ms = build.duration(root, "timeout");
    let pace = build.pace(root);
    let retention = build.retention(root.get("retention"));
    let steps = build.steps(root, &layout);
    let outputs = Outputs(build.outputs(root.get("outputs")));
    let notify = build.notify(root.get("notify"));
    let sequential = layout.lists.first().is_some_and(|list| list.sequential);
    let vars = std::mem::take(&mut build.vars).into_iter().collect();
    Some(Workflow {
        name: name?,
        description,
        triggers,
        condition,
        timeout_ms,
        steps,
        outputs,
        notify,
        sequential,
        pace,
        retention,
        vars,
    })
}

impl Build<'_, '_> {
    /// A name that every door of the daemon takes.
    fn name(&mut self, node: &Node, key: &str) -> Option<String> {
        let node = node.get(key)?;
        let text = node.text()?;
        if !tenantry_protocol::permission::is_name(text) {
            let shown: String = text.chars().take(80).collect();
            let message = format!("`{shown}` cannot be a {key}").replace("a name", "a workflow's name");
            let help = "use lower-case letters, digits and inner dashes, at most 63".to_owned();
            self.findings.error("bad-name", node.span.clone(), message, Some(help));
        }
        Some(text.to_owned())
    }

    /// Constant text for people.
    fn title(&mut self, node: &Node, key: &str, most: usize) -> Option<String> {
        let node = node.get(key)?;
        let text = node.text()?;
        if most < usize::MAX && text.contains("${{") {
            let message = format!("`{key}` is constant; no expression is possible here");
            self.findings.error("expression-not-allowed", node.span.clone(), message, None);
        }
        if text.chars().count() > most {
            let message = format!("`{key}` is longer than {MAX_TITLE_CHARS} characters");
            self.findings.error("too-long", node.span.clone(), message, None);
        }
        Some(text.to_owned())
    }

    /// Milliseconds of a duration that is not zero; wrong ones were reported.
    fn duration(&mut self, node: &Node, key: &str) -> Option<u64> {
        let node = node.get(key)?;
        let ms = crate::duration::parse_ms(node.text()?).ok()?;
        if ms == 0 {
            let message = format!("`{key}` must be longer than nothing");
            self.findings.error("bad-duration", node.span.clone(), message, None);
        }
        Some(ms)
    }
}
