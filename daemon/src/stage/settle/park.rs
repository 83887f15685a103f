//! A step was put aside, or the run of one that was is stopped.

use std::sync::Arc;

use tenantry_protocol::id::RunId;
use tenantry_protocol::state::StageName;

use crate::error::Result;
use crate::service::end_run;
use crate::service::flow::{stop, wake};
use crate::service::ledger::Ledger;
use crate::service::material::RunMaterial;
use crate::service::step_job::StepJob;
use crate::stage::outcome::NewWaiter;
use crate::store::tenant::jobs;
use crate::store::tenant::runs::{self, Stop};
use crate::store::tenant::waiters::Waiter;

/// Notes what a step waits for. Its job has just been put aside.
pub(super) fn apply(ledger: &mut Ledger<'_>, new: &NewWaiter, run: RunId, row: u32, seq: i64) -> Result<()> {
    let NewWaiter { kind, name, detail } = new.clone();
    wake::wait(ledger, &Waiter { run, idx: row, kind, seq, name, detail, created_at: ledger.now })
}

/// Stops a run, if it has not ended.
pub(super) fn stop(ledger: &mut Ledger<'_>, material: &Arc<RunMaterial>) -> Result<()> {
    let Some(standing) = runs::standing(ledger.tx, material.id)? else { return Ok(()) };
    if standing.state.is_terminal() {
        return Ok(());
    }
    if let (material, Some(end)) = stop::stop(ledger, material, standing, Stop::Cancel)? {
        end_run::record(ledger, &material, end)?;
    }
    ledger.audit("system:action", "run.cancel", &material.id.to_string(), "ok", &serde_json::json!({}))
}

/// Stops a run, unless it is stopped already: whoever comes next to its group does not ask a second time, which would
/// cut off what it tidies up.
pub(super) fn supersede(ledger: &mut Ledger<'_>, material: &Arc<RunMaterial>) -> Result<()> {
    let standing = runs::standing(ledger.tx, material.id)?;
    if standing.is_some_and(|standing| standing.stop.is_some()) { Ok(()) } else { stop(ledger, material) }
}

/// A step that was put aside is tried again: what it had waited for belongs to the attempt before.
pub(super) fn begin_anew(ledger: &mut Ledger<'_>, seq: i64, run: RunId, at: i64) -> Result<()> {
    let Some(payload) = jobs::parked(ledger.tx, seq, run)? else { return Ok(()) };
    let job = StepJob::decode(&payload)?;
    if job.parked.is_some() {
        if job.is_aside() {
            ledger.back_in_queue(StageName::Action);
        }
        jobs::wake(ledger.tx, seq, run, at, &StepJob { parked: None, ..job }.encode()?)?;
    }
    Ok(())
}
