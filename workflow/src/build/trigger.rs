//! What starts a workflow.

use crate::build::Build;
use crate::build::rules::TRIGGER_CONDITION;
use crate::definition::{EventTrigger, RunEnding, Triggers, WebhookTrigger, WorkflowTrigger};
use crate::names::{is_event_pattern, is_workflow_pattern};
use crate::source::Node;

impl Build<'_, '_> {
    /// `name` is the workflow's name.
    pub(super) fn triggers(&mut self, on: Option<&Node>, name: Option<&str>) -> Triggers {
        let Some(on) = on else {
            return Triggers::default();
        };
        let mut webhooks: Vec<WebhookTrigger> = Vec::new();
        for node in on.get("webhook").map(Node::one_or_many).unwrap_or_default() {
            if let Some(webhook) = self.webhook(node, &webhooks) {
                webhooks.push(webhook);
            }
        }
        let manual = on.get("manual").map(|node| self.manual(node));
        let events = on.get("event").map(Node::one_or_many).unwrap_or_default();
        let events = events.iter().filter_map(|node| self.event(node)).collect();
        let workflows = on.get("workflow").map(Node::one_or_many).unwrap_or_default();
        let workflows = workflows.iter().filter_map(|node| self.workflow_end(node, name)).collect();
        let schedules = self.schedules(on.get("schedule"));
        let files = self.files(on.get("file"));
        Triggers { webhooks, manual, events, schedules, files, workflows }
    }

    fn event(&mut self, node: &Node) -> Option<EventTrigger> {
        let name = node.get("name").unwrap_or(node);
        let pattern = name.text()?;
        if !is_event_pattern(pattern) {
            let help = "write names like `invoice.paid`, or a beginning and `*`".to_owned();
            self.findings.error("bad-name", name.span.clone(), "this is no event name", Some(help));
        }
        let condition = node.get("if").and_then(|node| self.condition(node, &TRIGGER_CONDITION, None));
        Some(EventTrigger { pattern: pattern.to_owned(), condition })
    }

    fn workflow_end(&mut self, node: &Node, own: Option<&str>) -> Option<WorkflowTrigger> {
        let mut names = Vec::new();
        for node in node.get("names")?.one_or_many() {
            let Some(name) = node.text() else { continue };
            if !is_workflow_pattern(name) {
                let help = "write names of workflows, or a beginning and `*`".to_owned();
                self.findings.error("bad-name", node.span.clone(), "this is no workflow's name", Some(help));
            } else if Some(name) == own {
                let message = "a workflow whose end starts it again would never end";
                self.findings.error("own-trigger", node.span.clone(), message, None);
            }
            names.push(name.to_owned());
        }
        let mut on = Vec::new();
        for node in node.get("on").map(Node::one_or_many).unwrap_or_default() {
            on.extend(RunEnding::ALL.iter().copied().find(|known| Some(known.as_str()) == node.text()));
        }
        if on.is_empty() {
            on.push(RunEnding::Success);
        }
        let condition = node.get("if").and_then(|node| self.condition(node, &TRIGGER_CONDITION, None));
        Some(WorkflowTrigger { names, on, condition })
    }
}
