//! Which recorded events a step that waits may still take: those of the time of its run that no step before it took.
//!
//! The time of a run begins with its own event, by the order in which events were recorded; the one of a run that
//! repeats another one begins when it was made. A step takes what came while its run was there, and what a step that
//! had ended before it began has taken is gone.

use rusqlite::params;
use tenantry_protocol::id::{EventId, RunId};

use crate::error::Result;
use crate::store::row::{key, page};
use crate::store::{ReadTx, WriteTx};

/// How many of the events that are newest when a run is repeated are looked at for the first one after it: as many as
/// may have been recorded in another order than they were accepted.
const DISORDER_LIMIT: u32 = 1_000;

/// The row of an event, which says when it was recorded among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(i64);

const NEWEST: &str = "select max(rowid) from event";

/// The place of the event that was recorded last.
pub fn newest(tx: &ReadTx) -> Result<Place> {
    Ok(Place(tx.one(NEWEST, [], |row| row.get::<_, Option<i64>>(0))?.flatten().unwrap_or_default()))
}

const BEGINNING: &str = "
select case when run.of_run is null then event.rowid end, run.created_at
from run left join event on event.id = run.event_id
where run.id = ?1";

const FIRST_SINCE: &str = "
select min(place) from (select rowid as place from event where id >= ?1 order by id limit ?2)";

/// Where the time of a run begins: events after this place may be in it. None if there is no such run.
pub fn beginning(tx: &ReadTx, run: RunId) -> Result<Option<Place>> {
    let begun = tx.one(BEGINNING, [run.as_bytes()], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    Ok(match begun {
        None => None,
        Some((Some(own), _)) => Some(Place(own)),
        Some((None, created_at)) => {
            let lowest = EventId::lowest(created_at);
            let row = params![lowest.as_bytes(), page(DISORDER_LIMIT)];
            match tx.one(FIRST_SINCE, row, |row| row.get::<_, Option<i64>>(0))?.flatten() {
                Some(first) => Some(Place(first.saturating_sub(1))),
                None => Some(newest(tx)?),
            }
        }
    })
}

const NAMED: &str = "
select id from event
where kind = 'emitted' and source = ?1 and rowid > ?2
order by rowid desc
limit ?3";

const BEGINS_WITH: &str = "
select id from event
where kind = 'emitted' and source >= ?1 and source < ?1 || char(1114111) and rowid > ?2
order by rowid desc
limit ?3";

/// The emitted events after a place of a name, or of a beginning and `*`: the newest ones, in the order in which they
/// were recorded.
pub fn since(tx: &ReadTx, name: &str, after: Place, limit: u32) -> Result<Vec<EventId>> {
    let (sql, name) = match name.strip_suffix('*') {
        Some(beginning) => (BEGINS_WITH, beginning),
        None => (NAMED, name),
    };
    let mut found = tx.all(sql, params![name, after.0, page(limit)], |row| key(row, 0))?;
    found.reverse();
    Ok(found)
}

const NEWER: &str = "
select id from event not indexed
where rowid > ?3 and kind = 'emitted' and (source = ?1 or (source >= ?2 and source < ?2 || char(1114111)))
order by rowid
limit ?4";

/// The same for a place that is near the end, in the transaction that must know: every event after it is read, and none
/// before it.
pub fn newer(tx: &WriteTx, name: &str, after: Place, limit: u32) -> Result<Vec<EventId>> {
    let beginning = name.strip_suffix('*');
    tx.all(NEWER, params![name, beginning, after.0, page(limit)], |row| key(row, 0)).map_err(Into::into)
}

const MAY_TAKE: &str = "
select 1
from run
join event as came on came.id = ?3
join step on step.run_id = run.id and step.idx = ?2
left join event as own on own.id = run.event_id
where run.id = ?1
  and case when run.of_run is null and own.rowid is not null then came.rowid > own.rowid
           else came.received_at >= run.created_at end
  and not exists (
      select 1 from step as before
      where before.run_id = run.id and before.took = ?3 and before.ended_at <= step.started_at
  )";

/// Whether a step may take an event: it is of the time of the run, and no step that ended before took it.
pub fn may_take(tx: &ReadTx, run: RunId, idx: u32, event: EventId) -> Result<bool> {
    let row = params![run.as_bytes(), idx, event.as_bytes()];
    Ok(tx.one(MAY_TAKE, row, |_| Ok(()))?.is_some())
}

const TAKE: &str = "update step set took = ?3 where run_id = ?1 and idx = ?2";

/// Notes which event a step took.
pub fn take(tx: &WriteTx, run: RunId, idx: u32, event: EventId) -> Result<()> {
    tx.execute(TAKE, params![run.as_bytes(), idx, event.as_bytes()])?;
    Ok(())
}
