//! The `data_key` table: the tenant's data keys, wrapped by the host key. What wraps and unwraps is `vault`.

use rusqlite::{Row, params};

use crate::error::Result;
use crate::store::row::count;
use crate::store::{ReadTx, WriteTx};

/// A wrapped data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKey {
    /// Counted from 1; the highest seals new values.
    pub version: u32,
    /// Nonce, ciphertext and tag.
    pub wrapped: Vec<u8>,
    /// Unix milliseconds.
    pub created_at: i64,
}

fn data_key(row: &Row<'_>) -> rusqlite::Result<DataKey> {
    Ok(DataKey { version: count(row, 0)?, wrapped: row.get(1)?, created_at: row.get(2)? })
}

const INSERT: &str = "insert into data_key (version, wrapped, created_at) values (?1, ?2, ?3)";

/// Adds a data key. Fails with `conflict` where the version is taken.
pub fn insert(tx: &WriteTx, key: &DataKey) -> Result<()> {
    tx.execute(INSERT, params![key.version, key.wrapped, key.created_at])?;
    Ok(())
}

const LATEST: &str = "select version, wrapped, created_at from data_key order by version desc limit 1";

/// The data key that seals new values.
pub fn latest(tx: &ReadTx) -> Result<Option<DataKey>> {
    Ok(tx.one(LATEST, [], data_key)?)
}

const GET: &str = "select version, wrapped, created_at from data_key where version = ?1";

/// The data key with this version.
pub fn get(tx: &ReadTx, version: u32) -> Result<Option<DataKey>> {
    Ok(tx.one(GET, [version], data_key)?)
}

const REWRAP: &str = "update data_key set wrapped = ?2 where version = ?1";

/// Replaces the wrapping, after a change of the host key; false if there is no such version.
pub fn rewrap(tx: &WriteTx, version: u32, wrapped: &[u8]) -> Result<bool> {
    Ok(tx.execute(REWRAP, params![version, wrapped])? > 0)
}
