//! The `revision` table: every text a workflow ever had. Rows are never changed.

use rusqlite::{Row, params};
use tenantry_protocol::id::WorkflowId;

use crate::error::Result;
use crate::store::row::{count, key, page};
use crate::store::{ReadTx, WriteTx};

/// One numbered text of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Whose text.
    pub workflow_id: WorkflowId,
    /// Counted from 1.
    pub number: u32,
    /// `yaml`, `toml` or `json`.
    pub format: String,
    /// As it was sent.
    pub source: String,
    /// SHA-256 of the source: applying the same text again makes no revision.
    pub sha256: [u8; 32],
    /// Unix milliseconds.
    pub created_at: i64,
    /// Who wrote it, as in the audit log.
    pub created_by: String,
}

fn revision(row: &Row<'_>) -> rusqlite::Result<Revision> {
    Ok(Revision {
        workflow_id: key(row, 0)?,
        number: count(row, 1)?,
        format: row.get(2)?,
        source: row.get(3)?,
        sha256: row.get(4)?,
        created_at: row.get(5)?,
        created_by: row.get(6)?,
    })
}

const INSERT: &str = "
insert into revision (workflow_id, number, format, source, sha256, created_at, created_by)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Adds a revision. Fails with `conflict` where the number is taken.
pub fn insert(tx: &WriteTx, revision: &Revision) -> Result<()> {
    let Revision { workflow_id, number, format, source, sha256, created_at, created_by } = revision;
    let id = workflow_id.as_bytes();
    tx.execute(INSERT, params![id, number, format, source, sha256, created_at, created_by])?;
    Ok(())
}

const GET: &str = "
select workflow_id, number, format, source, sha256, created_at, created_by
from revision
where workflow_id = ?1 and number = ?2";

/// The revision with this number.
pub fn get(tx: &ReadTx, workflow: WorkflowId, number: u32) -> Result<Option<Revision>> {
    Ok(tx.one(GET, params![workflow.as_bytes(), number], revision)?)
}

const LIST: &str = "
select workflow_id, number, format, source, sha256, created_at, created_by
from revision
where workflow_id = ?1 and number < ?2
order by number desc
limit ?3";

/// Revisions of a workflow, newest first, older than the cursor.
pub fn list(tx: &ReadTx, workflow: WorkflowId, cursor: Option<u32>, limit: u32) -> Result<Vec<Revision>> {
    Ok(tx.all(LIST, params![workflow.as_bytes(), cursor.unwrap_or(u32::MAX), page(limit)], revision)?)
}

const CURRENT: &str = "
select revision.workflow_id, revision.number, revision.format, revision.source, revision.sha256,
       revision.created_at, revision.created_by
from workflow
join revision on revision.workflow_id = workflow.id and revision.number = workflow.revision
where workflow.deleted_at is null and workflow.enabled = 1 and workflow.id > ?1
order by workflow.id
limit ?2";

/// The present revisions of the enabled workflows, by id, after the cursor: what the triggers of a tenant are.
pub fn current(tx: &ReadTx, cursor: Option<WorkflowId>, limit: u32) -> Result<Vec<Revision>> {
    let after = cursor.as_ref().map_or(&[0; 16], WorkflowId::as_bytes);
    Ok(tx.all(CURRENT, params![after, page(limit)], revision)?)
}
