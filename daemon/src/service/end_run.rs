//! A run ends: its state, and the record from which the logging stage tells people about it.

use std::sync::Arc;

use serde_json::{Map, Value};
use tenantry_protocol::feed::Change;
use tenantry_protocol::state::{RunState, StageName};
use tenantry_workflow::Context;
use tenantry_workflow::transition::{self, RunEvent};

use super::directory::Tally;
use super::flow::wake;
use super::groups;
use super::ledger::{Counter, Enqueue, Ledger};
use super::material::{Material, OutcomeRecord, RECORD_VERSION, RunEnd, RunMaterial};
use super::step_job::Came;
use crate::error::{Error, Result};
use crate::store::tenant::waiters::Awaited;
use crate::store::tenant::{runs, steps};

/// What failed a run.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The step's id.
    pub(crate) step: String,
    /// Why it failed.
    pub(crate) error: String,
}

/// Records the end of a run with which no attempt has ended.
pub(crate) fn record(ledger: &mut Ledger<'_>, material: &Arc<RunMaterial>, end: RunEnd) -> Result<()> {
    let record = OutcomeRecord {
        v: RECORD_VERSION,
        step: None,
        attempt: 0,
        outcome: String::new(),
        error: None,
        started_at: ledger.now,
        ended_at: ledger.now,
        lines: Vec::new(),
        run_end: Some(end),
    };
    enqueue(ledger, material, record)
}

/// Cancels a run that has not begun, and says why.
pub(crate) fn refuse(ledger: &mut Ledger<'_>, material: &Arc<RunMaterial>, reason: String) -> Result<()> {
    end_queued(ledger, material, RunEvent::Cancel, reason)
}

/// Fails a run that has not begun and never will.
pub(crate) fn fail_queued(ledger: &mut Ledger<'_>, material: &Arc<RunMaterial>, error: String) -> Result<()> {
    end_queued(ledger, material, RunEvent::StepFailed, error)
}

fn end_queued(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    event: RunEvent,
    reason: String,
) -> Result<()> {
    steps::cancel(ledger.tx, material.id, ledger.now)?;
    let end = write_because(ledger, material, RunState::Queued, event, Some(reason), None)?;
    record(ledger, material, end)
}

/// Moves the run's row to its end.
pub(crate) fn write(
    ledger: &mut Ledger<'_>,
    material: &RunMaterial,
    from: RunState,
    event: RunEvent,
    failure: Option<Failure>,
) -> Result<RunEnd> {
    let (event, values, lacking) = match outputs(ledger, material, event)? {
        Ok(values) => (event, values, None),
        Err(error) => (RunEvent::StepFailed, None, Some(error)),
    };
    let failure = failure.filter(|_| event == RunEvent::StepFailed);
    let error = match &failure {
        _ if lacking.is_some() => lacking,
        Some(Failure { step, error }) => Some(format!("step {step}: {error}")),
        None if event == RunEvent::TimeOut => Some("the run's time limit passed".to_owned()),
        None => None,
    };
    let end = write_because(ledger, material, from, event, error, values)?;
    Ok(RunEnd { failed_step: failure.map(|failure| failure.step), ..end })
}

/// Moves the run's row to its end, with what is to say about it. Its place in its group is free.
fn write_because(
    ledger: &mut Ledger<'_>,
    material: &RunMaterial,
    from: RunState,
    event: RunEvent,
    error: Option<String>,
    values: Option<Map<String, Value>>,
) -> Result<RunEnd> {
    let state = transition::run(from, event).map_err(|error| Error::internal(error.to_string()))?;
    let now = ledger.now;
    if !runs::end(ledger.tx, material.id, from, state, error.as_deref(), now)? {
        return Err(Error::internal(format!("{} is no longer {from}", material.id)));
    }
    if let Some((parent, row)) = material.parent {
        let came = Came::End { run: material.id, state, error: error.clone(), outputs: values.clone() };
        wake::wake(ledger, parent, row, Awaited::Run, came)?;
    }
    ledger.decided(material.event_id);
    ledger.count(counter(state));
    ledger.run_ended(material.live.id);
    ledger.change(|| Change::Run {
        run: material.id,
        workflow: material.live.name.clone(),
        state,
        error: error.clone(),
    });
    groups::leave(ledger, material.id, &material.live)?;
    Ok(RunEnd { state, error, failed_step: None, outputs: values, at: now })
}

/// What a run has left behind, if anything, or why it has no value.
type LeftBehind = std::result::Result<Option<Map<String, Value>>, String>;

/// Writes what a run that succeeds leaves behind. A run whose outputs have no value fails.
fn outputs(ledger: &Ledger<'_>, material: &RunMaterial, event: RunEvent) -> Result<LeftBehind> {
    let outputs = &material.live.workflow.outputs;
    if event != RunEvent::StepsSucceeded || outputs.is_empty() {
        return Ok(Ok(None));
    }
    let run = material.run_value();
    let context = Context {
        event: &material.event,
        inputs: &material.inputs,
        steps: &material.steps,
        vars: &material.vars,
        tenant: &ledger.tenant.value,
        workflow: &material.live.value,
        run: &run,
        ..Context::default()
    };
    match outputs.values(&context) {
        Ok(values) => {
            let values = Value::Object(values);
            runs::set_outputs(ledger.tx, material.id, &values.to_string())?;
            let Value::Object(values) = values else { return Ok(Ok(None)) };
            Ok(Ok(Some(values)))
        }
        Err(error) => Ok(Err(format!("outputs: {error}"))),
    }
}

/// Enqueues a record for the logging stage.
pub(crate) fn enqueue(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    record: OutcomeRecord,
) -> Result<()> {
    let record = Arc::new(record);
    ledger.enqueue(Enqueue {
        stage: StageName::Logging,
        run: Some(material.id),
        payload: &*record,
        material: Some(Material::Record(Arc::clone(&record), Arc::clone(material), None)),
        limit_ms: 0,
    })?;
    Ok(())
}

fn counter(state: RunState) -> Counter {
    match state {
        RunState::Succeeded => |tally: &Tally| &tally.runs_succeeded,
        RunState::Cancelled => |tally: &Tally| &tally.runs_cancelled,
        RunState::Queued | RunState::Running | RunState::Failed | RunState::TimedOut => {
            |tally: &Tally| &tally.runs_failed
        }
    }
}
