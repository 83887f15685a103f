//! The `principal` table: who acts.

use rusqlite::{Row, params};
use tenantry_protocol::id::PrincipalId;
use tenantry_protocol::permission::Role;

use crate::error::Result;
use crate::store::row::{key, page, word};
use crate::store::{ReadTx, WriteTx};

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The id in tokens and audit records.
    pub id: PrincipalId,
    /// Unique in the file.
    pub name: String,
    /// The most that any of its credentials may do.
    pub role: Role,
    /// Unix milliseconds.
    pub created_at: i64,
}

fn principal(row: &Row<'_>) -> rusqlite::Result<Principal> {
    Ok(Principal { id: key(row, 0)?, name: row.get(1)?, role: word(row, 2)?, created_at: row.get(3)? })
}

const INSERT: &str = "
insert into principal (id, name, role, created_at) values (?1, ?2, ?3, ?4)";

/// Adds a principal. Fails with `conflict` where the name is taken.
pub fn insert(tx: &WriteTx, principal: &Principal) -> Result<()> {
    let Principal { id, name, role, created_at } = principal;
    tx.execute(INSERT, params![id.as_bytes(), name, role.as_str(), created_at])?;
    Ok(())
}

const GET: &str = "select id, name, role, created_at from principal where id = ?1";

/// The principal with this id.
pub fn get(tx: &ReadTx, id: PrincipalId) -> Result<Option<Principal>> {
    Ok(tx.one(GET, [id.as_bytes()], principal)?)
}

const BY_NAME: &str = "select id, name, role, created_at from principal where name = ?1";

/// The principal with this name.
pub fn by_name(tx: &ReadTx, name: &str) -> Result<Option<Principal>> {
    Ok(tx.one(BY_NAME, [name], principal)?)
}

const LIST: &str = "
select id, name, role, created_at from principal
where name > ?1
order by name
limit ?2";

/// Principals by name, after the given one.
pub fn list(tx: &ReadTx, after: &str, limit: u32) -> Result<Vec<Principal>> {
    Ok(tx.all(LIST, params![after, page(limit)], principal)?)
}

const SET_ROLE: &str = "update principal set role = ?2 where id = ?1";

/// Changes the role; answers whether there is such a principal.
pub fn set_role(tx: &WriteTx, id: PrincipalId, role: Role) -> Result<bool> {
    Ok(tx.execute(SET_ROLE, params![id.as_bytes(), role.as_str()])? > 0)
}

const DELETE: &str = "delete from principal where id = ?1";

/// Deletes the principal with its credentials and sessions; answers whether there was one.
pub fn delete(tx: &WriteTx, id: PrincipalId) -> Result<bool> {
    Ok(tx.execute(DELETE, [id.as_bytes()])? > 0)
}
