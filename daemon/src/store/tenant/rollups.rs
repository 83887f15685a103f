//! The `rollup` table: ended runs counted by workflow and hour, so that no dashboard ever counts runs.

use rusqlite::{Row, params};
use tenantry_protocol::id::WorkflowId;
use tenantry_protocol::state::RunState;

use crate::error::Result;
use crate::store::row::{key, page};
use crate::store::{ReadTx, WriteTx};

/// Milliseconds of one hour.
pub const HOUR_MS: i64 = 3_600_000;

/// The ended runs of one workflow in one hour, or summed over workflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ended in `succeeded`.
    pub succeeded: i64,
    /// Ended in `failed`.
    pub failed: i64,
    /// Ended in `cancelled`.
    pub cancelled: i64,
    /// Ended in `timed-out`.
    pub timed_out: i64,
    /// Sum from acceptance to end, milliseconds.
    pub total_ms: i64,
    /// The longest of them, milliseconds.
    pub max_ms: i64,
}

fn counts(row: &Row<'_>) -> rusqlite::Result<Counts> {
    Ok(Counts {
        succeeded: row.get(1)?,
        failed: row.get(2)?,
        cancelled: row.get(3)?,
        timed_out: row.get(4)?,
        total_ms: row.get(5)?,
        max_ms: row.get(6)?,
    })
}

const ADD: &str = "
insert into rollup (workflow_id, hour, succeeded, failed, cancelled, timed_out, total_ms, max_ms)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
on conflict (workflow_id, hour) do update
set succeeded = succeeded + excluded.succeeded,
    failed = failed + excluded.failed,
    cancelled = cancelled + excluded.cancelled,
    timed_out = timed_out + excluded.timed_out,
    total_ms = total_ms + excluded.total_ms,
    max_ms = max(max_ms, excluded.max_ms)";

/// Counts one ended run. A state that is no end counts nothing.
pub fn add(tx: &WriteTx, workflow: WorkflowId, ended_at: i64, outcome: RunState, took_ms: i64) -> Result<()> {
    let column = |state: RunState| i64::from(outcome == state);
    let row = params![
        workflow.as_bytes(),
        ended_at.div_euclid(HOUR_MS),
        column(RunState::Succeeded),
        column(RunState::Failed),
        column(RunState::Cancelled),
        column(RunState::TimedOut),
        took_ms.max(0),
    ];
    if outcome.is_terminal() {
        tx.execute(ADD, row)?;
    }
    Ok(())
}

const BY_HOUR: &str = "
select hour, sum(succeeded), sum(failed), sum(cancelled), sum(timed_out), sum(total_ms), max(max_ms)
from rollup
where hour >= ?1
group by hour
order by hour
limit ?2";

/// Counts over all workflows, hour by hour, from the hour of `since`. The first of a pair is the hour since the epoch.
pub fn by_hour(tx: &ReadTx, since: i64, limit: u32) -> Result<Vec<(i64, Counts)>> {
    let row = params![since.div_euclid(HOUR_MS), page(limit)];
    Ok(tx.all(BY_HOUR, row, |row| Ok((row.get(0)?, counts(row)?)))?)
}

const BY_WORKFLOW: &str = "
select workflow_id, sum(succeeded), sum(failed), sum(cancelled), sum(timed_out), sum(total_ms), max(max_ms)
from rollup
where hour >= ?1
group by workflow_id
order by workflow_id
limit ?2";

/// Counts by workflow from the hour of `since`.
pub fn by_workflow(tx: &ReadTx, since: i64, limit: u32) -> Result<Vec<(WorkflowId, Counts)>> {
    let row = params![since.div_euclid(HOUR_MS), page(limit)];
    Ok(tx.all(BY_WORKFLOW, row, |row| Ok((key(row, 0)?, counts(row)?)))?)
}

const PURGE: &str = "delete from rollup where hour < ?1";

/// Forgets hours before that of `before`; answers how many rows.
pub fn purge(tx: &WriteTx, before: i64) -> Result<usize> {
    Ok(tx.execute(PURGE, [before.div_euclid(HOUR_MS)])?)
}
