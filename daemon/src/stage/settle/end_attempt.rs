//! An attempt of a step ended: the step moves, the run goes on or ends, the outcome goes to the logging stage.
//!
//! Several steps of a run may end at the same time; their settles run one after another on the file's one writer,
//! each on the rows as the one before left them.

use std::sync::Arc;

use serde_json::Value;
use tenantry_protocol::state::{RunState, StepState};
use tenantry_workflow::Context;
use tenantry_workflow::plan::{self, Plan};
use tenantry_workflow::transition::{self, RunEvent, StepEvent};

use super::{illegal, progress};
use crate::error::{Error, Result};
use crate::service::end_run::{self, Failure};
use crate::service::ledger::Ledger;
use crate::service::material::{OutcomeRecord, RECORD_VERSION, RunEnd, RunMaterial};
use crate::service::{outputs, step_value, variables};
use crate::stage::outcome::{AttemptEnd, EndAttempt};
use crate::store::tenant::runs;
use crate::store::tenant::steps::{self, Step};

pub(super) fn apply(ledger: &mut Ledger<'_>, ended: &EndAttempt, blob: Option<[u8; 32]>) -> Result<()> {
    let run = ended.material.id;
    let Some(state) = runs::state(ledger.tx, run)? else { return Ok(()) };
    let mut rows = steps::list(ledger.tx, run)?;
    ledger.count(|tally| &tally.attempts);
    move_step(ledger, ended, &mut rows, blob)?;
    outputs::fill_now(ledger, &mut rows)?;
    let mut material = Arc::clone(&ended.material);
    let run_end = if state.is_terminal() || matches!(ended.end, AttemptEnd::Retrying { .. }) {
        None
    } else {
        material = refreshed(ledger, &material, &rows)?;
        if ended.run_timed_out {
            Some(time_out(ledger, &material, state, &rows)?)
        } else {
            go_on(ledger, &material, state, &rows)?
        }
    };
    let record = OutcomeRecord {
        v: RECORD_VERSION,
        step: Some(progress::index(ended.step)),
        attempt: ended.attempt,
        outcome: ended.end.as_str().to_owned(),
        error: ended.end.error().map(str::to_owned),
        started_at: ended.started_at,
        ended_at: ended.ended_at,
        lines: ended.lines.clone(),
        run_end,
    };
    end_run::enqueue(ledger, &material, record)
}

/// Moves the step's row, here and in `rows`.
fn move_step(
    ledger: &mut Ledger<'_>,
    ended: &EndAttempt,
    rows: &mut [Step],
    blob: Option<[u8; 32]>,
) -> Result<()> {
    let EndAttempt { material, step, attempt, end, started_at, ended_at, .. } = ended;
    let row = rows.get_mut(*step);
    let row = row.ok_or_else(|| Error::internal(format!("{} has no step {step}", material.id)))?;
    let from = row.state;
    // A step that was cancelled with its run while its handler was still at work: the row has the last word.
    if from.is_terminal() {
        return Ok(());
    }
    let (event, output) = match end {
        AttemptEnd::Succeeded(output) => (StepEvent::Succeed, Some(output)),
        AttemptEnd::Failed { output, .. } => (StepEvent::Fail, output.as_ref()),
        AttemptEnd::Retrying { .. } => (StepEvent::RetryLater, None),
        AttemptEnd::Cancelled => (StepEvent::Cancel, None),
        AttemptEnd::Interrupted => (StepEvent::Interrupt, None),
    };
    let state = transition::step(from, event).map_err(|error| illegal(&error))?;
    let index = progress::index(*step);
    row.state = state;
    row.attempt = *attempt;
    row.error = end.error().map(str::to_owned);
    if state.is_terminal() {
        row.output = output.map(Value::to_string);
        row.started_at = row.started_at.or(Some(*started_at));
        row.ended_at = Some(*ended_at);
        let end = steps::End {
            state,
            output: row.output.as_deref().filter(|_| blob.is_none()),
            error: row.error.as_deref(),
            attempt: *attempt,
            started_at: row.started_at,
            ended_at: *ended_at,
        };
        progress::moved(steps::end(ledger.tx, material.id, index, from, &end)?)?;
        if let Some(hash) = blob {
            steps::set_output_blob(ledger.tx, material.id, index, &hash)?;
            row.output_blob = Some(hash);
        }
    } else {
        let error = row.error.as_deref();
        progress::moved(steps::set_state(ledger.tx, material.id, index, from, state, error)?)?;
    }
    progress::tell(ledger, material, *step, state, *attempt);
    Ok(())
}

/// The run's own time limit passed: what has not ended is cancelled with it.
fn time_out(
    ledger: &mut Ledger<'_>,
    material: &RunMaterial,
    state: RunState,
    rows: &[Step],
) -> Result<RunEnd> {
    if rows.iter().any(|row| !row.state.is_terminal()) {
        steps::cancel(ledger.tx, material.id, ledger.now)?;
    }
    end_run::write(ledger, material, state, RunEvent::TimeOut, None)
}

/// Plans what comes next and writes it. Answers how the run ended, if it did.
fn go_on(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    state: RunState,
    rows: &[Step],
) -> Result<Option<RunEnd>> {
    let states: Vec<StepState> = rows.iter().map(|row| row.state).collect();
    let plan = advance(ledger, material, &states);
    if plan.is_empty() {
        return Ok(None);
    }
    let failure = progress::skip_and_fail(ledger, material, &plan)?;
    progress::start_pending(ledger, material, &plan)?;
    progress::dispatch(ledger, material, &plan)?;
    let Some(event) = plan.run else { return Ok(None) };
    let failure = failed_before(material, rows).or(failure);
    end_run::write(ledger, material, state, event, failure).map(Some)
}

/// The run's material with `steps` as the rows have it, and `vars` as they are now.
fn refreshed(ledger: &Ledger<'_>, material: &Arc<RunMaterial>, rows: &[Step]) -> Result<Arc<RunMaterial>> {
    // Nothing can start any more and nobody is told, so nothing will read the steps.
    if material.live.workflow.notify.is_empty() && rows.iter().all(|row| row.state.is_terminal()) {
        return Ok(Arc::clone(material));
    }
    let mut material = RunMaterial::clone(material);
    material.steps = Arc::new(step_value::ended(rows));
    material.vars = variables::of(ledger.tx, &material.live)?;
    Ok(Arc::new(material))
}

fn advance(ledger: &Ledger<'_>, material: &RunMaterial, states: &[StepState]) -> Plan {
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
    plan::advance(&material.live.workflow, states, &context)
}

/// The first step, in the order of the workflow, whose failure fails the run.
fn failed_before(material: &RunMaterial, rows: &[Step]) -> Option<Failure> {
    let failed = |row: &&Step| matches!(row.state, StepState::Failed | StepState::Interrupted);
    rows.iter().filter(failed).find_map(|row| {
        let position = usize::try_from(row.idx).ok()?;
        Failure::of(material, position, row.error.clone().unwrap_or_default())
    })
}
