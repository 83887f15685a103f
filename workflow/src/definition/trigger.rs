//! What starts a workflow.

use tenantry_protocol::state::RunState;

use crate::definition::{FileTrigger, ManualTrigger, WebhookTrigger};
use crate::expression::Expression;
use crate::schedule::Schedule;

/// The triggers of a workflow; at least one.
#[derive(Debug, Default)]
pub struct Triggers {
    /// HTTP requests on the ingress listener.
    pub webhooks: Vec<WebhookTrigger>,
    /// A person or program with the permission starts it.
    pub manual: Option<ManualTrigger>,
    /// Events that steps or principals emit.
    pub events: Vec<EventTrigger>,
    /// Times at which it starts by itself.
    pub schedules: Vec<Schedule>,
    /// Files in the tenant's inbox folder.
    pub files: Vec<FileTrigger>,
    /// Ends of other workflows' runs.
    pub workflows: Vec<WorkflowTrigger>,
}

/// Emitted events that start the workflow.
#[derive(Debug)]
pub struct EventTrigger {
    /// A name such as `invoice.paid`, or a beginning and `*`.
    pub pattern: String,
    /// Which of these events are meant; evaluated like the workflow's own condition.
    pub condition: Option<Expression>,
}

impl EventTrigger {
    /// Whether an event of that name is meant, before its condition is asked.
    pub fn matches(&self, name: &str) -> bool {
        matches(&self.pattern, name)
    }
}

/// Ends of other workflows' runs that start the workflow.
#[derive(Debug)]
pub struct WorkflowTrigger {
    /// Names of workflows, or beginnings and `*`.
    pub names: Vec<String>,
    /// Which ends; at least one.
    pub on: Vec<RunEnding>,
    /// Which of these ends are meant; evaluated like the workflow's own condition.
    pub condition: Option<Expression>,
}

impl WorkflowTrigger {
    /// Whether the end of a run is meant, before its condition is asked.
    pub fn matches(&self, workflow: &str, state: RunState) -> bool {
        self.names.iter().any(|name| matches(name, workflow)) && self.on.iter().any(|on| on.matches(state))
    }
}

/// How a run of another workflow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunEnding {
    /// It succeeded.
    Success,
    /// It failed or timed out.
    Failure,
    /// It was cancelled.
    Cancelled,
    /// It ended.
    Always,
}

impl RunEnding {
    /// Every ending.
    pub const ALL: &'static [Self] = &[Self::Success, Self::Failure, Self::Cancelled, Self::Always];

    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Always => "always",
        }
    }

    /// Whether a run that stands there ended so.
    pub const fn matches(self, state: RunState) -> bool {
        match self {
            Self::Success => matches!(state, RunState::Succeeded),
            Self::Failure => matches!(state, RunState::Failed | RunState::TimedOut),
            Self::Cancelled => matches!(state, RunState::Cancelled),
            Self::Always => state.is_terminal(),
        }
    }
}

/// Whether a name is the pattern's, or begins like a pattern that ends with `*`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let trigger = |pattern: &str| EventTrigger { pattern: pattern.to_owned(), condition: None };
        assert!(trigger("invoice.*").matches("invoice.paid"));
        assert!(!trigger("invoice.*").matches("invoice"));
        assert!(trigger("*").matches("a"));
        assert!(trigger("a.b").matches("a.b"));
        assert!(!trigger("a.b").matches("a.b.c"));
    }

    #[test]
    fn every_end_is_exactly_one_of_success_failure_and_cancelled() {
        for state in RunState::ALL {
            let matching = RunEnding::ALL.iter().filter(|ending| ending.matches(*state)).count();
            assert_eq!(matching, if state.is_terminal() { 2 } else { 0 }, "{state}");
        }
        let trigger = WorkflowTrigger {
            names: vec!["nightly-*".to_owned()],
            on: vec![RunEnding::Failure],
            condition: None,
        };
        assert!(trigger.matches("nightly-export", RunState::TimedOut));
        assert!(!trigger.matches("nightly-export", RunState::Succeeded));
        assert!(!trigger.matches("daily", RunState::Failed));
    }
}
