//! The `throttle` table: how far ahead the runs of each throttle are booked.

use rusqlite::params;
use tenantry_protocol::id::WorkflowId;

use crate::error::Result;
use crate::store::row::page;
use crate::store::{ReadTx, WriteTx};

const GET: &str = "select arrival_us from throttle where workflow_id = ?1 and key = ?2";

/// The theoretical arrival of the next run, Unix microseconds.
pub fn arrival(tx: &ReadTx, workflow: WorkflowId, key: &str) -> Result<Option<i64>> {
    Ok(tx.one(GET, params![workflow.as_bytes(), key], |row| row.get(0))?)
}

const PUT: &str = "
insert into throttle (workflow_id, key, arrival_us) values (?1, ?2, ?3)
on conflict (workflow_id, key) do update set arrival_us = excluded.arrival_us";

/// Books ahead.
pub fn book(tx: &WriteTx, workflow: WorkflowId, key: &str, arrival_us: i64) -> Result<()> {
    tx.execute(PUT, params![workflow.as_bytes(), key, arrival_us])?;
    Ok(())
}

const PURGE: &str = "
delete from throttle where (workflow_id, key) in (
    select workflow_id, key from throttle where arrival_us < ?1 order by arrival_us limit ?2
)";

/// Forgets throttles that hold nobody back any more, at most `limit`; answers how many.
pub fn purge(tx: &WriteTx, before_us: i64, limit: u32) -> Result<usize> {
    Ok(tx.execute(PURGE, params![before_us, page(limit)])?)
}
