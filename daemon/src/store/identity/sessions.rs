//! The `session` table: one login and the family of refresh tokens that grew from it.

use rusqlite::{Row, params};
use tenantry_protocol::id::{CredentialId, PrincipalId, SessionId};

use crate::error::Result;
use crate::store::row::{bind, key, key_or_none, page};
use crate::store::{ReadTx, WriteTx};

/// One login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The `sid` of its tokens.
    pub id: SessionId,
    /// Who logged in.
    pub principal_id: PrincipalId,
    /// With what; absent for a login by peer credentials.
    pub credential_id: Option<CredentialId>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; no token of this session is valid from then on.
    pub expires_at: i64,
    /// Unix milliseconds; valid, if absent.
    pub revoked_at: Option<i64>,
    /// SHA-256 of the refresh token that may be used once.
    pub refresh_hash: Option<[u8; 32]>,
    /// When that one was given out.
    pub refreshed_at: Option<i64>,
    /// SHA-256 of the one before it: seen again after a grace, it revokes the session.
    pub previous_refresh_hash: Option<[u8; 32]>,
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: key(row, 0)?,
        principal_id: key(row, 1)?,
        credential_id: key_or_none(row, 2)?,
        created_at: row.get(3)?,
        expires_at: row.get(4)?,
        revoked_at: row.get(5)?,
        refresh_hash: row.get(6)?,
        refreshed_at: row.get(7)?,
        previous_refresh_hash: row.get(8)?,
    })
}

const INSERT: &str = "
insert into session (id, principal_id, credential_id, created_at, expires_at, refresh_hash, refreshed_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Adds a session.
pub fn insert(tx: &WriteTx, session: &Session) -> Result<()> {
    let Session { id, principal_id, credential_id, created_at, expires_at, refresh_hash, .. } = session;
    let (owner, with) = (principal_id.as_bytes(), bind(credential_id.as_ref()));
    let given_at = session.refreshed_at;
    tx.execute(INSERT, params![id.as_bytes(), owner, with, created_at, expires_at, refresh_hash, given_at])?;
    Ok(())
}

const GET: &str = "
select id, principal_id, credential_id, created_at, expires_at, revoked_at, refresh_hash, refreshed_at,
       previous_refresh_hash
from session
where id = ?1";

/// The session with this id, expired and revoked ones included.
pub fn get(tx: &ReadTx, id: SessionId) -> Result<Option<Session>> {
    Ok(tx.one(GET, [id.as_bytes()], session)?)
}

const BY_REFRESH: &str = "
select id, principal_id, credential_id, created_at, expires_at, revoked_at, refresh_hash, refreshed_at,
       previous_refresh_hash
from session
where refresh_hash = ?1 or previous_refresh_hash = ?1
limit 1";

/// The session that gave this refresh token out, lately or the time before. Reads the table: it is small.
pub fn by_refresh(tx: &ReadTx, hash: &[u8; 32]) -> Result<Option<Session>> {
    Ok(tx.one(BY_REFRESH, [hash], session)?)
}

const REPLACE_REFRESH: &str = "
update session
set previous_refresh_hash = refresh_hash, refresh_hash = ?2, refreshed_at = ?3
where id = ?1 and revoked_at is null";

/// Gives the next refresh token out; the caller has decided that it may. False if the session was revoked.
pub fn replace_refresh(tx: &WriteTx, id: SessionId, next: &[u8; 32], now: i64) -> Result<bool> {
    Ok(tx.execute(REPLACE_REFRESH, params![id.as_bytes(), next, now])? > 0)
}

const ROTATE: &str = "
update session
set previous_refresh_hash = refresh_hash,
    refresh_hash = ?3,
    refreshed_at = ?4
where id = ?1
  and refresh_hash = ?2
  and revoked_at is null
  and expires_at > ?4";

/// Replaces the refresh token `used` by `next`; false if `used` is not the present one or the session is over.
pub fn rotate(tx: &WriteTx, id: SessionId, used: &[u8; 32], next: &[u8; 32], now: i64) -> Result<bool> {
    Ok(tx.execute(ROTATE, params![id.as_bytes(), used, next, now])? > 0)
}

const REVOKE: &str = "update session set revoked_at = ?2 where id = ?1 and revoked_at is null";

/// Revokes; answers whether it was valid before.
pub fn revoke(tx: &WriteTx, id: SessionId, at: i64) -> Result<bool> {
    Ok(tx.execute(REVOKE, params![id.as_bytes(), at])? > 0)
}

const REVOKE_BY_CREDENTIAL: &str = "
update session set revoked_at = ?2
where credential_id = ?1 and revoked_at is null
returning id";

/// Revokes every session that was opened with the credential; answers which.
pub fn revoke_by_credential(tx: &WriteTx, id: CredentialId, at: i64) -> Result<Vec<SessionId>> {
    Ok(tx.returning(REVOKE_BY_CREDENTIAL, params![id.as_bytes(), at], |row| key(row, 0))?)
}

const REVOKE_BY_PRINCIPAL: &str = "
update session set revoked_at = ?2
where principal_id = ?1 and revoked_at is null
returning id";

/// Revokes every session of the principal; answers which.
pub fn revoke_by_principal(tx: &WriteTx, id: PrincipalId, at: i64) -> Result<Vec<SessionId>> {
    Ok(tx.returning(REVOKE_BY_PRINCIPAL, params![id.as_bytes(), at], |row| key(row, 0))?)
}

const REVOKED: &str = "
select id from session
where revoked_at is not null and expires_at > ?1
order by id
limit ?2";

/// Revoked sessions whose tokens could still be unexpired: what the verifier must remember after a restart.
pub fn revoked(tx: &ReadTx, now: i64, limit: u32) -> Result<Vec<SessionId>> {
    Ok(tx.all(REVOKED, params![now, page(limit)], |row| key(row, 0))?)
}

const PURGE: &str = "
delete from session where id in (select id from session where expires_at < ?1 order by expires_at limit ?2)";

/// Forgets sessions that expired before `before`, at most `limit`; answers how many.
pub fn purge(tx: &WriteTx, before: i64, limit: u32) -> Result<usize> {
    Ok(tx.execute(PURGE, params![before, page(limit)])?)
}
