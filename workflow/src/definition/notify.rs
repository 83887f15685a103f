//! Which outcomes of a run are told to which channel, and in which words.

use serde::{Deserialize, Serialize};
use tenantry_protocol::state::RunState;

use crate::context::Context;
use crate::expression::{ExpressionError, Template};

/// One entry of `notify`.
#[derive(Debug)]
pub struct NotifyRule {
    /// When.
    pub on: Vec<NotifyOn>,
    /// The channel's name. Whether the tenant has it is known to the daemon only.
    pub channel: String,
    /// A short line. The daemon has words of its own where it is left out.
    pub title: Option<Template>,
    /// The text.
    pub message: Template,
}

/// An outcome worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotifyOn {
    /// The run succeeded.
    Success,
    /// The run failed or timed out.
    Failure,
    /// The run succeeded, and the run before it had failed or timed out.
    Recovery,
    /// The run ended, cancelled ones included.
    Always,
}

/// What goes to a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// A short line.
    pub title: Option<String>,
    /// The text.
    pub body: String,
}

impl NotifyOn {
    /// Whether the outcome is meant. `previous` is the outcome of the workflow's run before this one.
    pub fn matches(self, outcome: RunState, previous: Option<RunState>) -> bool {
        let failed = |state| matches!(state, RunState::Failed | RunState::TimedOut);
        match self {
            Self::Success => outcome == RunState::Succeeded,
            Self::Failure => failed(outcome),
            Self::Recovery => outcome == RunState::Succeeded && previous.is_some_and(failed),
            Self::Always => outcome.is_terminal(),
        }
    }
}

impl NotifyRule {
    /// Whether the outcome is told by this rule.
    pub fn matches(&self, outcome: RunState, previous: Option<RunState>) -> bool {
        self.on.iter().any(|on| on.matches(outcome, previous))
    }

    /// The message.
    pub fn render(&self, context: &Context<'_>) -> Result<Message, ExpressionError> {
        let title = self.title.as_ref().map(|title| title.text(context)).transpose()?;
        Ok(Message { title, body: self.message.text(context)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_needs_a_failure_before() {
        use RunState as S;
        assert!(NotifyOn::Recovery.matches(S::Succeeded, Some(S::Failed)));
        assert!(NotifyOn::Recovery.matches(S::Succeeded, Some(S::TimedOut)));
        assert!(!NotifyOn::Recovery.matches(S::Succeeded, Some(S::Succeeded)));
        assert!(!NotifyOn::Recovery.matches(S::Succeeded, None));
        assert!(!NotifyOn::Recovery.matches(S::Failed, Some(S::Failed)));
        assert!(NotifyOn::Failure.matches(S::TimedOut, None));
        assert!(!NotifyOn::Failure.matches(S::Cancelled, None));
        assert!(NotifyOn::Always.matches(S::Cancelled, None));
        assert!(!NotifyOn::Always.matches(S::Running, None));
    }
}
