//! What is known of a run when its test ends: the run, and a row for each step.

use serde_json::Value;
use tenantry_protocol::state::{RunState, StepState};

use crate::definition::{Call, EmitCall, Message, Step};

/// What came of a test.
#[derive(Debug, Default)]
pub(in crate::rehearsal) struct Told {
    /// Why no trigger fits the event.
    pub(in crate::rehearsal) refused: Option<String>,
    pub(in crate::rehearsal) started: bool,
    pub(in crate::rehearsal) state: Option<RunState>,
    pub(in crate::rehearsal) error: Option<String>,
    pub(in crate::rehearsal) took_ms: u64,
    pub(in crate::rehearsal) dedupe: Option<String>,
    pub(in crate::rehearsal) steps: Vec<Row>,
    pub(in crate::rehearsal) emits: Vec<EmitCall>,
    pub(in crate::rehearsal) notifications: Vec<(String, Message)>,
    /// What makes the test worthless, such as a mock that is missing.
    pub(in crate::rehearsal) trouble: Vec<String>,
}

/// A step of the run.
#[derive(Clone, Debug)]
pub(in crate::rehearsal) struct Row {
    pub(in crate::rehearsal) id: String,
    pub(in crate::rehearsal) state: StepState,
    pub(in crate::rehearsal) attempts: u32,
    pub(in crate::rehearsal) error: Option<String>,
    /// What it leaves behind.
    pub(in crate::rehearsal) left: Value,
    /// `steps.<id>` once it has ended.
    pub(in crate::rehearsal) value: Value,
    /// Its last call.
    pub(in crate::rehearsal) call: Option<Call>,
    pub(in crate::rehearsal) begun: Option<i64>,
    /// The items of its `foreach`.
    pub(in crate::rehearsal) items: Vec<Value>,
}

impl Row {
    pub(in crate::rehearsal) fn of(step: &Step) -> Self {
        Self {
            id: step.id.clone(),
            state: StepState::Pending,
            attempts: 0,
            error: None,
            left: Value::Null,
            value: Value::Null,
            call: None,
            begun: None,
            items: Vec::new(),
        }
    }
}
