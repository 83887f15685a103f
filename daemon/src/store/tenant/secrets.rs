//! The `secret` table: sealed values. What seals and opens them is `vault`; here they are only bytes.

use rusqlite::{Row, params};

use crate::error::Result;
use crate::store::row::{count, page};
use crate::store::{ReadTx, WriteTx};

/// A sealed secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Unique in the tenant.
    pub name: String,
    /// Counts the values it had.
    pub version: u32,
    /// Which data key seals it.
    pub key_version: u32,
    /// Nonce, ciphertext and tag.
    pub sealed: Vec<u8>,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// Who wrote it, as in the audit log.
    pub updated_by: String,
}

fn secret(row: &Row<'_>) -> rusqlite::Result<Secret> {
    Ok(Secret {
        name: row.get(0)?,
        version: count(row, 1)?,
        key_version: count(row, 2)?,
        sealed: row.get(3)?,
        updated_at: row.get(4)?,
        updated_by: row.get(5)?,
    })
}

const PUT: &str = "
insert into secret (name, version, key_version, sealed, updated_at, updated_by)
values (?1, ?2, ?3, ?4, ?5, ?6)
on conflict (name) do update
set version = excluded.version, key_version = excluded.key_version, sealed = excluded.sealed,
    updated_at = excluded.updated_at, updated_by = excluded.updated_by";

/// Writes a value; the caller says which version it is, because the version is sealed in.
pub fn put(tx: &WriteTx, secret: &Secret) -> Result<()> {
    let Secret { name, version, key_version, sealed, updated_at, updated_by } = secret;
    tx.execute(PUT, params![name, version, key_version, sealed, updated_at, updated_by])?;
    Ok(())
}

const GET: &str = "
select name, version, key_version, sealed, updated_at, updated_by from secret where name = ?1";

/// The secret with this name.
pub fn get(tx: &ReadTx, name: &str) -> Result<Option<Secret>> {
    Ok(tx.one(GET, [name], secret)?)
}

const LIST: &str = "
select name, version, key_version, sealed, updated_at, updated_by
from secret
where name > ?1
order by name
limit ?2";

/// Secrets by name, after the given one.
pub fn list(tx: &ReadTx, after: &str, limit: u32) -> Result<Vec<Secret>> {
    Ok(tx.all(LIST, params![after, page(limit)], secret)?)
}

const DELETE: &str = "delete from secret where name = ?1";

/// Deletes; false if there was none. The freed bytes are overwritten (`secure_delete`).
pub fn delete(tx: &WriteTx, name: &str) -> Result<bool> {
    Ok(tx.execute(DELETE, [name])? > 0)
}
