//! The `file_trigger` and `open_file` tables: which files start workflows, and which are being worked on.

use rusqlite::{Row, params};
use tenantry_protocol::id::{EventId, JobId, WorkflowId};

use crate::error::Result;
use crate::store::row::{key, page};
use crate::store::{ReadTx, WriteTx};

/// A pattern of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTrigger {
    /// Whose.
    pub workflow_id: WorkflowId,
    /// Which names.
    pub pattern: String,
    /// How long a file must be left alone, in milliseconds.
    pub stable_ms: u64,
}

const LIST: &str = "select workflow_id, pattern, stable_ms from file_trigger limit ?1";

/// The patterns of the tenant.
pub fn triggers(tx: &ReadTx, limit: u32) -> Result<Vec<FileTrigger>> {
    let trigger = |row: &Row<'_>| {
        let stable_ms = row.get::<_, i64>(2)?.unsigned_abs();
        Ok(FileTrigger { workflow_id: key(row, 0)?, pattern: row.get(1)?, stable_ms })
    };
    Ok(tx.all(LIST, [page(limit)], trigger)?)
}

const CLEAR: &str = "delete from file_trigger where workflow_id = ?1";
const PUT: &str = "insert or replace into file_trigger (workflow_id, pattern, stable_ms) values (?1, ?2, ?3)";

/// Removes the patterns of a workflow.
pub fn clear(tx: &WriteTx, workflow: WorkflowId) -> Result<()> {
    tx.execute(CLEAR, [workflow.as_bytes()])?;
    Ok(())
}

/// Adds a pattern of a workflow.
pub fn put(tx: &WriteTx, workflow: WorkflowId, pattern: &str, stable_ms: u64) -> Result<()> {
    let stable_ms = i64::try_from(stable_ms).unwrap_or(i64::MAX);
    tx.execute(PUT, params![workflow.as_bytes(), pattern, stable_ms])?;
    Ok(())
}

/// A file in `processing/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFile {
    /// The event it became.
    pub event: EventId,
    /// Its name in the inbox.
    pub name: String,
    /// The job that carried the event.
    pub job: (i64, JobId),
}

const OPEN: &str = "insert into open_file (event_id, name, seq, job_id) values (?1, ?2, ?3, ?4)";

/// Notes that a file has become an event.
pub fn open(tx: &WriteTx, file: &OpenFile) -> Result<()> {
    let OpenFile { event, name, job: (seq, job) } = file;
    tx.execute(OPEN, params![event.as_bytes(), name, seq, job.as_bytes()])?;
    Ok(())
}

const OPENED: &str =
    "select event_id, name, seq, job_id from open_file where event_id > ?1 order by event_id limit ?2";

/// The files being worked on, oldest first, after the cursor.
pub fn opened(tx: &ReadTx, after: Option<EventId>, limit: u32) -> Result<Vec<OpenFile>> {
    let file = |row: &Row<'_>| {
        Ok(OpenFile { event: key(row, 0)?, name: row.get(1)?, job: (row.get(2)?, key(row, 3)?) })
    };
    let after = after.as_ref().map_or(&[0; 16], EventId::as_bytes);
    Ok(tx.all(OPENED, params![after, page(limit)], file)?)
}

const CLOSE: &str = "delete from open_file where event_id = ?1";

/// Forgets a file that has been moved away.
pub fn close(tx: &WriteTx, event: EventId) -> Result<()> {
    tx.execute(CLOSE, [event.as_bytes()])?;
    Ok(())
}
