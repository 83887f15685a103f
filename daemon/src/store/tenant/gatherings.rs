//! The `gathering` and `gathered` tables: events that wait for others before a run takes them.

use rusqlite::{Row, params};
use tenantry_protocol::id::{EventId, WorkflowId};

use crate::error::Result;
use crate::store::row::{count, key, page};
use crate::store::{ReadTx, WriteTx};

/// Why events are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only the last one counts.
    Debounce,
    /// All of them count.
    Batch,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Debounce => "debounce",
            Self::Batch => "batch",
        }
    }
}

/// Events that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// Names the event that the run of a batch will have.
    pub id: EventId,
    /// Whose events.
    pub workflow_id: WorkflowId,
    /// What tells them from others of the workflow.
    pub key: String,
    /// Why.
    pub kind: Kind,
    /// Whether it still takes events.
    pub open: bool,
    /// How many events it has taken.
    pub count: u32,
    /// Bytes of the bodies that it holds.
    pub bytes: u64,
    /// When the first came, Unix milliseconds.
    pub first_at: i64,
    /// When its run starts, Unix milliseconds.
    pub due_at: i64,
}

fn gathering(row: &Row<'_>) -> rusqlite::Result<Gathering> {
    let kind = if row.get_ref(3)?.as_str()? == Kind::Batch.as_str() { Kind::Batch } else { Kind::Debounce };
    Ok(Gathering {
        id: key(row, 0)?,
        workflow_id: key(row, 1)?,
        key: row.get(2)?,
        kind,
        open: row.get(4)?,
        count: count(row, 5)?,
        bytes: row.get::<_, i64>(6)?.unsigned_abs(),
        first_at: row.get(7)?,
        due_at: row.get(8)?,
    })
}

const INSERT: &str = "
insert into gathering (id, workflow_id, key, kind, open, count, bytes, first_at, due_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// Begins one.
pub fn insert(tx: &WriteTx, gathering: &Gathering) -> Result<()> {
    let Gathering { id, workflow_id, key, kind, open, count, bytes, first_at, due_at } = gathering;
    let (id, workflow, kind) = (id.as_bytes(), workflow_id.as_bytes(), kind.as_str());
    let bytes = i64::try_from(*bytes).unwrap_or(i64::MAX);
    tx.execute(INSERT, params![id, workflow, key, kind, open, count, bytes, first_at, due_at])?;
    Ok(())
}

const OPEN: &str = "
select id, workflow_id, key, kind, open, count, bytes, first_at, due_at
from gathering
where workflow_id = ?1 and key = ?2 and open = 1";

/// The one that takes events of this key.
pub fn open(tx: &ReadTx, workflow: WorkflowId, key: &str) -> Result<Option<Gathering>> {
    Ok(tx.one(OPEN, params![workflow.as_bytes(), key], gathering)?)
}

const GET: &str = "
select id, workflow_id, key, kind, open, count, bytes, first_at, due_at from gathering where id = ?1";

/// The one with this id.
pub fn get(tx: &ReadTx, id: EventId) -> Result<Option<Gathering>> {
    Ok(tx.one(GET, [id.as_bytes()], gathering)?)
}

const UPDATE: &str = "
update gathering set open = ?2, count = ?3, bytes = ?4, due_at = ?5 where id = ?1";

/// Writes what changes of one.
pub fn update(tx: &WriteTx, gathering: &Gathering) -> Result<()> {
    let Gathering { id, open, count, bytes, due_at, .. } = gathering;
    let bytes = i64::try_from(*bytes).unwrap_or(i64::MAX);
    tx.execute(UPDATE, params![id.as_bytes(), open, count, bytes, due_at])?;
    Ok(())
}

const HOLDS: &str = "
select 1 from gathered
join gathering on gathering.id = gathered.gathering_id
where gathered.event_id = ?1 and gathering.workflow_id = ?2
limit 1";

/// Whether the workflow gathers the event already.
pub fn holds(tx: &ReadTx, event: EventId, workflow: WorkflowId) -> Result<bool> {
    Ok(tx.one(HOLDS, params![event.as_bytes(), workflow.as_bytes()], |_| Ok(()))?.is_some())
}

const PUT_EVENT: &str = "
insert into gathered (gathering_id, number, event_id) values (?1, ?2, ?3)
on conflict (gathering_id, number) do update set event_id = excluded.event_id";

/// Puts an event in at a place, counted from 1.
pub fn put_event(tx: &WriteTx, id: EventId, number: u32, event: EventId) -> Result<()> {
    tx.execute(PUT_EVENT, params![id.as_bytes(), number, event.as_bytes()])?;
    Ok(())
}

const EVENTS: &str = "select event_id from gathered where gathering_id = ?1 order by number limit ?2";

/// Its events, in the order of their places.
pub fn events(tx: &ReadTx, id: EventId, limit: u32) -> Result<Vec<EventId>> {
    Ok(tx.all(EVENTS, params![id.as_bytes(), page(limit)], |row| key(row, 0))?)
}

const DELETE_EVENTS: &str = "delete from gathered where gathering_id = ?1";
const DELETE: &str = "delete from gathering where id = ?1";

/// Ends one.
pub fn delete(tx: &WriteTx, id: EventId) -> Result<()> {
    tx.execute(DELETE_EVENTS, [id.as_bytes()])?;
    tx.execute(DELETE, [id.as_bytes()])?;
    Ok(())
}
