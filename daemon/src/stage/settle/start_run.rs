//! A run begins, or begins to wait: its row, its steps, and the jobs of the steps that start at once.

use std::sync::Arc;

use serde_json::{Map, Value};
use tenantry_protocol::feed::Change;
use tenantry_protocol::state::{RunState, StageName, StepState};
use tenantry_workflow::transition::{self, RunEvent};

use super::turn::{self, Turn};
use crate::error::Result;
use crate::service::end_run;
use crate::service::flow::progress::{self, Begun};
use crate::service::flow::{self, illegal};
use crate::service::ledger::Ledger;
use crate::service::material::RunMaterial;
use crate::service::trigger_job::{TriggerJob, Turn::Begin};
use crate::service::variables;
use crate::stage::outcome::{StartChild, StartRun};
use crate::store::tenant::events::{self, Body, NewEvent};
use crate::store::tenant::{runs, steps};

pub(super) fn apply(ledger: &mut Ledger<'_>, start: &StartRun) -> Result<()> {
    // A trigger job that is tried again starts only what it has not started.
    if runs::state(ledger.tx, start.id)?.is_some() {
        return Ok(());
    }
    ledger.count(|tally| &tally.runs_started);
    match turn::of(ledger, start.id, &start.live, &start.keys)? {
        Turn::Now => begin(ledger, start),
        Turn::Later(at) => {
            insert_waiting(ledger, start)?;
            ledger.enqueue_later(StageName::Trigger, Some(start.id), &TriggerJob::turn(Begin), at)?;
            Ok(())
        }
        Turn::WhenPromoted => insert_waiting(ledger, start).map(drop),
        Turn::Never(reason) => {
            let material = insert_waiting(ledger, start)?;
            end_run::refuse(ledger, &material, reason)
        }
    }
}

/// The run begins at once: everything in one write.
fn begin(ledger: &mut Ledger<'_>, start: &StartRun) -> Result<()> {
    let StartRun { id, live, plan, .. } = start;
    let now = ledger.now;
    let state = insert_run(ledger, start)?;
    for step in &live.workflow.steps {
        let dispatched = plan.dispatch.contains(&step.index);
        let new = steps::NewStep {
            idx: progress::index(step.index),
            id: &step.id,
            state: if dispatched { StepState::Running } else { StepState::Pending },
            attempt: u32::from(dispatched),
            started_at: dispatched.then_some(now),
            ended_at: None,
        };
        steps::insert(ledger.tx, *id, &new)?;
    }
    let material = material(ledger, start)?;
    ledger.change(|| Change::Run { run: *id, workflow: live.name.clone(), state, error: None });
    // Most runs begin with a step that is handed on: nobody needs their rows.
    let mut rows = if plan.is_plain() {
        Vec::new()
    } else {
        steps::list_first(ledger.tx, *id, flow::step_count(&material))?
    };
    flow::begin(ledger, &material, state, plan, &mut rows, Begun::Yes)
}

/// A step starts a run: its event is recorded for the record's sake, no trigger looks at it.
pub(super) fn child(ledger: &mut Ledger<'_>, child: &StartChild) -> Result<()> {
    let event = &child.start.event;
    let row = NewEvent {
        id: event.id,
        kind: event.kind,
        source: &event.source,
        method: None,
        content_type: event.content_type.as_deref(),
        headers: &event.headers,
        query: None,
        body: Body::Inline(&event.body[..]),
        received_at: event.received_at,
        depth: event.depth,
        actor: None,
    };
    events::insert(ledger.tx, &row)?;
    apply(ledger, &child.start)
}

/// The run waits as rows, and nothing else.
fn insert_waiting(ledger: &mut Ledger<'_>, start: &StartRun) -> Result<Arc<RunMaterial>> {
    let StartRun { id, live, event, inputs, .. } = start;
    let stored_inputs = (!inputs.is_null()).then(|| inputs.to_string());
    let row = new_run(ledger, start, stored_inputs.as_deref());
    runs::insert(ledger.tx, &row)?;
    for step in &live.workflow.steps {
        let new = steps::NewStep {
            idx: progress::index(step.index),
            id: &step.id,
            state: StepState::Pending,
            attempt: 0,
            started_at: None,
            ended_at: None,
        };
        steps::insert(ledger.tx, *id, &new)?;
    }
    tracing::debug!(run = %id, event = %event.id, "the run waits");
    let (workflow, state) = (live.name.clone(), RunState::Queued);
    ledger.change(|| Change::Run { run: *id, workflow, state, error: None });
    material(ledger, start)
}

fn material(ledger: &Ledger<'_>, start: &StartRun) -> Result<Arc<RunMaterial>> {
    let StartRun { id, live, event, value, inputs, parent, depth, .. } = start;
    let material = Arc::new(RunMaterial {
        live: Arc::clone(live),
        id: *id,
        event_id: event.id,
        trigger: event.kind,
        accepted_at: event.received_at,
        created_at: ledger.now,
        started_at: ledger.now,
        key_run: *id,
        event: Arc::clone(value),
        inputs: Arc::clone(inputs),
        steps: Arc::new(Value::Object(Map::new())),
        vars: variables::of(ledger.tx, live)?,
        failed: flow::not_failed(),
        parent: parent.map(|parent| (parent.run, parent.row)),
        depth: *depth,
    });
    if *depth > 0 {
        runs::set_ancestry(ledger.tx, *id, material.parent, *depth)?;
    }
    Ok(material)
}

fn new_run<'s>(ledger: &Ledger<'_>, start: &'s StartRun, inputs: Option<&'s str>) -> runs::NewRun<'s> {
    runs::NewRun {
        id: start.id,
        workflow_id: start.live.id,
        revision: start.live.revision,
        event_id: Some(start.event.id),
        inputs,
        accepted_at: start.event.received_at,
        created_at: ledger.now,
    }
}

/// Inserts the run's row; answers the state it begins in.
fn insert_run(ledger: &Ledger<'_>, start: &StartRun) -> Result<RunState> {
    let StartRun { inputs, plan, .. } = start;
    let stored_inputs = (!inputs.is_null()).then(|| inputs.to_string());
    let row = new_run(ledger, start, stored_inputs.as_deref());
    if !plan.starts() && !plan.pauses() {
        runs::insert(ledger.tx, &row)?;
        return Ok(RunState::Queued);
    }
    runs::insert_started(ledger.tx, &row, ledger.now)?;
    transition::run(RunState::Queued, RunEvent::Start).map_err(|error| illegal(&error))
}
