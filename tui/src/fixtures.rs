//! Things of the protocol for tests.

use tenantry_protocol::id::{EventId, RunId, TenantId, WorkflowId};
use tenantry_protocol::run::{AttemptView, LogLine, LogStream, RunView, StepView};
use tenantry_protocol::state::{EventKind, RunState, StageName, StepState, TenantState};
use tenantry_protocol::tenant::{Counters, QueueView, TenantStats};

/// A run without steps.
pub(crate) fn run_view(id: RunId, workflow: &str, state: RunState) -> RunView {
    RunView {
        id,
        workflow_id: WorkflowId::from_bytes([3; 16]),
        workflow: workflow.to_owned(),
        revision: 1,
        event: EventId::from_bytes([4; 16]),
        trigger: EventKind::Webhook,
        state,
        error: None,
        accepted_at: 0,
        created_at: 0,
        started_at: None,
        ended_at: None,
        logged_at: None,
        notified_at: None,
        inputs: serde_json::Map::default(),
        steps: Vec::new(),
        stages: None,
    }
}

/// A step that has not begun.
pub(crate) fn step_view(id: &str, state: StepState) -> StepView {
    StepView {
        id: id.to_owned(),
        index: 0,
        kind: "http".to_owned(),
        state,
        attempt: 0,
        started_at: None,
        ended_at: None,
        error: None,
        output: None,
        attempts: Vec::new(),
    }
}

/// A failed attempt.
pub(crate) fn attempt(number: u32, started_at: i64, ended_at: i64) -> AttemptView {
    AttemptView { number, outcome: "failed".to_owned(), started_at, ended_at, error: None }
}

/// A line on standard output.
pub(crate) fn log_line(seq: i64, text: &str) -> LogLine {
    LogLine {
        seq,
        at: 0,
        step: "build".to_owned(),
        attempt: 1,
        stream: LogStream::Stdout,
        text: text.to_owned(),
    }
}

/// An idle tenant.
pub(crate) fn tenant(n: u8, name: &str) -> TenantStats {
    let queue = |stage: &StageName| QueueView { stage: *stage, ready: 0, leased: 0, dead: 0, oldest_ms: 0 };
    TenantStats {
        tenant: TenantId::from_bytes([n; 16]),
        name: name.to_owned(),
        state: TenantState::Active,
        degraded: false,
        counters: Counters::default(),
        queues: StageName::ALL.iter().map(queue).collect(),
    }
}
