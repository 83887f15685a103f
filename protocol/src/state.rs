//! The closed vocabularies of state. Which state may follow which is decided in the `workflow` crate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares a closed enum with one wire name a variant, the same in JSON, SQL and on the screen.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The wire name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::state::UnknownWord;
            fn from_str(text: &str) -> Result<Self, $crate::state::UnknownWord> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or($crate::state::UnknownWord)
            }
        }
    };
}
pub(crate) use words;

/// A text that is no word of the vocabulary asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a known word")]
pub struct UnknownWord;

words! {
    /// Where a run stands.
    RunState {
        /// Accepted by the trigger stage; no step has started yet.
        Queued = "queued",
        /// At least one step was handed to the action stage.
        Running = "running",
        /// Every step succeeded, was skipped, or failed with `on-error: continue`.
        Succeeded = "succeeded",
        /// A step failed for good.
        Failed = "failed",
        /// A principal cancelled it.
        Cancelled = "cancelled",
        /// The run's own time limit passed.
        TimedOut = "timed-out",
    }
}

impl RunState {
    /// Whether nothing can follow.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::TimedOut)
    }
}

words! {
    /// How a run repeats another one.
    RunOrigin {
        /// From the step that failed: what had succeeded is taken over. The same revision.
        Retry = "retry",
        /// From the beginning, with the same event.
        Replay = "replay",
    }
}

words! {
    /// Where a step of a run stands.
    StepState {
        /// Waits for the steps it needs.
        Pending = "pending",
        /// Its job is in the action queue or being handled.
        Running = "running",
        /// An attempt failed; the next one is due later.
        Retrying = "retrying",
        /// Its action succeeded.
        Succeeded = "succeeded",
        /// Its action failed for good.
        Failed = "failed",
        /// Its condition was false or a step it needs did not succeed.
        Skipped = "skipped",
        /// The run was cancelled or timed out before it ended.
        Cancelled = "cancelled",
        /// Declared at-most-once and cut off by a crash; it is not repeated.
        Interrupted = "interrupted",
    }
}

impl StepState {
    /// Whether nothing can follow.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped | Self::Cancelled | Self::Interrupted)
    }
}

words! {
    /// Where a job of a queue stands. A settled job is deleted; its history is in runs, steps and attempts.
    JobState {
        /// Due once `available_at` has come.
        Ready = "ready",
        /// Claimed; the lease token fences late results.
        Leased = "leased",
        /// Will not be tried again without a person.
        Dead = "dead",
    }
}

words! {
    /// The four stages, in the order in which work flows.
    StageName {
        /// Takes events, decides which workflows run.
        Trigger = "trigger",
        /// Executes step attempts.
        Action = "action",
        /// Records outcomes, evaluates notification rules.
        Logging = "logging",
        /// Delivers to channels.
        Notification = "notification",
    }
}

words! {
    /// Whether a tenant is served.
    TenantState {
        /// Served.
        Active = "active",
        /// Refuses new events and runs nothing; its data is kept.
        Suspended = "suspended",
        /// Its file is unsafe to open; it was set aside, never deleted.
        Quarantined = "quarantined",
    }
}

words! {
    /// How an event came in.
    EventKind {
        /// A verified HTTP request on the ingress listener.
        Webhook = "webhook",
        /// A principal started a workflow by hand.
        Manual = "manual",
        /// A step or a principal emitted it.
        Emitted = "emitted",
        /// A run of another workflow ended.
        Workflow = "workflow",
        /// A schedule of a workflow fired.
        Schedule = "schedule",
        /// A file was put into the tenant's inbox folder.
        File = "file",
    }
}
