//! A run ends: its state, and the record from which the logging stage tells people about it.

use std::sync::Arc;

use tenantry_protocol::feed::Change;
use tenantry_protocol::state::{RunState, StageName};
use tenantry_workflow::OnError;
use tenantry_workflow::transition::{self, RunEvent};

use super::directory::Tally;
use super::groups;
use super::ledger::{Counter, Enqueue, Ledger};
use super::material::{Material, OutcomeRecord, RECORD_VERSION, RunEnd, RunMaterial};
use crate::error::{Error, Result};
use crate::store::tenant::{jobs, runs, steps};

/// What failed a run.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The step's id.
    step: String,
    /// Why it failed.
    error: String,
}

impl Failure {
    /// The failure of a step, if it fails the run.
    pub(crate) fn of(material: &RunMaterial, position: usize, error: String) -> Option<Self> {
        let step = material.live.workflow.steps.get(position)?;
        let fails = step.on_error == OnError::Fail;
        fails.then(|| Self { step: step.id.clone(), error })
    }
}

/// Ends a run in whose plan no step is left, with a record of its own.
pub(crate) fn apply(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    from: RunState,
    event: RunEvent,
    failure: Option<Failure>,
) -> Result<()> {
    let end = write(ledger, material, from, event, failure)?;
    record(ledger, material, end)
}

/// Tells the logging stage that a run has ended without a step.
fn record(ledger: &mut Ledger<'_>, material: &Arc<RunMaterial>, end: RunEnd) -> Result<()> {
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

/// Cancels a run: what has not started never will, and what is at work is told to stop. False if it has ended.
pub(crate) fn cancel(ledger: &mut Ledger<'_>, material: &Arc<RunMaterial>) -> Result<bool> {
    let run = material.id;
    let Some(state) = runs::state(ledger.tx, run)?.filter(|state| !state.is_terminal()) else {
        return Ok(false);
    };
    let dropped = jobs::drop_ready_of_run(ledger.tx, run)?;
    ledger.ended(StageName::Action, dropped);
    steps::cancel(ledger.tx, run, ledger.now)?;
    apply(ledger, material, state, RunEvent::Cancel, None)?;
    ledger.stop_handlers(run);
    Ok(true)
}

/// Cancels a run that has not begun, and says why.
pub(crate) fn refuse(ledger: &mut Ledger<'_>, material: &Arc<RunMaterial>, reason: String) -> Result<()> {
    steps::cancel(ledger.tx, material.id, ledger.now)?;
    let end = write_because(ledger, material, RunState::Queued, RunEvent::Cancel, Some(reason))?;
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
    let failure = failure.filter(|_| event == RunEvent::StepFailed);
    let error = match &failure {
        Some(Failure { step, error }) => Some(format!("step {step}: {error}")),
        None if event == RunEvent::TimeOut => Some("the run's time limit passed".to_owned()),
        None => None,
    };
    let end = write_because(ledger, material, from, event, error)?;
    Ok(RunEnd { failed_step: failure.map(|failure| failure.step), ..end })
}

/// Moves the run's row to its end, with what is to say about it. Its place in its group is free.
fn write_because(
    ledger: &mut Ledger<'_>,
    material: &RunMaterial,
    from: RunState,
    event: RunEvent,
    error: Option<String>,
) -> Result<RunEnd> {
    let state = transition::run(from, event).map_err(|error| Error::internal(error.to_string()))?;
    let now = ledger.now;
    if !runs::end(ledger.tx, material.id, from, state, error.as_deref(), now)? {
        return Err(Error::internal(format!("{} is no longer {from}", material.id)));
    }
    ledger.count(counter(state));
    ledger.change(|| Change::Run {
        run: material.id,
        workflow: material.live.name.clone(),
        state,
        error: error.clone(),
    });
    groups::leave(ledger, material.id, &material.live)?;
    Ok(RunEnd { state, error, failed_step: None, at: now })
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
