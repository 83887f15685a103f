//! The `event` table: one recorded occurrence a row, as it came in. Rows are never changed.

use rusqlite::{Row, params};
use tenantry_protocol::id::EventId;
use tenantry_protocol::state::EventKind;

use crate::error::Result;
use crate::store::row::{before, key, page, word};
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
    /// The webhook path, the emitted name, or the workflow started by hand.
    pub source: &'a str,
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
}

/// A recorded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The id in answers and runs.
    pub id: EventId,
    /// How it came in.
    pub kind: EventKind,
    /// The webhook path, the emitted name, or the workflow started by hand.
    pub source: String,
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
    })
}

const INSERT: &str = "
insert into event (id, kind, source, content_type, headers, query, body, body_blob, received_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// Records an event.
pub fn insert(tx: &WriteTx, event: &NewEvent) -> Result<()> {
    let NewEvent { id, kind, source, content_type, headers, query, body, received_at } = event;
    let (inline, blob) = match body {
        Body::None => (None, None),
        Body::Inline(bytes) => (Some(*bytes), None),
        Body::Blob(sha256) => (None, Some(sha256)),
    };
    let (id, kind) = (id.as_bytes(), kind.as_str());
    tx.execute(INSERT, params![id, kind, source, content_type, headers, query, inline, blob, received_at])?;
    Ok(())
}

const GET: &str = "
select id, kind, source, content_type, headers, query, body, body_blob, received_at
from event
where id = ?1";

/// The event with this id.
pub fn get(tx: &ReadTx, id: EventId) -> Result<Option<Event>> {
    Ok(tx.one(GET, [id.as_bytes()], event)?)
}

const KIND: &str = "select kind from event where id = ?1";

/// How the event came in.
pub fn kind(tx: &ReadTx, id: EventId) -> Result<Option<EventKind>> {
    Ok(tx.one(KIND, [id.as_bytes()], |row| word(row, 0))?)
}

const LIST: &str = "
select id, kind, source, content_type, headers, query, body, body_blob, received_at
from event
where id < ?1
order by id desc
limit ?2";

/// Events, newest first, older than the cursor.
pub fn list(tx: &ReadTx, cursor: Option<EventId>, limit: u32) -> Result<Vec<Event>> {
    Ok(tx.all(LIST, params![before(cursor.as_ref()), page(limit)], event)?)
}

const PURGE: &str = "
delete from event where id in (
    select id from event where id < ?1 order by id limit ?2
)";

/// Forgets events older than `oldest` (an id made from a time), at most `limit`; answers how many.
pub fn purge(tx: &WriteTx, oldest: EventId, limit: u32) -> Result<usize> {
    Ok(tx.execute(PURGE, params![oldest.as_bytes(), page(limit)])?)
}
