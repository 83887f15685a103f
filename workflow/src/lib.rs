//! The workflow language: text into a checked definition, expressions, retry, the pure planner.
//!
//! No I/O, no clock, no SQL, no threads: the same text and values always give the same answer, so `check`,
//! `plan` and tests work without a daemon. Only [`check`] makes a [`Workflow`]; whoever holds one may rely on
//! it.
//!
//! Go next to [`mod@check`] for how a text becomes a workflow, to [`plan`] for what a run does next, to
//! [`Step::render`] for what a step asks for, and to `docs/workflow-language.md` for the language itself.

mod beyond;
mod build;
pub mod check;
pub mod context;
mod definition;
mod duration;
pub mod explain;
mod expression;
mod findings;
mod format;
pub mod graph;
mod language;
pub mod limits;
pub mod names;
pub mod pace;
pub mod plan;
pub mod rehearsal;
pub mod retry;
pub mod schedule;
mod source;
mod suggest;
mod tidy;
pub mod transition;

pub use beyond::{duplicate_workflow, missing, past_instants};
pub use check::{Checked, check};
pub use context::Context;
pub use definition::{
    Action, ActionKind, Algorithm, ApproveAction, ApproveCall, Batch, Call, Concurrency, Debounce, Dedupe,
    EmitAction, EmitCall, Encoding, EventFilter, EventTrigger, EventWait, FileTrigger, Foreach, HttpAction,
    HttpBody, HttpCall, INBOX, Input, InputType, JqAction, JqCall, ManualTrigger, Message, Method, NotifyOn,
    NotifyRule, OnConflict, OnError, OnTimeout, Outputs, Pace, Reply, Respond, RespondMode, Retention,
    RunAction, RunCall, RunEnding, Scheme, Signed, StatusRange, Step, SwitchAction, Throttle, Triggers,
    Verify, WaitAction, WaitCall, WebhookTrigger, Workflow, WorkflowAction, WorkflowCall, WorkflowTrigger,
};
pub use duration::{DurationError, parse_ms as parse_duration_ms};
pub use expression::{Expression, ExpressionError, Template, ValueTemplate};
pub use format::Format;
pub use schedule::{Catchup, Fire, Overlap, Schedule, next_fires};
pub use tidy::tidy;

/// Every key of the language as Markdown, the generated part of `docs/workflow-language.md`.
pub fn reference() -> String {
    language::reference::reference()
}

/// The JSON Schema (2020-12) of the language, the content of `config/workflow.schema.json`.
pub fn schema() -> serde_json::Value {
    language::schema::schema()
}

/// The JSON Schema (2020-12) of test files, the content of `config/workflow-test.schema.json`.
pub fn test_schema() -> serde_json::Value {
    language::schema::test_schema()
}

/// The JSON Schema of a mapping in `expect.steps` of a test file.
pub fn expected_step_schema() -> serde_json::Value {
    language::schema::expected_step_schema()
}
