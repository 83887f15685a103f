//! Runs, steps, attempts and log lines as clients see them.

use serde_json::{Map, Value};
use tenantry_protocol::id::{EventId, RunId};
use tenantry_protocol::run::{AttemptView, LogLine, RunView, StageTimes, StepView};
use tenantry_protocol::state::{EventKind, RunState};

use crate::service::catalog::Live;
use crate::service::step_value;
use crate::store::tenant::{attempts, events, log_lines, runs, steps};

/// The inputs of a run started by hand.
pub(super) fn inputs_of(run: &runs::Run) -> Option<Map<String, Value>> {
    run.inputs.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

pub(super) fn run_view(run: runs::Run, workflow: String, origin: Option<events::Origin>) -> RunView {
    let (trigger, source, by) = match origin {
        Some(origin) => (origin.kind, Some(origin.source), origin.actor),
        None => (EventKind::Manual, None, None),
    };
    let inputs = inputs_of(&run).unwrap_or_default();
    RunView {
        id: run.id,
        workflow_id: run.workflow_id,
        workflow,
        revision: run.revision,
        event: run.event_id.unwrap_or(EventId::from_bytes([0; 16])),
        trigger,
        source,
        by: run.actor.or(by),
        origin: run.origin,
        repeats: run.of_run,
        state: run.state,
        error: run.error,
        accepted_at: run.accepted_at,
        created_at: run.created_at,
        started_at: run.started_at,
        ended_at: run.ended_at,
        logged_at: run.logged_at,
        notified_at: run.notified_at,
        inputs,
        steps: Vec::new(),
        stages: None,
    }
}

/// A run of which only the event is there yet.
pub(super) fn queued_view(id: RunId, live: &Live, event: &events::Event) -> RunView {
    RunView {
        id,
        workflow_id: live.id,
        workflow: live.name.clone(),
        revision: live.revision,
        event: event.id,
        trigger: event.kind,
        source: Some(event.source.clone()),
        by: None,
        origin: None,
        repeats: None,
        state: RunState::Queued,
        error: None,
        accepted_at: event.received_at,
        created_at: event.received_at,
        started_at: None,
        ended_at: None,
        logged_at: None,
        notified_at: None,
        inputs: Map::new(),
        steps: Vec::new(),
        stages: None,
    }
}

pub(super) fn stage_times(run: &RunView) -> StageTimes {
    let span = |from: Option<i64>, to: Option<i64>| from.zip(to).map(|(from, to)| to - from);
    StageTimes {
        trigger_ms: run.created_at - run.accepted_at,
        action_ms: span(Some(run.created_at), run.ended_at),
        logging_ms: span(run.ended_at, run.logged_at),
        notification_ms: span(run.logged_at, run.notified_at),
    }
}

pub(super) fn step_view(live: &Live, row: &steps::Step, attempts: Vec<AttemptView>) -> StepView {
    let position = usize::try_from(row.idx).unwrap_or(usize::MAX);
    let kind = live.workflow.steps.get(position).map_or("", |step| step.kind().as_str());
    StepView {
        id: row.id.clone(),
        index: row.idx,
        kind: kind.to_owned(),
        state: row.state,
        attempt: row.attempt,
        started_at: row.started_at,
        ended_at: row.ended_at,
        error: row.error.clone(),
        output: row.state.is_terminal().then(|| step_value::of(row)),
        attempts,
    }
}

pub(super) fn attempt_view(attempt: &attempts::Attempt) -> AttemptView {
    AttemptView {
        number: attempt.number,
        outcome: attempt.outcome.clone(),
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
        error: attempt.error.clone(),
    }
}

pub(super) fn log_line(live: &Live, row: log_lines::LogLine) -> LogLine {
    let position = row.idx.and_then(|idx| usize::try_from(idx).ok());
    let step = position.and_then(|position| live.workflow.steps.get(position));
    LogLine {
        seq: i64::from(row.number),
        at: row.at,
        step: step.map(|step| step.id.clone()).unwrap_or_default(),
        attempt: row.attempt.unwrap_or_default(),
        stream: row.stream,
        text: row.text,
    }
}
