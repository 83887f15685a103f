//! The entries of a workflow, changed in the transaction that applies, enables, disables or deletes it.

use tenantry_protocol::id::WorkflowId;
use tenantry_workflow::Schedule;

use super::Spec;
use crate::error::{Error, Result};
use crate::service::ledger::Ledger;
use crate::store::tenant::schedules;
use crate::store::tenant::workflows::Listening;
use crate::store::{PAGE_LIMIT, WriteTx};

/// Makes the rows those of the schedules. An entry that was there keeps its place in time; a new one, and every one
/// of a workflow that was disabled, begins now.
pub(in crate::service) fn sync(
    ledger: &mut Ledger<'_>,
    workflow: WorkflowId,
    wanted: &[Schedule],
    listening: Listening,
) -> Result<()> {
    let (tx, now) = (ledger.tx, ledger.now);
    let present = schedules::of(tx, workflow, PAGE_LIMIT)?;
    for row in present.iter().filter(|row| wanted.iter().all(|schedule| schedule.key() != row.key)) {
        schedules::remove(tx, workflow, &row.key)?;
    }
    for schedule in wanted {
        let key = schedule.key();
        let before = present.iter().find(|row| row.key == key);
        // Without a next look it was disabled, or has nothing left to keep its place for.
        let cursor = before.filter(|row| row.next_at.is_some()).map_or(now, |row| row.cursor);
        let enabled = listening == Listening::Enabled;
        let next_at = if enabled { first_look(schedule, workflow, cursor) } else { None };
        let spec = serde_json::to_string(&Spec::of(schedule)).map_err(|e| Error::internal(e.to_string()))?;
        schedules::put(tx, workflow, &key, &spec, cursor, next_at)?;
    }
    if listening == Listening::Disabled {
        schedules::forget_held(tx, workflow)?;
    }
    tell_next(ledger, Some(now))
}

/// The clock was set back: entries that stand ahead of it stand at it. What has fired is known by its event.
pub fn set_back(tx: &WriteTx<'_>, now: i64) -> Result<()> {
    for row in schedules::ahead(tx, now, PAGE_LIMIT)? {
        let Ok(schedule) = Spec::parse(&row.spec).and_then(|spec| spec.schedule()) else { continue };
        let next_at = row.next_at.and_then(|_| first_look(&schedule, row.workflow_id, now));
        let decided = schedules::Decided { cursor: now, next_at, missed: 0, last_missed: None, skipped: 0 };
        schedules::decide(tx, row.workflow_id, &row.key, &decided)?;
    }
    Ok(())
}

/// When the first fire after the cursor is due; unix milliseconds.
fn first_look(schedule: &Schedule, workflow: WorkflowId, cursor: i64) -> Option<i64> {
    let fire = schedule.next_after(cursor)?;
    Some(fire.saturating_add_unsigned(schedule.jitter(workflow.as_bytes(), fire)))
}

/// Tells the hints when the tenant must be looked at next, once this transaction is on disk: when an entry is due, and at
/// `held_at` if fires wait.
pub(super) fn tell_next(ledger: &Ledger<'_>, held_at: Option<i64>) -> Result<()> {
    let holding = schedules::holding(ledger.tx, PAGE_LIMIT)?;
    let held_at = held_at.filter(|_| !holding.is_empty());
    let next = schedules::next(ledger.tx)?.into_iter().chain(held_at).min();
    let (hints, tenant) = (ledger.service().schedules.clone(), ledger.tenant.id);
    ledger.tx.on_commit(move || {
        hints.set(tenant, next);
        hints.set_holding(tenant, &holding);
    });
    Ok(())
}
