//! The `channel` table: where notifications go.

use rusqlite::{Row, params};
use tenantry_protocol::id::ChannelId;

use crate::error::Result;
use crate::store::row::{key, page};
use crate::store::{ReadTx, WriteTx};

/// A place where notifications go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its id, stable over renames.
    pub id: ChannelId,
    /// Unique in the tenant.
    pub name: String,
    /// `inbox`, `webhook`, …
    pub kind: String,
    /// A JSON object; which keys depends on the kind.
    pub config: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

fn channel(row: &Row<'_>) -> rusqlite::Result<Channel> {
    Ok(Channel {
        id: key(row, 0)?,
        name: row.get(1)?,
        kind: row.get(2)?,
        config: row.get(3)?,
        created_at: row.get(4)?,
        updated_at: row.get(5)?,
    })
}

const INSERT: &str = "
insert into channel (id, name, kind, config, created_at, updated_at) values (?1, ?2, ?3, ?4, ?5, ?6)";

/// Adds a channel. Fails with `conflict` where the name is taken.
pub fn insert(tx: &WriteTx, channel: &Channel) -> Result<()> {
    let Channel { id, name, kind, config, created_at, updated_at } = channel;
    tx.execute(INSERT, params![id.as_bytes(), name, kind, config, created_at, updated_at])?;
    Ok(())
}

const GET: &str = "select id, name, kind, config, created_at, updated_at from channel where id = ?1";

/// The channel with this id.
pub fn get(tx: &ReadTx, id: ChannelId) -> Result<Option<Channel>> {
    Ok(tx.one(GET, [id.as_bytes()], channel)?)
}

const BY_NAME: &str = "select id, name, kind, config, created_at, updated_at from channel where name = ?1";

/// The channel with this name.
pub fn by_name(tx: &ReadTx, name: &str) -> Result<Option<Channel>> {
    Ok(tx.one(BY_NAME, [name], channel)?)
}

const LIST: &str = "
select id, name, kind, config, created_at, updated_at
from channel
where name > ?1
order by name
limit ?2";

/// Channels by name, after the given one.
pub fn list(tx: &ReadTx, after: &str, limit: u32) -> Result<Vec<Channel>> {
    Ok(tx.all(LIST, params![after, page(limit)], channel)?)
}

const UPDATE: &str = "update channel set kind = ?2, config = ?3, updated_at = ?4 where id = ?1";

/// Changes what the channel does; false if there is none.
pub fn update(tx: &WriteTx, id: ChannelId, kind: &str, config: &str, now: i64) -> Result<bool> {
    Ok(tx.execute(UPDATE, params![id.as_bytes(), kind, config, now])? > 0)
}

const DELETE: &str = "delete from channel where id = ?1";

/// Deletes the channel; what it delivered stays readable. False if there was none.
pub fn delete(tx: &WriteTx, id: ChannelId) -> Result<bool> {
    Ok(tx.execute(DELETE, [id.as_bytes()])? > 0)
}
