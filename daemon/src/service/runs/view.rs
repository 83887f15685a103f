//! Runs, steps, attempts and log lines as clients see them.

use serde_json::{Map, Value};
use tenantry_protocol::id::{EventId, RunId};
use tenantry_protocol::run::{AttemptView, ItemsView, LogLine, RunView, StageTimes, StepView};
use tenantry_protocol::state::{EventKind, RunState};
use tenantry_workflow::plan::{Items, Slot};

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
        outputs: run.outputs.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        stopping: run.stop.filter(|_| run.ended_at.is_none()).map(|stop| match stop {
            runs::Stop::Cancel => RunState::Cancelled,
            runs::Stop::TimeOut => RunState::TimedOut,
        }),
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
        outputs: None,
        stopping: None,
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
    let slot = Slot::of(row.idx, live.workflow.steps.len());
    let kind = live.workflow.steps.get(slot.step).map_or("", |step| step.kind().as_str());
    let items = row.items.as_deref().and_then(|text| serde_json::from_str::<Items>(text).ok());
    StepView {
        id: row.id.clone(),
        index: u32::try_from(slot.step).unwrap_or(u32::MAX),
        item: slot.item,
        items: items.map(|items| ItemsView { total: items.total, ended: items.ended, failed: items.failed }),
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
    let slot = row.idx.map(|idx| Slot::of(idx, live.workflow.steps.len()));
    let step = slot.and_then(|slot| live.workflow.steps.get(slot.step));
    LogLine {
        seq: i64::from(row.number),
        at: row.at,
        step: step.map(|step| step.id.clone()).unwrap_or_default(),
        item: slot.and_then(|slot| slot.item),
        attempt: row.attempt.unwrap_or_default(),
        stream: row.stream,
        text: row.text,
    }
}
