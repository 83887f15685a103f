//! The `schedule` and `held_fire` tables: where each schedule stands in time, and which fires wait for their turn.

use rusqlite::{Row, params};
use tenantry_protocol::id::{EventId, JobId, WorkflowId};

use crate::error::Result;
use crate::store::row::{count, key, key_or_none, page};
use crate::store::{ReadTx, WriteTx};

/// One entry of `on.schedule`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Whose.
    pub workflow_id: WorkflowId,
    /// What names it over all revisions.
    pub key: String,
    /// The entry, as JSON.
    pub spec: String,
    /// The last fire that was decided about; unix milliseconds.
    pub cursor: i64,
    /// When to look at it; unix milliseconds.
    pub next_at: Option<i64>,
    /// The fire that last started a run; unix milliseconds.
    pub last_fire: Option<i64>,
    /// Runs it has started.
    pub started: u32,
    /// Fires that came too late.
    pub missed: u32,
    /// The newest of them; unix milliseconds.
    pub last_missed: Option<i64>,
    /// Fires that found the run before still there.
    pub skipped: u32,
}

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "select workflow_id, key, spec, cursor, next_at, last_fire, started, missed, last_missed, skipped ",
            "from schedule ",
            $rest
        )
    };
}

fn schedule(row: &Row<'_>) -> rusqlite::Result<Schedule> {
    Ok(Schedule {
        workflow_id: key(row, 0)?,
        key: row.get(1)?,
        spec: row.get(2)?,
        cursor: row.get(3)?,
        next_at: row.get(4)?,
        last_fire: row.get(5)?,
        started: count(row, 6)?,
        missed: count(row, 7)?,
        last_missed: row.get(8)?,
        skipped: count(row, 9)?,
    })
}

const OF: &str = columns!("where workflow_id = ?1 order by key limit ?2");

/// The entries of a workflow.
pub fn of(tx: &ReadTx, workflow: WorkflowId, limit: u32) -> Result<Vec<Schedule>> {
    Ok(tx.all(OF, params![workflow.as_bytes(), page(limit)], schedule)?)
}

const DUE: &str = columns!("where next_at <= ?1 order by next_at limit ?2");

/// The entries to look at, the longest due first.
pub fn due(tx: &ReadTx, until: i64, limit: u32) -> Result<Vec<Schedule>> {
    Ok(tx.all(DUE, params![until, page(limit)], schedule)?)
}

const AHEAD: &str = columns!("where cursor > ?1 limit ?2");

/// The entries whose place in time has not come: the clock was set back.
pub fn ahead(tx: &ReadTx, now: i64, limit: u32) -> Result<Vec<Schedule>> {
    Ok(tx.all(AHEAD, params![now, page(limit)], schedule)?)
}

const NEXT: &str = "select min(next_at) from schedule where next_at is not null";

/// When to look at the first of them; unix milliseconds.
pub fn next(tx: &ReadTx) -> Result<Option<i64>> {
    Ok(tx.one(NEXT, [], |row| row.get(0))?.flatten())
}

const PUT: &str = "
insert into schedule (workflow_id, key, spec, cursor, next_at) values (?1, ?2, ?3, ?4, ?5)
on conflict (workflow_id, key) do update
set spec = excluded.spec, cursor = excluded.cursor, next_at = excluded.next_at";

/// Adds an entry, or replaces what it says and where it stands.
pub fn put(
    tx: &WriteTx,
    workflow: WorkflowId,
    key: &str,
    spec: &str,
    cursor: i64,
    next_at: Option<i64>,
) -> Result<()> {
    tx.execute(PUT, params![workflow.as_bytes(), key, spec, cursor, next_at])?;
    Ok(())
}

const REMOVE: &str = "delete from schedule where workflow_id = ?1 and key = ?2";
const REMOVE_HELD: &str = "delete from held_fire where workflow_id = ?1 and key = ?2";

/// Removes an entry and the fires of it that wait.
pub fn remove(tx: &WriteTx, workflow: WorkflowId, key: &str) -> Result<()> {
    tx.execute(REMOVE, params![workflow.as_bytes(), key])?;
    tx.execute(REMOVE_HELD, params![workflow.as_bytes(), key])?;
    Ok(())
}

