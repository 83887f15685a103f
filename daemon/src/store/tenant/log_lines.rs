//! The `log_line` table: a run's own output, redacted before it comes here, numbered within the run.

use rusqlite::{Row, params};
use tenantry_protocol::id::RunId;
use tenantry_protocol::run::LogStream;

use crate::error::Result;
use crate::store::row::{count, page, word};
use crate::store::{ReadTx, WriteTx};

/// One line of a run's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Counted from 1 within the run; the cursor.
    pub number: u32,
    /// Which step; absent for lines about the run itself.
    pub idx: Option<u32>,
    /// Which attempt at the step.
    pub attempt: Option<u32>,
    /// Unix milliseconds.
    pub at: i64,
    /// Where it came from.
    pub stream: LogStream,
    /// Without the line break.
    pub text: String,
}

/// A line to append.
#[derive(Clone, Copy, Debug)]
pub struct NewLine<'a> {
    /// Which step.
    pub idx: Option<u32>,
    /// Which attempt at the step.
    pub attempt: Option<u32>,
    /// Unix milliseconds.
    pub at: i64,
    /// Where it came from.
    pub stream: LogStream,
    /// Without the line break.
    pub text: &'a str,
}

const LAST: &str = "select number from log_line where run_id = ?1 order by number desc limit 1";

const INSERT: &str = "
insert into log_line (run_id, number, idx, attempt, at, stream, text)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Appends lines to a run's log.
pub fn append(tx: &WriteTx, run: RunId, lines: &[NewLine]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let last: Option<u32> = tx.one(LAST, [run.as_bytes()], |row| row.get(0))?;
    for (number, line) in (last.unwrap_or_default() + 1..).zip(lines) {
        let NewLine { idx, attempt, at, stream, text } = line;
        tx.execute(INSERT, params![run.as_bytes(), number, idx, attempt, at, stream.as_str(), text])?;
    }
    Ok(())
}

const LIST: &str = "
select number, idx, attempt, at, stream, text
from log_line
where run_id = ?1 and number > ?2
order by number
limit ?3";

/// Lines of a run, oldest first, after the cursor (0 for all).
pub fn list(tx: &ReadTx, run: RunId, after: u32, limit: u32) -> Result<Vec<LogLine>> {
    Ok(tx.all(LIST, params![run.as_bytes(), after, page(limit)], |row: &Row<'_>| {
        Ok(LogLine {
            number: count(row, 0)?,
            idx: row.get(1)?,
            attempt: row.get(2)?,
            at: row.get(3)?,
            stream: word(row, 4)?,
            text: row.get(5)?,
        })
    })?)
}

const DELETE: &str = "
delete from log_line
where run_id = ?1 and number <= (
    select number from log_line where run_id = ?1 order by number limit 1 offset ?2
)";

const DELETE_ALL: &str = "delete from log_line where run_id = ?1";

/// Forgets lines of a run, oldest first, at most `limit`; answers how many.
pub fn delete(tx: &WriteTx, run: RunId, limit: u32) -> Result<u32> {
    let Some(last) = limit.checked_sub(1) else { return Ok(0) };
    let mut deleted = tx.execute(DELETE, params![run.as_bytes(), last])?;
    if deleted == 0 {
        // Fewer than the limit are left.
        deleted = tx.execute(DELETE_ALL, [run.as_bytes()])?;
    }
    Ok(u32::try_from(deleted).unwrap_or(u32::MAX))
}
