//! The `signing_key` table: public halves in the clear, private halves sealed by the host key.

use rusqlite::{Row, params};

use crate::error::Result;
use crate::store::{ReadTx, WriteTx};

/// A signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name in tokens and notes.
    pub kid: String,
    /// What it signs: `token`, `audit`.
    pub purpose: String,
    /// The public half.
    pub public: Vec<u8>,
    /// The private half, sealed.
    pub sealed_private: Vec<u8>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; from then on it neither signs nor verifies. Never, if absent.
    pub retire_at: Option<i64>,
}

fn signing_key(row: &Row<'_>) -> rusqlite::Result<SigningKey> {
    Ok(SigningKey {
        kid: row.get(0)?,
        purpose: row.get(1)?,
        public: row.get(2)?,
        sealed_private: row.get(3)?,
        created_at: row.get(4)?,
        retire_at: row.get(5)?,
    })
}

const INSERT: &str = "
insert into signing_key (kid, purpose, public, sealed_private, created_at, retire_at)
values (?1, ?2, ?3, ?4, ?5, ?6)";

/// Adds a key.
pub fn insert(tx: &WriteTx, key: &SigningKey) -> Result<()> {
    let SigningKey { kid, purpose, public, sealed_private, created_at, retire_at } = key;
    tx.execute(INSERT, params![kid, purpose, public, sealed_private, created_at, retire_at])?;
    Ok(())
}

const LIST: &str = "
select kid, purpose, public, sealed_private, created_at, retire_at
from signing_key
where purpose = ?1 and (retire_at is null or retire_at > ?2)
order by created_at desc
limit 16";

/// The keys of a purpose that are not retired, newest first.
pub fn list(tx: &ReadTx, purpose: &str, now: i64) -> Result<Vec<SigningKey>> {
    Ok(tx.all(LIST, params![purpose, now], signing_key)?)
}

const RETIRE: &str = "update signing_key set retire_at = ?2 where kid = ?1";

/// Sets when a key retires; false if there is none.
pub fn retire(tx: &WriteTx, kid: &str, at: i64) -> Result<bool> {
    Ok(tx.execute(RETIRE, params![kid, at])? > 0)
}
