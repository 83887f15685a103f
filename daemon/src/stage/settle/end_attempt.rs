//! An attempt of a step, or of an item of a step, ended: the row moves, the run goes on or ends, the outcome goes to
//! the logging stage.
//!
//! Several steps of a run may end at the same time; their settles run one after another on the file's one writer,
//! each on the rows as the one before left them.

use std::sync::Arc;

use serde_json::Value;
use tenantry_protocol::state::StepState;
use tenantry_workflow::transition::{self, StepEvent};

use crate::error::{Error, Result};
use crate::service::end_run;
use crate::service::flow::progress::{moved, tell};
use crate::service::flow::{self, Gone, illegal, items, stop, wake};
use crate::service::ledger::Ledger;
use crate::service::material::{OutcomeRecord, RECORD_VERSION};
use crate::service::outputs;
use crate::stage::outcome::{AttemptEnd, EndAttempt};
use crate::store::tenant::runs::{self, Standing, Stop};
use crate::store::tenant::steps::{self, Step};

/// `blob` names the output if it is too large for a row.
pub(super) fn apply(ledger: &mut Ledger<'_>, ended: &EndAttempt, blob: Option<[u8; 32]>) -> Result<()> {
    let run = ended.material.id;
    let Some(standing) = runs::standing(ledger.tx, run)? else { return Ok(()) };
    ledger.count(|tally| &tally.attempts);
    let number = ended.slot.index(ended.material.live.workflow.steps.len());
    let mut rows = steps::list_first(ledger.tx, run, flow::step_count(&ended.material))?;
    let state = move_row(ledger, ended, number, &mut rows, blob)?;
    outputs::fill_now(ledger, &mut rows)?;
    let (material, run_end) =
        if standing.state.is_terminal() || matches!(ended.end, AttemptEnd::Retrying { .. }) {
            (Arc::clone(&ended.material), None)
        } else if ended.run_timed_out && standing.stop.is_none() {
            stop::stop(ledger, &ended.material, standing, Stop::TimeOut)?
        } else {
            go_on(ledger, ended, standing, state, &mut rows)?
        };
    let record = OutcomeRecord {
        v: RECORD_VERSION,
        step: Some(number),
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

/// Goes on with the step's next item, or with the run if the step has ended.
fn go_on(
    ledger: &mut Ledger<'_>,
    ended: &EndAttempt,
    standing: Standing,
    moved: Option<StepState>,
    rows: &mut [Step],
) -> Result<Gone> {
    let (material, step) = (&ended.material, ended.slot.step);
    if ended.slot.item.is_some() {
        // An item that was cancelled with its run while its handler was still at work changes nothing.
        let over = match moved {
            Some(state) => items::ended(ledger, material, step, state, rows)?,
            None => false,
        };
        if !over {
            return Ok((Arc::clone(material), None));
        }
    }
    let material = flow::refreshed(ledger, material, rows)?;
    flow::go_on(ledger, material, standing, rows)
}

/// Moves the row, here and in `rows`. Answers the state that it has now; none if it had ended before.
fn move_row(
    ledger: &mut Ledger<'_>,
    ended: &EndAttempt,
    number: u32,
    rows: &mut [Step],
    blob: Option<[u8; 32]>,
) -> Result<Option<StepState>> {
    let EndAttempt { material, slot, attempt, end, started_at, ended_at, .. } = ended;
    let mut item = match slot.item {
        Some(_) => steps::get(ledger.tx, material.id, number)?,
        None => None,
    };
    let row = item.as_mut().or_else(|| rows.get_mut(slot.step).filter(|_| slot.item.is_none()));
    let row = row.ok_or_else(|| Error::internal(format!("{} has no row {number}", material.id)))?;
    let from = row.state;
    // A step that was cancelled with its run while its handler was still at work: the row has the last word.
    if from.is_terminal() {
        return Ok(None);
    }
    let (event, output) = match end {
        AttemptEnd::Succeeded(output) => (StepEvent::Succeed, Some(output)),
        AttemptEnd::Failed { output, .. } => (StepEvent::Fail, output.as_ref()),
        AttemptEnd::Retrying { .. } => (StepEvent::RetryLater, None),
        AttemptEnd::Cancelled => (StepEvent::Cancel, None),
        AttemptEnd::Interrupted => (StepEvent::Interrupt, None),
    };
    let state = transition::step(from, event).map_err(|error| illegal(&error))?;
    row.state = state;
    row.attempt = *attempt;
    row.error = end.error().map(str::to_owned);
    if state.is_terminal() {
        row.output = output.map(Value::to_string);
        row.started_at = row.started_at.or(Some(*started_at));
        row.ended_at = Some(*ended_at);
        let end = steps::End {
            state,
            output: row.output.as_deref(),
            error: row.error.as_deref(),
            attempt: *attempt,
            started_at: row.started_at,
            ended_at: *ended_at,
        };
        moved(steps::end(ledger.tx, material.id, number, from, &end)?)?;
        if let Some(hash) = blob {
            steps::set_output_blob(ledger.tx, material.id, number, &hash)?;
            row.output_blob = Some(hash);
        }
    } else {
        let error = row.error.as_deref();
        moved(steps::set_state(ledger.tx, material.id, number, from, state, error)?)?;
    }
    let waits = material.live.workflow.steps.get(slot.step).is_some_and(|step| step.kind().is_waiting());
    if waits {
        wake::forget(ledger, material.id, number)?;
    }
    tell(ledger, material, *slot, state, *attempt);
    Ok(Some(state))
}
