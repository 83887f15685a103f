//! The `credential` table: API keys, stored as hashes only.

use rusqlite::{Row, params};
use tenantry_protocol::id::{CredentialId, PrincipalId};
use tenantry_protocol::permission::Role;

use crate::error::Result;
use crate::store::row::{before, key, page, word};
use crate::store::{ReadTx, WriteTx};

/// What proves who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The id that people see.
    pub id: CredentialId,
    /// Whose it is.
    pub principal_id: PrincipalId,
    /// What it is for, in its owner's words.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// What it may do; never more than its principal.
    pub role: Role,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; never, if absent.
    pub expires_at: Option<i64>,
    /// Unix milliseconds.
    pub last_used_at: Option<i64>,
    /// Unix milliseconds; valid, if absent.
    pub revoked_at: Option<i64>,
}

fn credential(row: &Row<'_>) -> rusqlite::Result<Credential> {
    Ok(Credential {
        id: key(row, 0)?,
        principal_id: key(row, 1)?,
        name: row.get(2)?,
        hash: row.get(3)?,
        role: word(row, 4)?,
        created_at: row.get(5)?,
        expires_at: row.get(6)?,
        last_used_at: row.get(7)?,
        revoked_at: row.get(8)?,
    })
}

const INSERT: &str = "
insert into credential (id, principal_id, name, hash, role, created_at, expires_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Adds a credential. It starts unused and unrevoked.
pub fn insert(tx: &WriteTx, credential: &Credential) -> Result<()> {
    let Credential { id, principal_id, name, hash, role, created_at, expires_at, .. } = credential;
    let owner = principal_id.as_bytes();
    tx.execute(INSERT, params![id.as_bytes(), owner, name, hash, role.as_str(), created_at, expires_at])?;
    Ok(())
}

const GET: &str = "
select id, principal_id, name, hash, role, created_at, expires_at, last_used_at, revoked_at
from credential
where id = ?1";

/// The credential with this id.
pub fn get(tx: &ReadTx, id: CredentialId) -> Result<Option<Credential>> {
    Ok(tx.one(GET, [id.as_bytes()], credential)?)
}

const BY_HASH: &str = "
select id, principal_id, name, hash, role, created_at, expires_at, last_used_at, revoked_at
from credential
where hash = ?1";

/// The credential whose key has this hash, expired and revoked ones included.
pub fn by_hash(tx: &ReadTx, hash: &[u8; 32]) -> Result<Option<Credential>> {
    Ok(tx.one(BY_HASH, [hash], credential)?)
}

const LIST: &str = "
select id, principal_id, name, hash, role, created_at, expires_at, last_used_at, revoked_at
from credential
where id < ?1
order by id desc
limit ?2";

/// Credentials, newest first, older than the cursor.
pub fn list(tx: &ReadTx, cursor: Option<CredentialId>, limit: u32) -> Result<Vec<Credential>> {
    Ok(tx.all(LIST, params![before(cursor.as_ref()), page(limit)], credential)?)
}

const TOUCH: &str = "update credential set last_used_at = ?2 where id = ?1";

/// Notes that the credential was used.
pub fn touch(tx: &WriteTx, id: CredentialId, at: i64) -> Result<()> {
    tx.execute(TOUCH, params![id.as_bytes(), at])?;
    Ok(())
}

const REVOKE: &str = "update credential set revoked_at = ?2 where id = ?1 and revoked_at is null";

/// Revokes; answers whether it was valid before.
pub fn revoke(tx: &WriteTx, id: CredentialId, at: i64) -> Result<bool> {
    Ok(tx.execute(REVOKE, params![id.as_bytes(), at])? > 0)
}
