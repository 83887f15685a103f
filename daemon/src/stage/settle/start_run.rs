//! A run begins: its row, its steps, and the jobs of the steps that start at once.

use std::sync::Arc;

use serde_json::{Map, Value};
use tenantry_protocol::feed::Change;
use tenantry_protocol::state::{RunState, StepState};
use tenantry_workflow::transition::{self, RunEvent};

use super::{illegal, progress};
use crate::error::Result;
use crate::service::end_run;
use crate::service::ledger::Ledger;
use crate::service::material::RunMaterial;
use crate::stage::outcome::StartRun;
use crate::store::tenant::{runs, steps};

pub(super) fn apply(ledger: &mut Ledger<'_>, start: &StartRun) -> Result<()> {
    let StartRun { id, live, event, value, inputs, plan } = start;
    // A trigger job that is tried again starts only what it has not started.
    if runs::state(ledger.tx, *id)?.is_some() {
        return Ok(());
    }
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
    let material = Arc::new(RunMaterial {
        live: Arc::clone(live),
        id: *id,
        event_id: event.id,
        trigger: event.kind,
        accepted_at: event.received_at,
        created_at: now,
        event: Arc::clone(value),
        inputs: Arc::clone(inputs),
        steps: Arc::new(Value::Object(Map::new())),
    });
    ledger.count(|tally| &tally.runs_started);
    ledger.change(|| Change::Run { run: *id, workflow: live.name.clone(), state, error: None });
    let failure = progress::skip_and_fail(ledger, &material, plan)?;
    progress::dispatch(ledger, &material, plan)?;
    match plan.run {
        Some(event) => end_run::apply(ledger, &material, state, event, failure),
        None => Ok(()),
    }
}

/// Inserts the run's row; answers the state it begins in.
fn insert_run(ledger: &Ledger<'_>, start: &StartRun) -> Result<RunState> {
    let StartRun { id, live, event, inputs, plan, .. } = start;
    let stored_inputs = (!inputs.is_null()).then(|| inputs.to_string());
    let row = runs::NewRun {
        id: *id,
        workflow_id: live.id,
        revision: live.revision,
        event_id: Some(event.id),
        inputs: stored_inputs.as_deref(),
        accepted_at: event.received_at,
        created_at: ledger.now,
    };
    if plan.dispatch.is_empty() {
        runs::insert(ledger.tx, &row)?;
        return Ok(RunState::Queued);
    }
    runs::insert_started(ledger.tx, &row, ledger.now)?;
    transition::run(RunState::Queued, RunEvent::Start).map_err(|error| illegal(&error))
}
