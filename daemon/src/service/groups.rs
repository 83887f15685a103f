//! Concurrency groups: a run asks for a place before it begins, and leaves it in the transaction that ends it; the one
//! that has waited longest is promoted in that same transaction.
//!
//! **Invariant:** a promotion is as durable as the end that made room, so none is lost in a crash.
//! **Invariant:** a run that waits is a row: no worker, no memory. Which run goes first is decided in
//! [`tenantry_workflow::pace`].

use serde_json::json;
use tenantry_protocol::id::RunId;
use tenantry_protocol::state::StageName;
use tenantry_workflow::OnConflict;
use tenantry_workflow::limits::{MAX_CONCURRENCY, MAX_WAITING_RUNS};
use tenantry_workflow::pace::{self, Entry};

use super::catalog::Live;
use super::ledger::{Enqueue, Ledger};
use super::trigger_job::{TriggerJob, Turn};
use crate::error::Result;
use crate::store::tenant::places::{self, Group, State};

/// Asks for a place in the group of the workflow. Whoever must make room is told so.
pub(crate) fn ask(ledger: &mut Ledger<'_>, run: RunId, live: &Live, key: &str) -> Result<Entry> {
    let Some(concurrency) = &live.workflow.pace.concurrency else { return Ok(Entry::Go) };
    let group = Group { workflow: live.id, key };
    let held = places::count_in(ledger.tx, group, State::Held)?;
    let waiting = places::count_in(ledger.tx, group, State::Waiting)?;
    let (limit, on_conflict) = (concurrency.limit, concurrency.on_conflict);
    let entry = pace::enter(on_conflict, limit, held, waiting);
    match entry {
        Entry::Go => places::insert(ledger.tx, run, group, State::Held, limit)?,
        Entry::Wait => places::insert(ledger.tx, run, group, State::Waiting, limit)?,
        Entry::CancelOthers => {
            cancel_others(ledger, run, group)?;
            // Those that only waited are out at once, so there may be room already.
            let free = places::count_in(ledger.tx, group, State::Held)? < limit;
            let state = if free { State::Held } else { State::Waiting };
            places::insert(ledger.tx, run, group, state, limit)?;
            if free {
                return Ok(Entry::Go);
            }
        }
        Entry::Skip | Entry::Refuse => {
            let verb = if entry == Entry::Skip { "run.skip" } else { "run.refuse" };
            let word = on_conflict.as_str();
            let detail = json!({ "workflow": live.name, "group": key, "limit": limit, "on-conflict": word });
            ledger.audit("system:trigger", verb, &run.to_string(), "ok", &detail)?;
        }
    }
    Ok(entry)
}

/// Tells everybody in the group to end. Those that wait leave it at once, so that nobody promotes them; those that go
/// on keep their places until they have ended.
fn cancel_others(ledger: &mut Ledger<'_>, by: RunId, group: Group<'_>) -> Result<()> {
    let waiting = places::runs_in(ledger.tx, group, State::Waiting, MAX_WAITING_RUNS)?;
    let held = places::runs_in(ledger.tx, group, State::Held, MAX_CONCURRENCY)?;
    for run in &waiting {
        places::remove(ledger.tx, *run)?;
    }
    for run in held.iter().chain(&waiting) {
        take_turn(ledger, *run, Turn::Cancel)?;
        let word = OnConflict::CancelRunning.as_str();
        let detail = json!({ "group": group.key, "on-conflict": word, "for": by });
        ledger.audit("system:trigger", "run.supersede", &run.to_string(), "ok", &detail)?;
    }
    Ok(())
}

/// Why a run is cancelled that finds no place.
pub(crate) fn refusal(live: &Live, key: &str, entry: Entry) -> String {
    let limit = live.workflow.pace.concurrency.as_ref().map_or(1, |concurrency| concurrency.limit);
    let group = if key.is_empty() { "its concurrency group".to_owned() } else { format!("group {key}") };
    match entry {
        Entry::Refuse => format!("refused: {MAX_WAITING_RUNS} runs wait in {group} already"),
        Entry::Go | Entry::Wait | Entry::CancelOthers | Entry::Skip => {
            format!("skipped: {group} is at its limit of {limit}")
        }
    }
}

/// The run has ended: its place is free, and whoever has waited longest gets it.
pub(crate) fn leave(ledger: &mut Ledger<'_>, run: RunId, live: &Live) -> Result<()> {
    if live.workflow.pace.concurrency.is_none() {
        return Ok(());
    }
    free(ledger, run)
}

/// The same where it is not known whether the run had a place.
pub(crate) fn free(ledger: &mut Ledger<'_>, run: RunId) -> Result<()> {
    let Some((workflow, key)) = places::remove(ledger.tx, run)? else { return Ok(()) };
    let group = Group { workflow, key: &key };
    while let Some((next, cap)) = places::first_waiting(ledger.tx, group)? {
        if places::count_in(ledger.tx, group, State::Held)? >= cap {
            break;
        }
        places::hold(ledger.tx, next)?;
        take_turn(ledger, next, Turn::Begin)?;
    }
    Ok(())
}

/// Hands a run to the trigger stage.
pub(crate) fn take_turn(ledger: &mut Ledger<'_>, run: RunId, turn: Turn) -> Result<()> {
    let stage = StageName::Trigger;
    let payload = &TriggerJob::turn(turn);
    ledger.enqueue(Enqueue { stage, run: Some(run), payload, material: None, limit_ms: 0 })?;
    Ok(())
}
