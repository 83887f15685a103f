//! Groups, items, waits, approvals, sub-workflows.

use tenantry_protocol::permission::Role;

use crate::build::Build;
use crate::build::rules;
use crate::definition::{
    Action, ApproveAction, EventWait, Foreach, OnTimeout, SwitchAction, WaitAction, WorkflowAction,
};
use crate::duration;
use crate::expression::ValueTemplate;
use crate::language::structure::{is_true, whole};
use crate::limits::{DEFAULT_PARALLEL_ITEMS, MAX_CASES, MAX_ENTRIES};
use crate::names::is_event_pattern;
use crate::source::{Kind, Node};

/// Keys of a step that have no meaning with these actions.
const UNFIT: &[(&str, &[&str])] = &[
    ("wait", &["foreach", "retry", "timeout", "at-most-once"]),
    ("approve", &["foreach", "retry", "timeout", "at-most-once"]),
    ("workflow", &["at-most-once"]),
    ("parallel", &["foreach", "retry", "timeout", "at-most-once"]),
    ("switch", &["foreach", "retry", "timeout", "at-most-once"]),
];

impl Build<'_, '_> {
    pub(super) fn flow(&mut self, index: usize, node: &Node) -> Option<Action> {
        for (action, keys) in UNFIT.iter().filter(|(action, _)| node.get(action).is_some()) {
            for key in *keys {
                if let Some(at) = node.key_span(key) {
                    let message = format!("`{key}` has no meaning with `{action}`");
                    self.findings.error("misplaced-key", at, message, None);
                }
            }
        }
        let wait = node.get("wait").map(|wait| self.wait(index, wait));
        let approve = node.get("approve").map(|approve| self.approve(index, approve));
        let workflow = node.get("workflow").map(|workflow| self.subworkflow(index, workflow));
        let parallel = node.get("parallel").map(|_| self.children(index));
        let switch = node.get("switch").map(|on| self.switch(index, node, on));
        wait.flatten()
            .map(Action::Wait)
            .or(approve.map(Action::Approve))
            .or(workflow.flatten().map(Action::Workflow))
            .or(parallel.map(Action::Parallel))
            .or(switch.flatten().map(Action::Switch))
    }

    fn children(&self, index: usize) -> Vec<usize> {
        self.graph.children.get(index).cloned().unwrap_or_default()
    }

    pub(super) fn foreach(&mut self, index: usize, node: &Node) -> Option<Foreach> {
        let list = node.get("foreach")?;
        if matches!(list.kind, Kind::Mapping(_))
            || (matches!(list.kind, Kind::Scalar { .. }) && !is_expression(list))
        {
            let help = "write a list, or an expression for one: `${{ steps.find.output }}`".to_owned();
            self.findings.error("wrong-type", list.span.clone(), "`foreach` must be a list", Some(help));
            return None;
        }
        let items = self.value(list, &rules::FOREACH, Some(index))?;
        let max_parallel = node.get("max-parallel").and_then(whole).and_then(|most| u32::try_from(most).ok());
        Some(Foreach {
            items,
            max_parallel: max_parallel.unwrap_or(DEFAULT_PARALLEL_ITEMS),
            fail_fast: node.get("fail-fast").is_none_or(|node| is_true(Some(node))),
        })
    }

    fn switch(&mut self, index: usize, node: &Node, on: &Node) -> Option<SwitchAction> {
        let on = self.value(on, &rules::SWITCH, Some(index));
        let fields = node.get("cases").map(Node::fields).unwrap_or_default();
        if node.get("cases").is_none() {
            let at = node.span.start..node.span.start;
            self.findings.error("missing-key", at, "a step with `switch` needs the key `cases`", None);
        }
        if let (true, Some(cases)) = (fields.len() > MAX_CASES, node.get("cases")) {
            let message = format!("`cases` has more than {MAX_CASES} entries");
            self.findings.error("too-many", cases.span.clone(), message, None);
        }
        for (key, _) in fields.iter().filter(|(key, _)| key.text.contains("${{")) {
            let message = "a case is a constant word; no expression is possible here";
            self.findings.error("expression-not-allowed", key.span.clone(), message, None);
        }
        let mut lists = self.lists.get(&index).cloned().unwrap_or_default().into_iter();
        let mut cases = Vec::new();
        for (key, steps) in fields {
            let steps =
                if steps.one_or_many().is_empty() { Vec::new() } else { lists.next().unwrap_or_default() };
            cases.push((key.text.to_string(), steps));
        }
        let default = lists.next().unwrap_or_default();
        Some(SwitchAction { on: on?, cases, default })
    }

