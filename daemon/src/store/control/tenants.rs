//! The `tenant` table: which tenants exist. Deleted ones leave their row, never their name.

use rusqlite::{Row, params};
use tenantry_protocol::id::TenantId;
use tenantry_protocol::state::TenantState;

use crate::error::Result;
use crate::store::row::{count, key, page, word};
use crate::store::{ReadTx, WriteTx};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id, the name of its folder.
    pub id: TenantId,
    /// Unique among the tenants that are not deleted.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Whether it is served.
    pub state: TenantState,
    /// Share of a stage's capacity relative to the others, 1 to 1000.
    pub weight: u32,
    /// A JSON object: queue quotas, rates, egress allow-list.
    pub limits: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// Unix milliseconds.
    pub deleted_at: Option<i64>,
}

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "select id, name, title, state, weight, limits, created_at, updated_at, deleted_at from tenant ",
            $rest
        )
    };
}

fn tenant(row: &Row<'_>) -> rusqlite::Result<Tenant> {
    Ok(Tenant {
        id: key(row, 0)?,
        name: row.get(1)?,
        title: row.get(2)?,
        state: word(row, 3)?,
        weight: count(row, 4)?,
        limits: row.get(5)?,
        created_at: row.get(6)?,
        updated_at: row.get(7)?,
        deleted_at: row.get(8)?,
    })
}

const INSERT: &str = "
insert into tenant (id, name, title, state, weight, limits, created_at, updated_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// Adds a tenant. Fails with `conflict` where a live one has the name.
pub fn insert(tx: &WriteTx, tenant: &Tenant) -> Result<()> {
    let Tenant { id, name, title, state, weight, limits, created_at, updated_at, .. } = tenant;
    let (id, state) = (id.as_bytes(), state.as_str());
    tx.execute(INSERT, params![id, name, title, state, weight, limits, created_at, updated_at])?;
    Ok(())
}

const GET: &str = columns!("where id = ?1 and deleted_at is null");

/// The live tenant with this id.
pub fn get(tx: &ReadTx, id: TenantId) -> Result<Option<Tenant>> {
    Ok(tx.one(GET, [id.as_bytes()], tenant)?)
}

const BY_NAME: &str = columns!("where name = ?1 and deleted_at is null");

/// The live tenant with this name.
pub fn by_name(tx: &ReadTx, name: &str) -> Result<Option<Tenant>> {
    Ok(tx.one(BY_NAME, [name], tenant)?)
}

const LIST: &str = columns!("where deleted_at is null and name > ?1 order by name limit ?2");

/// Live tenants by name, after the given one.
pub fn list(tx: &ReadTx, after: &str, limit: u32) -> Result<Vec<Tenant>> {
    Ok(tx.all(LIST, params![after, page(limit)], tenant)?)
}

const UPDATE: &str = "
update tenant set title = ?2, weight = ?3, limits = ?4, updated_at = ?5
where id = ?1 and deleted_at is null";

/// Changes title, weight and limits; false if there is none.
pub fn update(tx: &WriteTx, id: TenantId, title: &str, weight: u32, limits: &str, now: i64) -> Result<bool> {
    Ok(tx.execute(UPDATE, params![id.as_bytes(), title, weight, limits, now])? > 0)
}

const SET_STATE: &str = "
update tenant set state = ?3, updated_at = ?4 where id = ?1 and state = ?2 and deleted_at is null";

/// Moves from `from` to `to`; false if it is not in `from`.
pub fn set_state(tx: &WriteTx, id: TenantId, from: TenantState, to: TenantState, now: i64) -> Result<bool> {
    Ok(tx.execute(SET_STATE, params![id.as_bytes(), from.as_str(), to.as_str(), now])? > 0)
}

const QUARANTINE: &str = "
update tenant set state = 'quarantined', updated_at = ?2 where id = ?1 and state <> 'quarantined'";

/// Marks as quarantined from whatever state; false if it was already.
pub fn quarantine(tx: &WriteTx, id: TenantId, now: i64) -> Result<bool> {
    Ok(tx.execute(QUARANTINE, params![id.as_bytes(), now])? > 0)
}

const DELETE: &str = "
update tenant set deleted_at = ?2, updated_at = ?2 where id = ?1 and deleted_at is null";

/// Marks as deleted: the name is free again. False if it was gone already.
pub fn delete(tx: &WriteTx, id: TenantId, now: i64) -> Result<bool> {
    Ok(tx.execute(DELETE, params![id.as_bytes(), now])? > 0)
}
