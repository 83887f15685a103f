//! The `workflow` table: names, and which revision new runs take.

use rusqlite::{Row, params};
use tenantry_protocol::id::WorkflowId;

use crate::error::Result;
use crate::store::row::{count, key, page};
use crate::store::{ReadTx, WriteTx};

/// A workflow of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// Its id, stable over renames.
    pub id: WorkflowId,
    /// Unique among the workflows that are not deleted.
    pub name: String,
    /// Whether its triggers listen.
    pub enabled: bool,
    /// The revision that new runs take.
    pub revision: u32,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// Unix milliseconds; its runs stay readable.
    pub deleted_at: Option<i64>,
}

fn workflow(row: &Row<'_>) -> rusqlite::Result<Workflow> {
    Ok(Workflow {
        id: key(row, 0)?,
        name: row.get(1)?,
        enabled: row.get(2)?,
        revision: count(row, 3)?,
        created_at: row.get(4)?,
        updated_at: row.get(5)?,
        deleted_at: row.get(6)?,
    })
}

const INSERT: &str = "
insert into workflow (id, name, enabled, revision, created_at, updated_at)
values (?1, ?2, ?3, ?4, ?5, ?6)";

/// Adds a workflow. Fails with `conflict` where a live one has the name.
pub fn insert(tx: &WriteTx, workflow: &Workflow) -> Result<()> {
    let Workflow { id, name, enabled, revision, created_at, updated_at, .. } = workflow;
    tx.execute(INSERT, params![id.as_bytes(), name, enabled, revision, created_at, updated_at])?;
    Ok(())
}

const GET: &str = "
select id, name, enabled, revision, created_at, updated_at, deleted_at from workflow where id = ?1";

/// The workflow with this id, deleted ones included.
pub fn get(tx: &ReadTx, id: WorkflowId) -> Result<Option<Workflow>> {
    Ok(tx.one(GET, [id.as_bytes()], workflow)?)
}

const BY_NAME: &str = "
select id, name, enabled, revision, created_at, updated_at, deleted_at
from workflow
where name = ?1 and deleted_at is null";

/// The live workflow with this name.
pub fn by_name(tx: &ReadTx, name: &str) -> Result<Option<Workflow>> {
    Ok(tx.one(BY_NAME, [name], workflow)?)
}

const LIST: &str = "
select id, name, enabled, revision, created_at, updated_at, deleted_at
from workflow
where deleted_at is null and name > ?1
order by name
limit ?2";

/// Live workflows by name, after the given one.
pub fn list(tx: &ReadTx, after: &str, limit: u32) -> Result<Vec<Workflow>> {
    Ok(tx.all(LIST, params![after, page(limit)], workflow)?)
}

const EVERY: &str = "
select id, name, enabled, revision, created_at, updated_at, deleted_at
from workflow
where id > ?1
order by id
limit ?2";

/// Workflows by id, after the given one, the deleted ones included.
pub fn every(tx: &ReadTx, after: WorkflowId, limit: u32) -> Result<Vec<Workflow>> {
    Ok(tx.all(EVERY, params![after.as_bytes(), page(limit)], workflow)?)
}

const SET_REVISION: &str = "
update workflow set revision = ?3, updated_at = ?4
where id = ?1 and revision = ?2 and deleted_at is null";

/// Moves new runs from revision `from` to `to`; false if the workflow is gone or stands elsewhere.
pub fn set_revision(tx: &WriteTx, id: WorkflowId, from: u32, to: u32, now: i64) -> Result<bool> {
    Ok(tx.execute(SET_REVISION, params![id.as_bytes(), from, to, now])? > 0)
}

/// Whether a workflow's triggers listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// New events start runs.
    Enabled,
    /// New events pass it by.
    Disabled,
}

const SET_ENABLED: &str = "
update workflow set enabled = ?2, updated_at = ?3 where id = ?1 and deleted_at is null";

/// Enables or disables; false if the workflow is gone.
pub fn set_listening(tx: &WriteTx, id: WorkflowId, listening: Listening, now: i64) -> Result<bool> {
    let enabled = listening == Listening::Enabled;
    Ok(tx.execute(SET_ENABLED, params![id.as_bytes(), enabled, now])? > 0)
}

const DELETE: &str = "
update workflow set deleted_at = ?2, enabled = 0, updated_at = ?2 where id = ?1 and deleted_at is null";

/// Marks as deleted: the name is free again, revisions and runs stay readable. False if it was gone already.
pub fn delete(tx: &WriteTx, id: WorkflowId, now: i64) -> Result<bool> {
    Ok(tx.execute(DELETE, params![id.as_bytes(), now])? > 0)
}
