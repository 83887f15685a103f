//! The `dedupe` table: which keys were seen, in the transaction that accepts the event.

use rusqlite::params;
use tenantry_protocol::id::EventId;

use crate::error::Result;
use crate::store::WriteTx;
use crate::store::row::{key, page};

/// What [`claim`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The key is new, or its memory had expired: it now belongs to this event.
    First,
    /// The key belongs to an earlier event.
    Seen(EventId),
}

const CLAIM: &str = "
insert into dedupe (key, event_id, expires_at) values (?1, ?2, ?3)
on conflict (key) do update
set event_id = excluded.event_id, expires_at = excluded.expires_at
where dedupe.expires_at <= ?4";

const OWNER: &str = "select event_id from dedupe where key = ?1";

/// Takes the key (a SHA-256 over workflow and key text) for the event, or says whose it is.
pub fn claim(tx: &WriteTx, dedupe: &[u8; 32], event: EventId, now: i64, expires_at: i64) -> Result<Claim> {
    if tx.execute(CLAIM, params![dedupe, event.as_bytes(), expires_at, now])? > 0 {
        return Ok(Claim::First);
    }
    let owner = tx.one(OWNER, [dedupe], |row| key(row, 0))?;
    Ok(owner.map_or(Claim::First, Claim::Seen))
}

const PURGE: &str = "
delete from dedupe where key in (
    select key from dedupe where expires_at <= ?1 order by expires_at limit ?2
)";

/// Forgets expired keys, at most `limit`; answers how many.
pub fn purge(tx: &WriteTx, now: i64, limit: u32) -> Result<usize> {
    Ok(tx.execute(PURGE, params![now, page(limit)])?)
}