/// What a look has decided about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The last fire that was decided about.
    pub cursor: i64,
    /// When to look again.
    pub next_at: Option<i64>,
    /// More fires that came too late.
    pub missed: u32,
    /// The newest of them.
    pub last_missed: Option<i64>,
    /// More fires that found the run before still there.
    pub skipped: u32,
}

const DECIDE: &str = "
update schedule
set cursor = ?3, next_at = ?4, missed = min(missed + ?5, 4294967295),
    last_missed = coalesce(?6, last_missed), skipped = min(skipped + ?7, 4294967295)
where workflow_id = ?1 and key = ?2";

/// Writes what a look has decided.
pub fn decide(tx: &WriteTx, workflow: WorkflowId, key: &str, decided: &Decided) -> Result<()> {
    let Decided { cursor, next_at, missed, last_missed, skipped } = decided;
    let row = params![workflow.as_bytes(), key, cursor, next_at, missed, last_missed, skipped];
    tx.execute(DECIDE, row)?;
    Ok(())
}

const SKIP: &str = "
update schedule set skipped = min(skipped + 1, 4294967295) where workflow_id = ?1 and key = ?2";

/// Counts a fire that waited and starts none after all.
pub fn skip(tx: &WriteTx, workflow: WorkflowId, key: &str) -> Result<()> {
    tx.execute(SKIP, params![workflow.as_bytes(), key])?;
    Ok(())
}

const START: &str = "
update schedule
set last_fire = ?3, last_event = ?4, last_seq = ?5, last_job = ?6, started = min(started + 1, 4294967295)
where workflow_id = ?1 and key = ?2";

/// Notes that a fire has become an event, and the job that carries it.
pub fn start(
    tx: &WriteTx,
    workflow: WorkflowId,
    key: &str,
    fire: i64,
    event: EventId,
    job: (i64, JobId),
) -> Result<()> {
    let (seq, job) = job;
    tx.execute(START, params![workflow.as_bytes(), key, fire, event.as_bytes(), seq, job.as_bytes()])?;
    Ok(())
}

const LAST: &str = "
select last_event, last_seq, last_job from schedule
where workflow_id = ?1 and last_event is not null
limit ?2";

/// An event that a schedule started last, and the job that carried it.
pub type Last = (EventId, Option<(i64, JobId)>);

/// What the workflow's schedules started last.
pub fn last(tx: &ReadTx, workflow: WorkflowId, limit: u32) -> Result<Vec<Last>> {
    let last = |row: &Row<'_>| {
        let job = row.get::<_, Option<i64>>(1)?.zip(key_or_none(row, 2)?);
        Ok((key(row, 0)?, job))
    };
    Ok(tx.all(LAST, params![workflow.as_bytes(), page(limit)], last)?)
}

const HOLD: &str = "insert or ignore into held_fire (workflow_id, at, key) values (?1, ?2, ?3)";

/// Lets a fire wait for its turn.
pub fn hold(tx: &WriteTx, workflow: WorkflowId, key: &str, at: i64) -> Result<()> {
    tx.execute(HOLD, params![workflow.as_bytes(), at, key])?;
    Ok(())
}

const HELD: &str = "select at, key from held_fire where workflow_id = ?1 order by at, key limit ?2";

/// The fires that wait, oldest first.
pub fn held(tx: &ReadTx, workflow: WorkflowId, limit: u32) -> Result<Vec<(i64, String)>> {
    Ok(tx.all(HELD, params![workflow.as_bytes(), page(limit)], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

const HOLDING: &str = "select distinct workflow_id from held_fire limit ?1";

/// The workflows with fires that wait.
pub fn holding(tx: &ReadTx, limit: u32) -> Result<Vec<WorkflowId>> {
    Ok(tx.all(HOLDING, [page(limit)], |row| key(row, 0))?)
}

const RELEASE: &str = "delete from held_fire where workflow_id = ?1 and at = ?2 and key = ?3";

/// Ends a fire's wait.
pub fn release(tx: &WriteTx, workflow: WorkflowId, key: &str, at: i64) -> Result<()> {
    tx.execute(RELEASE, params![workflow.as_bytes(), at, key])?;
    Ok(())
}

const FORGET: &str = "delete from held_fire where workflow_id = ?1";

/// Forgets every fire of a workflow that waits.
pub fn forget_held(tx: &WriteTx, workflow: WorkflowId) -> Result<()> {
    tx.execute(FORGET, [workflow.as_bytes()])?;
    Ok(())
}
