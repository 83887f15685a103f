//! A step begins to wait for an event that may be there already: what came since its run began counts.
//!
//! What is recorded is read before the transaction that puts the step aside; inside of it only what has been recorded
//! since then is looked at. From then on whoever brings an event finds the step.
//! **Invariant:** between the two no event is passed over.

use tenantry_protocol::id::{RunId, TenantId};
use tenantry_workflow::EventFilter;

use crate::error::{Error, Result};
use crate::service::Service;
use crate::service::event::Event;
use crate::service::events;
use crate::service::flow::wake;
use crate::service::handover::HandedJob;
use crate::service::ledger::Ledger;
use crate::service::step_job::{Came, StepJob};
use crate::stage::outcome::{NewWaiter, Outcome};
use crate::store::tenant::awaited::{self, Place};
use crate::store::tenant::waiters::{self, Awaited};

/// How many events of the name are looked at: the newest ones, if more have come since the run began.
const LOOK_BACK_LIMIT: u32 = 1_000;

/// What was found before the transaction.
pub(super) struct LookBack {
    name: String,
    filter: Option<EventFilter>,
    /// What was recorded after this has not been looked at.
    seen: Place,
    found: Option<Came>,
}

/// Looks for the event that a step which is put aside is to wait for; none if it waits for something else.
pub(super) async fn look(
    service: &Service,
    tenant: TenantId,
    job: &HandedJob,
    outcome: &Outcome,
) -> Result<Option<LookBack>> {
    let Outcome::Park { job: parked, waiter, .. } = outcome else { return Ok(None) };
    let Some(run) = job.run else { return Ok(None) };
    let row = parked.step;
    let Some((name, detail)) = awaited_by(service, tenant, job, (run, row), waiter.as_ref()).await? else {
        return Ok(None);
    };
    let filter = serde_json::from_str::<Option<EventFilter>>(&detail)
        .map_err(|error| Error::internal(format!("what a step waits for: {error}")))?;
    let wanted = name.clone();
    let read = service.store.tenant(tenant)?.read(move |tx| {
        let seen = awaited::newest(tx)?;
        let ids = match awaited::beginning(tx, run)? {
            Some(begun) => awaited::since(tx, &wanted, begun, LOOK_BACK_LIMIT)?,
            None => Vec::new(),
        };
        let mut free = Vec::new();
        for id in ids {
            if awaited::may_take(tx, run, row, id)? {
                free.push(id);
            }
        }
        Ok((seen, free))
    });
    let (seen, ids) = read.await?;
    let mut found = None;
    for id in ids {
        let Some(event) = events::load(service, tenant, id).await? else { continue };
        found = meant(filter.as_ref(), &event);
        if found.is_some() {
            break;
        }
    }
    Ok(Some(LookBack { name, filter, seen, found }))
}

/// The name and the filter of the event, as the step's row of `waiter` has them or will have them.
async fn awaited_by(
    service: &Service,
    tenant: TenantId,
    job: &HandedJob,
    (run, row): (RunId, u32),
    waiter: Option<&NewWaiter>,
) -> Result<Option<(String, String)>> {
    if let Some(waiter) = waiter {
        return Ok(waiter.name.clone().map(|name| (name, waiter.detail.clone())));
    }
    // Put aside once more: while somebody looked at it, an event could not wake it.
    if StepJob::decode(&job.payload)?.parked.is_none() {
        return Ok(None);
    }
    let waiter = service.store.tenant(tenant)?.read(move |tx| waiters::get(tx, run, row)).await?;
    Ok(waiter.and_then(|waiter| waiter.name.map(|name| (name, waiter.detail))))
}

/// What comes of an event, if it is meant. One whose body cannot be read is not.
fn meant(filter: Option<&EventFilter>, event: &Event) -> Option<Came> {
    let value = event.value().ok()?;
    filter.is_none_or(|filter| filter.matches(&value)).then(|| Came::Event((*value).clone()))
}

impl LookBack {
    /// Wakes the step, which has just been put aside, if its event is there.
    pub(super) fn wake(&self, ledger: &mut Ledger<'_>, run: RunId, row: u32) -> Result<()> {
        if let Some(came) = &self.found
            && wake::wake(ledger, run, row, Awaited::Event, came.clone())?
        {
            return Ok(());
        }
        for id in awaited::newer(ledger.tx, &self.name, self.seen, LOOK_BACK_LIMIT)? {
            let Some(event) = events::load_now(ledger, id)? else { continue };
            if let Some(came) = meant(self.filter.as_ref(), &event)
                && wake::wake(ledger, run, row, Awaited::Event, came)?
            {
                return Ok(());
            }
        }
        Ok(())
    }
}
