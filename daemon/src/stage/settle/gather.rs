//! Events wait for others: rows and one job that is due when the waiting ends.
//!
//! **Invariant:** an event that was gathered is in a run, or in a gathering that a job will come for.

use serde_json::json;
use tenantry_protocol::id::EventId;
use tenantry_protocol::state::StageName;
use tenantry_workflow::pace::{self, Gathered};

use super::start_run;
use crate::error::Result;
use crate::service::events;
use crate::service::ledger::{Enqueue, Ledger};
use crate::service::trigger_job::TriggerJob;
use crate::stage::outcome::{Gather, StartGathered};
use crate::store::tenant::gatherings::{self, Gathering, Kind};

pub(super) fn apply(ledger: &mut Ledger<'_>, gather: &Gather) -> Result<()> {
    let Gather { live, event, .. } = gather;
    // A trigger job that is tried again gathers only what it has not gathered.
    if gatherings::holds(ledger.tx, *event, live.id)? {
        return Ok(());
    }
    let open = gatherings::open(ledger.tx, live.id, &gather.key)?;
    match (&live.workflow.pace.debounce, &live.workflow.pace.batch) {
        (Some(rule), _) => {
            let mut kept = match open {
                Some(open) if open.kind == Kind::Debounce => open,
                other => {
                    close(ledger, other)?;
                    begin(ledger, gather, Kind::Debounce, pace::debounce(rule, ledger.now, ledger.now))?
                }
            };
            kept.due_at = pace::debounce(rule, kept.first_at, ledger.now);
            kept.count += 1;
            // Workers may take events out of order; the one that came last wins.
            let last = gatherings::events(ledger.tx, kept.id, 1)?.first().copied();
            if last.is_none_or(|last| last < *event) {
                kept.bytes = gather.bytes;
                gatherings::put_event(ledger.tx, kept.id, 1, *event)?;
            }
            gatherings::update(ledger.tx, &kept)
        }
        (None, Some(rule)) => {
            let open = match open {
                Some(open) if open.kind == Kind::Batch => Some(open),
                other => {
                    close(ledger, other)?;
                    None
                }
            };
            let held = open.as_ref().map(|open| Gathered { count: open.count, bytes: open.bytes });
            let placed = pace::place(rule, held, gather.bytes);
            let mut batch = match open {
                Some(open) if !placed.opens_next => open,
                full => {
                    close(ledger, full)?;
                    let due_at = ledger.now.saturating_add_unsigned(rule.within_ms);
                    begin(ledger, gather, Kind::Batch, due_at)?
                }
            };
            batch.count += 1;
            batch.bytes = batch.bytes.saturating_add(gather.bytes);
            gatherings::put_event(ledger.tx, batch.id, batch.count, *event)?;
            gatherings::update(ledger.tx, &batch)?;
            if placed.fills { close(ledger, Some(batch)) } else { Ok(()) }
        }
        (None, None) => Ok(()),
    }
}

/// A new gathering, and the job that comes for it.
fn begin(ledger: &mut Ledger<'_>, gather: &Gather, kind: Kind, due_at: i64) -> Result<Gathering> {
    let gathering = Gathering {
        id: EventId::new(ledger.now),
        workflow_id: gather.live.id,
        key: gather.key.clone(),
        kind,
        open: true,
        count: 0,
        bytes: 0,
        first_at: ledger.now,
        due_at,
    };
    gatherings::insert(ledger.tx, &gathering)?;
    ledger.enqueue_later(StageName::Trigger, None, &TriggerJob::gathering(gathering.id), due_at)?;
    Ok(gathering)
}

/// It takes no more events, and is due now.
fn close(ledger: &mut Ledger<'_>, gathering: Option<Gathering>) -> Result<()> {
    let Some(mut gathering) = gathering else { return Ok(()) };
    gathering.open = false;
    gathering.due_at = gathering.due_at.min(ledger.now);
    gatherings::update(ledger.tx, &gathering)?;
    come_for(ledger, gathering.id)
}

/// Its job is a dead letter: what comes now is gathered anew, and not stranded with it.
pub(super) fn close_dead(ledger: &Ledger<'_>, id: EventId) -> Result<()> {
    let Some(mut gathering) = gatherings::get(ledger.tx, id)? else { return Ok(()) };
    gathering.open = false;
    gatherings::update(ledger.tx, &gathering)
}

fn come_for(ledger: &mut Ledger<'_>, id: EventId) -> Result<()> {
    let (stage, payload) = (StageName::Trigger, &TriggerJob::gathering(id));
    ledger.enqueue(Enqueue { stage, run: None, payload, material: None, limit_ms: 0 })?;
    Ok(())
}

/// Gathered events start their run, unless others have come since they were read: then the job comes again.
pub(super) fn start(ledger: &mut Ledger<'_>, start: &StartGathered, blob: Option<[u8; 32]>) -> Result<()> {
    let seen = &start.gathering;
    // The run was started before: by the job of the time, or by the one of the last event.
    let Some(present) = gatherings::get(ledger.tx, seen.id)? else { return Ok(()) };
    if present.count != seen.count {
        let at = present.due_at;
        if present.open && at > ledger.now {
            ledger.enqueue_later(StageName::Trigger, None, &TriggerJob::gathering(seen.id), at)?;
            return Ok(());
        }
        return close(ledger, Some(present));
    }
    gatherings::delete(ledger.tx, seen.id)?;
    if let Some(event) = &start.event {
        events::insert_row(ledger, &event.event, blob, "system:trigger")?;
    }
    if let Some(run) = &start.start {
        return start_run::apply(ledger, run);
    }
    let detail = json!({ "workflow": seen.workflow_id, "key": seen.key, "events": seen.count });
    ledger.audit("system:trigger", "event.drop", &seen.id.to_string(), "ok", &detail)
}
