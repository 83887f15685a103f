//! When a new run begins: its throttle first, then its group. Decided in [`tenantry_workflow::pace`]; here the rows are
//! read and written, in the transaction that makes the run.

use serde_json::json;
use tenantry_protocol::id::RunId;
use tenantry_workflow::pace::{self, Entry, Keys};

use crate::error::Result;
use crate::service::catalog::Live;
use crate::service::groups;
use crate::service::ledger::Ledger;
use crate::store::tenant::throttles;

/// How late a run may begin in its slot, in milliseconds; later, it needs another one.
const LATE_MS: i64 = 1_000;
/// What stands before the key under which the begins of a throttle are counted.
const BEGAN: &str = "began:";
/// What stands before the key under which they are booked ahead.
const BOOKED: &str = "booked:";

/// When a run begins.
pub(super) enum Turn {
    /// At once.
    Now,
    /// At this time; unix milliseconds.
    Later(i64),
    /// When another run of its group ends.
    WhenPromoted,
    /// Not at all, and why.
    Never(String),
}

/// The turn of a new run. Its slot and its place are its own from now on.
pub(super) fn of(ledger: &mut Ledger<'_>, run: RunId, live: &Live, keys: &Keys) -> Result<Turn> {
    if let (Some(throttle), Some(key)) = (&live.workflow.pace.throttle, &keys.throttle) {
        let booked = format!("{BOOKED}{key}");
        let arrival = throttles::arrival(ledger.tx, live.id, &booked)?;
        let Some(slot) = pace::throttle(throttle, arrival, ledger.now) else {
            let detail = json!({ "workflow": live.name, "throttle": key });
            ledger.audit("system:trigger", "run.refuse", &run.to_string(), "ok", &detail)?;
            return Ok(Turn::Never("refused: too many runs wait for this throttle already".to_owned()));
        };
        throttles::book(ledger.tx, live.id, &booked, slot.arrival_us)?;
        if slot.begin_at > ledger.now {
            return Ok(Turn::Later(slot.begin_at));
        }
    }
    of_waiting(ledger, run, live, keys, None)
}

/// The turn of a run whose slot has come, or that repeats another one. What was booked ahead is only a plan: after a
/// time in which nothing began, as many runs as were planned for it would begin at once. So the begins themselves are
/// counted too, and whoever is too early by more than half an interval waits for a slot among them.
pub(super) fn of_waiting(
    ledger: &mut Ledger<'_>,
    run: RunId,
    live: &Live,
    keys: &Keys,
    slot: Option<i64>,
) -> Result<Turn> {
    if let (Some(throttle), Some(key)) = (&live.workflow.pace.throttle, &keys.throttle) {
        let is_on_time = slot.is_some_and(|slot| ledger.now - slot <= LATE_MS);
        if !is_on_time {
            let began = format!("{BEGAN}{key}");
            let arrival = throttles::arrival(ledger.tx, live.id, &began)?;
            let slot = pace::next_slot(throttle, arrival, ledger.now);
            throttles::book(ledger.tx, live.id, &began, slot.arrival_us)?;
            if slot.begin_at > ledger.now + pace::interval_ms(throttle) / 2 {
                return Ok(Turn::Later(slot.begin_at));
            }
        }
    }
    in_group(ledger, run, live, keys)
}

/// The turn of a run that its throttle lets begin.
fn in_group(ledger: &mut Ledger<'_>, run: RunId, live: &Live, keys: &Keys) -> Result<Turn> {
    let Some(key) = &keys.group else { return Ok(Turn::Now) };
    let entry = groups::ask(ledger, run, live, key)?;
    Ok(match entry {
        Entry::Go => Turn::Now,
        Entry::Wait | Entry::CancelOthers => Turn::WhenPromoted,
        Entry::Skip | Entry::Refuse => Turn::Never(groups::refusal(live, key, entry)),
    })
}
