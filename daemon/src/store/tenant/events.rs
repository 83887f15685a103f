//! The `event` table: one recorded occurrence a row, as it came in. Rows are never changed.

use rusqlite::{Row, params};
use tenantry_protocol::id::EventId;
use tenantry_protocol::state::EventKind;

use crate::error::Result;
use crate::store::row::{before, count, key, page, word};
use crate::store::tenant::runs;
use crate::store::{ReadTx, WriteTx};

/// What an event brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<B> {
    /// Nothing.
    None,
    /// In the row.
    Inline(B),
    /// In a file of `blobs/`, by its SHA-256.
    Blob([u8; 32]),
}

/// An event to insert.
#[derive(Clone, Debug)]
pub struct NewEvent<'a> {
    /// The id in answers and runs.
    pub id: EventId,
    /// How it came in.
    pub kind: EventKind,
    /// The webhook path, the emitted name, the workflow started by hand or by its schedule, the one whose run ended,
    /// or the file's name.
    pub source: &'a str,
    /// Of a webhook.
    pub method: Option<&'a str>,
    /// As the sender said.
    pub content_type: Option<&'a str>,
    /// A JSON object, without the ones that carry proof.
    pub headers: &'a str,
    /// The raw query, without the question mark.
    pub query: Option<&'a str>,
    /// The raw bytes.
    pub body: Body<&'a [u8]>,
    /// Unix milliseconds.
    pub received_at: i64,
    /// Who brought it, as in the audit log.
    pub actor: Option<&'a str>,
    /// How many events it follows from.
    pub depth: u32,
}

/// A recorded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The id in answers and runs.
    pub id: EventId,
    /// How it came in.
    pub kind: EventKind,
    /// The webhook path, the emitted name, the workflow started by hand or by its schedule, the one whose run ended,
    /// or the file's name.
    pub source: String,
    /// Of a webhook.
    pub method: Option<String>,
    /// As the sender said.
    pub content_type: Option<String>,
    /// A JSON object.
    pub headers: String,
    /// The raw query.
    pub query: Option<String>,
    /// The raw bytes.
    pub body: Body<Vec<u8>>,
    /// Unix milliseconds.
    pub received_at: i64,
    /// How many events it follows from.
    pub depth: u32,
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let body = match (row.get::<_, Option<Vec<u8>>>(6)?, row.get::<_, Option<[u8; 32]>>(7)?) {
        (Some(bytes), _) => Body::Inline(bytes),
        (None, Some(sha256)) => Body::Blob(sha256),
        (None, None) => Body::None,
    };
    Ok(Event {
        id: key(row, 0)?,
        kind: word(row, 1)?,
        source: row.get(2)?,
        content_type: row.get(3)?,
        headers: row.get(4)?,
        query: row.get(5)?,
        body,
        received_at: row.get(8)?,
        method: row.get(9)?,
        depth: count(row, 10)?,
    })
}

const INSERT: &str = "
insert into event (
    id, kind, source, content_type, headers, query, body, body_blob, received_at, method, depth, actor
)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// Records an event.
pub fn insert(tx: &WriteTx, event: &NewEvent) -> Result<()> {
    let NewEvent { id, kind, source, method, content_type, headers, query, body, received_at, depth, actor } =
        event;
    let (inline, blob) = match body {
        Body::None => (None, None),
        Body::Inline(bytes) => (Some(*bytes), None),
        Body::Blob(sha256) => (None, Some(sha256)),
    };
    let (id, kind) = (id.as_bytes(), kind.as_str());
    let row = params![
        id,
        kind,
        source,
        content_type,
        headers,
        query,
        inline,
        blob,
        received_at,
        method,
        depth,
        actor
    ];
    tx.execute(INSERT, row)?;
    Ok(())
}

const GET: &str = "
select id, kind, source, content_type, headers, query, body, body_blob, received_at, method, depth
from event
where id = ?1";

/// The event with this id.
pub fn get(tx: &ReadTx, id: EventId) -> Result<Option<Event>> {
    Ok(tx.one(GET, [id.as_bytes()], event)?)
}

const IS_THERE: &str = "select 1 from event where id = ?1";

/// Whether there is an event with this id.
pub fn is_there(tx: &ReadTx, id: EventId) -> Result<bool> {
    Ok(tx.one(IS_THERE, [id.as_bytes()], |_| Ok(()))?.is_some())
}

/// Where an event came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// How it came in.
    pub kind: EventKind,
    /// The webhook path, the emitted name, the workflow started by hand or by its schedule, or the file's name.
    pub source: String,
    /// Who brought it, as in the audit log.
    pub actor: Option<String>,
}

const ORIGIN: &str = "select kind, source, actor from event where id = ?1";

/// Where the event came from.
pub fn origin(tx: &ReadTx, id: EventId) -> Result<Option<Origin>> {
    let origin = |row: &Row<'_>| Ok(Origin { kind: word(row, 0)?, source: row.get(1)?, actor: row.get(2)? });
    Ok(tx.one(ORIGIN, [id.as_bytes()], origin)?)
}

const LIST: &str = "
select id, kind, source, content_type, headers, query, body, body_blob, received_at, method, depth
from event
where id < ?1
order by id desc
limit ?2";

/// Events, newest first, older than the cursor.
pub fn list(tx: &ReadTx, cursor: Option<EventId>, limit: u32) -> Result<Vec<Event>> {
    Ok(tx.all(LIST, params![before(cursor.as_ref()), page(limit)], event)?)
}

const OLD: &str = "
select id from event where id > ?1 and id < ?2 and received_at < ?3 order by id limit ?4";

/// Events after an id that are older than a time (unix milliseconds), oldest first. The id of a fire that was caught up
/// says when it was due, not when it became an event.
pub fn old(tx: &ReadTx, after: EventId, before_ms: i64, limit: u32) -> Result<Vec<EventId>> {
    let before = EventId::lowest(before_ms);
    let row = params![after.as_bytes(), before.as_bytes(), before_ms, page(limit)];
    Ok(tx.all(OLD, row, |row| key(row, 0))?)
}

const IS_GATHERED: &str = "select 1 from gathered where event_id = ?1 limit 1";

const DELETE: &str = "delete from event where id = ?1";

/// Forgets an event that no run and no gathering is about any more; false if it is kept or gone.
pub fn delete_unused(tx: &WriteTx, id: EventId) -> Result<bool> {
    let gathered = tx.one(IS_GATHERED, [id.as_bytes()], |_| Ok(()))?.is_some();
    if gathered || !runs::of_event(tx, id, 1)?.is_empty() {
        return Ok(false);
    }
    Ok(tx.execute(DELETE, [id.as_bytes()])? > 0)
}

const NAMES_BLOB: &str = "
select 1 from event where body_blob = ?1
union all
select 1 from step where output_blob = ?1
limit 1";

/// Whether an event or a step has its payload in this blob.
pub fn names_blob(tx: &ReadTx, hash: &[u8; 32]) -> Result<bool> {
    Ok(tx.one(NAMES_BLOB, [hash], |_| Ok(()))?.is_some())
}
