//! A run ends early: a principal cancels it, or its time limit passes.
//!
//! What is under way is cut off, its handlers are told, and the rest is planned as ever: steps whose condition asks
//! for it and the steps of `finally` still run. Asked a second time, a run ends at once.
//! **Invariant:** a run that was asked to stop twice has ended.

use std::sync::Arc;

use tenantry_protocol::id::RunId;
use tenantry_protocol::state::{RunState, StageName, StepState};
use tenantry_workflow::plan::Slot;
use tenantry_workflow::transition::{self, StepEvent};

use super::{Gone, go_on, illegal, items, progress, refreshed, step_count, wake};
use crate::error::Result;
use crate::service::ledger::{Enqueue, Ledger};
use crate::service::material::RunMaterial;
use crate::service::outputs;
use crate::service::step_job::StepJob;
use crate::store::PAGE_LIMIT;
use crate::store::tenant::runs::{self, Standing, Stop};
use crate::store::tenant::{jobs, steps};

/// Stops a run that has not ended.
pub(crate) fn stop(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    standing: Standing,
    why: Stop,
) -> Result<Gone> {
    // One that has not begun has nothing to tidy up.
    let again = standing.stop.is_some() || standing.state == RunState::Queued;
    drop_jobs(ledger, material.id)?;
    runs::set_stop(ledger.tx, material.id, why)?;
    order_children(ledger, material.id)?;
    let mut rows = steps::list_first(ledger.tx, material.id, step_count(material))?;
    outputs::fill_now(ledger, &mut rows)?;
    let mut at_work = Vec::new();
    for (step, row) in material.live.workflow.steps.iter().zip(&mut rows) {
        let from = row.state;
        let waits = from == StepState::Pending || step.kind().is_group();
        // A group ends with its steps, and what has not begun is for the plan to decide.
        if from.is_terminal() || (waits && !again) {
            continue;
        }
        let state = transition::step(from, StepEvent::Cancel).map_err(|error| illegal(&error))?;
        let end = steps::End {
            state,
            output: None,
            error: None,
            attempt: row.attempt,
            started_at: None,
            ended_at: ledger.now,
        };
        progress::moved(steps::end(ledger.tx, material.id, row.idx, from, &end)?)?;
        (row.state, row.ended_at) = (state, Some(ledger.now));
        progress::tell(ledger, material, Slot::step(step.index), state, row.attempt);
        at_work.push(row.idx);
        if step.kind().is_waiting() {
            wake::forget(ledger, material.id, row.idx)?;
        }
        if step.foreach.is_some() {
            at_work.extend(items::cancel(ledger, material, step.index)?);
        }
    }
    ledger.stop_handlers(material.id, at_work);
    let material = refreshed(ledger, material, &rows)?;
    go_on(ledger, material, Standing { stop: standing.stop.or(Some(why)), ..standing }, &mut rows)
}

/// Deletes the action jobs of a run that nobody works on.
pub(crate) fn drop_jobs(ledger: &mut Ledger<'_>, run: RunId) -> Result<()> {
    let dropped = jobs::drop_ready_of_run(ledger.tx, run)?;
    // Those that were put aside have left the tally before.
    let counted = dropped.iter().filter(|payload| !StepJob::is_aside_in(payload)).count();
    ledger.ended(StageName::Action, counted);
    Ok(())
}

/// Asks for everything to be stopped that the run has started and waits for, however much it is.
pub(super) fn order_children(ledger: &mut Ledger<'_>, run: RunId) -> Result<()> {
    let mut after = None;
    loop {
        let children = runs::live_children(ledger.tx, run, after, PAGE_LIMIT)?;
        let Some(last) = children.last() else { return Ok(()) };
        after = Some(*last);
        for child in children {
            order(ledger, child)?;
        }
    }
}

/// Asks for another run to be stopped, by a job: the order outlives a crash, and reaches what that run has started.
pub(crate) fn order(ledger: &mut Ledger<'_>, run: RunId) -> Result<()> {
    let payload = &StepJob::stop_run();
    let stage = StageName::Action;
    ledger.enqueue(Enqueue { stage, run: Some(run), payload, material: None, limit_ms: 0 }).map(drop)
}