    fn wait(&mut self, index: usize, node: &Node) -> Option<WaitAction> {
        let step = Some(index);
        if let Some(text) = node.get("for") {
            if let (Some(constant), false) = (text.text(), is_expression(text))
                && let Err(error) = duration::parse_ms(constant)
            {
                self.findings.error("bad-duration", text.span.clone(), error.to_string(), None);
            }
            return self.template(text, &rules::WAIT, step).map(WaitAction::For);
        }
        if let Some(text) = node.get("until") {
            if let (Some(constant), false) = (text.text(), is_expression(text))
                && crate::definition::moment(constant).is_none()
            {
                let help =
                    "write it as 2027-03-01T09:00:00Z or 2027-03-01T10:00:00[Europe/Berlin]".to_owned();
                self.findings.error("bad-moment", text.span.clone(), "this is no moment", Some(help));
            }
            return self.template(text, &rules::WAIT, step).map(WaitAction::Until);
        }
        let name_node = node.get("event")?;
        let name = name_node.text()?.to_owned();
        if !is_event_pattern(&name) {
            let help = "write a name like `invoice.paid`, or a beginning and `*`".to_owned();
            self.findings.error("bad-name", name_node.span.clone(), "this is no event name", Some(help));
        }
        let condition = node.get("if").map(|node| self.condition(node, &rules::WAIT_CONDITION, step));
        let condition = match condition {
            None => None,
            Some(condition) => Some(condition?),
        };
        let timeout_ms = self.duration(node, "timeout");
        Some(WaitAction::Event(Box::new(EventWait { name, condition, timeout_ms })))
    }

    fn approve(&mut self, index: usize, node: &Node) -> ApproveAction {
        let by = match node.get("by").and_then(Node::text) {
            Some("host-admin") => Role::HostAdmin,
            _ => Role::Admin,
        };
        let on_timeout = match node.get("on-timeout").and_then(Node::text) {
            Some("approve") => OnTimeout::Approve,
            _ => OnTimeout::Reject,
        };
        ApproveAction {
            by,
            message: node.get("message").and_then(|text| self.template(text, &rules::APPROVE, Some(index))),
            channel: self.name(node, "channel"),
            timeout_ms: self.duration(node, "timeout"),
            on_timeout,
            allow_starter: is_true(node.get("allow-starter")),
        }
    }

    fn subworkflow(&mut self, index: usize, node: &Node) -> Option<WorkflowAction> {
        let name = self.name(node, "name");
        let with = match node.get("with") {
            None => Some(ValueTemplate::object(Vec::new())),
            Some(with) => self.value(with, &rules::WITH, Some(index)),
        };
        let wait = node.get("wait").is_none_or(|node| is_true(Some(node)));
        Some(WorkflowAction { name: name?, with: with?, wait })
    }

    /// The workflow's `outputs`.
    pub(super) fn outputs(&mut self, node: Option<&Node>) -> Vec<(String, ValueTemplate)> {
        let mut outputs = Vec::new();
        for (key, value) in node.map(Node::fields).unwrap_or_default().iter().take(MAX_ENTRIES) {
            if !crate::names::is_step_id(&key.text) {
                let help = "begin with a letter; use letters, digits, `_` and single inner dashes".to_owned();
                let message = "an output's name must be one that expressions can use";
                self.findings.error("bad-name", key.span.clone(), message, Some(help));
            }
            let value = self.value(value, &rules::OUTPUTS, None);
            outputs.extend(value.map(|value| (key.text.to_string(), value)));
        }
        outputs
    }
}

fn is_expression(node: &Node) -> bool {
    node.text().is_some_and(|text| text.contains("${{"))
}
