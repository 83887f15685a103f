//! What a step waits for has come: its job becomes due, with what came.
//!
//! The step's row says that it waits, its job is put aside, and both change in the transaction that brings what was
//! waited for. Whoever is late (the step's time is over, its run was cancelled) changes nothing.
//! **Invariant:** a step takes no event from before its run, and none that a step which had ended before it took.

use serde_json::Value;
use tenantry_protocol::id::{EventId, RunId};
use tenantry_protocol::state::StageName;

use crate::error::{Error, Result};
use crate::service::ledger::Ledger;
use crate::service::step_job::{Came, StepJob};
use crate::store::tenant::waiters::{self, Awaited, Waiter};
use crate::store::tenant::{awaited, jobs};

/// Notes what a step waits for.
pub(crate) fn wait(ledger: &mut Ledger<'_>, waiter: &Waiter) -> Result<()> {
    waiters::insert(ledger.tx, waiter)?;
    if waiter.kind == Awaited::Event {
        ledger.event_waits(1);
    }
    Ok(())
}

/// The step waits no more, whatever it waited for.
pub(crate) fn forget(ledger: &mut Ledger<'_>, run: RunId, idx: u32) -> Result<()> {
    if waiters::delete(ledger.tx, run, idx)? == Some(Awaited::Event) {
        ledger.event_waits(-1);
    }
    Ok(())
}

/// Wakes a step with what it waits for; false if it does not wait for that any more.
pub(crate) fn wake(ledger: &mut Ledger<'_>, run: RunId, idx: u32, kind: Awaited, came: Came) -> Result<bool> {
    let Some(waiter) = waiters::get(ledger.tx, run, idx)?.filter(|waiter| waiter.kind == kind) else {
        return Ok(false);
    };
    let Some(payload) = jobs::parked(ledger.tx, waiter.seq, run)? else { return Ok(false) };
    let mut job = StepJob::decode(&payload)?;
    let was_aside = job.is_aside();
    let Some(parked) = job.parked.as_mut().filter(|_| job.step == idx) else { return Ok(false) };
    let event = match &came {
        Came::Event(event) => Some(id_of(event)?),
        Came::Decision { .. } | Came::End { .. } => None,
    };
    if let Some(event) = event
        && !awaited::may_take(ledger.tx, run, idx, event)?
    {
        return Ok(false);
    }
    parked.came = Some(came);
    let woken = jobs::wake(ledger.tx, waiter.seq, run, ledger.now, &job.encode()?)?;
    if woken {
        if was_aside {
            ledger.back_in_queue(StageName::Action);
        }
        if let Some(event) = event {
            awaited::take(ledger.tx, run, idx, event)?;
        }
        forget(ledger, run, idx)?;
        ledger.due_at(StageName::Action, ledger.now);
    }
    Ok(woken)
}

/// Which event this is, as expressions see it.
fn id_of(event: &Value) -> Result<EventId> {
    let id = event["id"].as_str().and_then(|id| id.parse().ok());
    id.ok_or_else(|| Error::internal("an event that has come has no id"))
}
