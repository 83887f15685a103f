//! The `attempt` table: what each attempt at a step came to. Rows are never changed.

use rusqlite::{Row, params};
use tenantry_protocol::id::RunId;

use crate::error::Result;
use crate::store::row::{count, key};
use crate::store::{ReadTx, WriteTx};

/// One attempt at a step, when it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whose attempt.
    pub run_id: RunId,
    /// Which step.
    pub idx: u32,
    /// Counted from 1.
    pub number: u32,
    /// `succeeded`, or the failure class.
    pub outcome: String,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// JSON: what the action tells about itself (status, exit code, sizes).
    pub detail: Option<String>,
    /// Unix milliseconds.
    pub started_at: i64,
    /// Unix milliseconds.
    pub ended_at: i64,
}

/// An attempt to record.
#[derive(Clone, Copy, Debug)]
pub struct NewAttempt<'a> {
    /// Which step.
    pub idx: u32,
    /// Counted from 1.
    pub number: u32,
    /// `succeeded`, or the failure class.
    pub outcome: &'a str,
    /// Why it did not succeed.
    pub error: Option<&'a str>,
    /// JSON.
    pub detail: Option<&'a str>,
    /// Unix milliseconds.
    pub started_at: i64,
    /// Unix milliseconds.
    pub ended_at: i64,
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        run_id: key(row, 0)?,
        idx: count(row, 1)?,
        number: count(row, 2)?,
        outcome: row.get(3)?,
        error: row.get(4)?,
        detail: row.get(5)?,
        started_at: row.get(6)?,
        ended_at: row.get(7)?,
    })
}

const INSERT: &str = "
insert into attempt (run_id, idx, number, outcome, error, detail, started_at, ended_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
on conflict (run_id, idx, number) do nothing";

/// Records an attempt; false if it was recorded before (the record is delivered at least once).
pub fn insert(tx: &WriteTx, run: RunId, attempt: &NewAttempt) -> Result<bool> {
    let NewAttempt { idx, number, outcome, error, detail, started_at, ended_at } = attempt;
    let row = params![run.as_bytes(), idx, number, outcome, error, detail, started_at, ended_at];
    Ok(tx.execute(INSERT, row)? > 0)
}

const LIST: &str = "
select run_id, idx, number, outcome, error, detail, started_at, ended_at
from attempt
where run_id = ?1
order by idx, number
limit 10000";

/// The attempts of a run, step by step.
pub fn list(tx: &ReadTx, run: RunId) -> Result<Vec<Attempt>> {
    Ok(tx.all(LIST, [run.as_bytes()], attempt)?)
}

const DELETE: &str = "delete from attempt where run_id = ?1";

/// Forgets the attempts of a run.
pub fn delete(tx: &WriteTx, run: RunId) -> Result<usize> {
    Ok(tx.execute(DELETE, [run.as_bytes()])?)
}
