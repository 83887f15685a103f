//! The `job` table: the four durable queues of a tenant.
//!
//! A job is *ready* (due once `available_at` has come), *leased* (the token fences late results) or *dead*. A settled
//! job is deleted: its history is in runs, steps and attempts.
//! **Invariant:** nothing changes or deletes a leased job without its token, except [`recover`] at start and
//! [`reclaim_expired`].

use rusqlite::{Row, params};
use tenantry_protocol::id::{JobId, LeaseToken, RunId};
use tenantry_protocol::state::{JobState, StageName};

use crate::error::Result;
use crate::store::row::{Key, bind, count, key, key_or_none, page, word};
use crate::store::{ReadTx, WriteTx};

/// The right to work on a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Must be shown to settle, reschedule, bury or release.
    pub token: LeaseToken,
    /// Unix milliseconds; afterwards the job may be given to somebody else.
    pub until: i64,
}

/// A job to insert.
#[derive(Clone, Debug)]
pub struct NewJob<'a> {
    /// The id that people see.
    pub id: JobId,
    /// Whose queue.
    pub stage: StageName,
    /// The run it works for, if there is one already.
    pub run_id: Option<RunId>,
    /// What the stage's handler decodes.
    pub payload: &'a [u8],
    /// Not before this time, Unix milliseconds.
    pub available_at: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Given where the job is handed over in memory after the commit: it is born leased, in its first attempt.
    pub lease: Option<Lease>,
}

/// A leased job as a worker gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The row; names the job together with the token.
    pub seq: i64,
    /// The id that people see.
    pub id: JobId,
    /// Whose queue.
    pub stage: StageName,
    /// How many times it was claimed, this time included.
    pub attempt: u32,
    /// The lease under which it is worked on.
    pub lease: Lease,
    /// The run it works for.
    pub run_id: Option<RunId>,
    /// What the stage's handler decodes.
    pub payload: Vec<u8>,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// A job as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedJob {
    /// The row; the cursor of lists by queue.
    pub seq: i64,
    /// The id that people see; the cursor of the list of dead letters.
    pub id: JobId,
    /// Whose queue.
    pub stage: StageName,
    /// Where it stands.
    pub state: JobState,
    /// Not before this time, Unix milliseconds.
    pub available_at: i64,
    /// How many times it was claimed.
    pub attempt: u32,
    /// The run it works for.
    pub run_id: Option<RunId>,
    /// What the stage's handler decodes.
    pub payload: Vec<u8>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// Since when it is worked on and how long the lease holds, Unix milliseconds; of leased jobs.
    pub lease: Option<(i64, i64)>,
}

/// How many jobs a queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Whose queue.
    pub stage: StageName,
    /// In which state.
    pub state: JobState,
    /// How many.
    pub count: u64,
}

fn queued(row: &Row<'_>) -> rusqlite::Result<QueuedJob> {
    Ok(QueuedJob {
        seq: row.get(0)?,
        id: key(row, 1)?,
        stage: word(row, 2)?,
        state: word(row, 3)?,
        available_at: row.get(4)?,
        attempt: count(row, 5)?,
        run_id: key_or_none(row, 6)?,
        payload: row.get(7)?,
        created_at: row.get(8)?,
        error: row.get(9)?,
        lease: key_or_none::<LeaseToken>(row, 10)?
            .zip(row.get(11)?)
            .map(|(token, until)| (token.unix_ms(), until)),
    })
}

const NEWEST: &str = "select seq, id from job order by seq desc limit 1";

/// The job that was inserted last: right after an insert, in the same transaction, the one just made.
pub fn newest(tx: &WriteTx) -> Result<Option<(i64, JobId)>> {
    Ok(tx.one(NEWEST, [], |row| Ok((row.get(0)?, key(row, 1)?)))?)
}

const FIND: &str = "select state from job where seq = ?1 and id = ?2";

/// Where a job stands; `None` once it is settled or discarded. Numbers of rows are used again, so the id must fit.
pub fn find(tx: &ReadTx, seq: i64, id: JobId) -> Result<Option<JobState>> {
    Ok(tx.one(FIND, params![seq, id.as_bytes()], |row| word(row, 0))?)
}

const INSERT_READY: &str = "
insert into job (id, stage, state, available_at, attempt, run_id, payload, created_at)
values (?1, ?2, 'ready', ?3, 0, ?4, ?5, ?6)";

const INSERT_LEASED: &str = "
insert into job (id, stage, state, available_at, attempt, run_id, payload, created_at, lease_token, lease_until)
values (?1, ?2, 'leased', ?3, 1, ?4, ?5, ?6, ?7, ?8)";

/// Inserts a job and answers its `seq`.
pub fn insert(tx: &WriteTx, job: &NewJob) -> Result<i64> {
    let (id, stage, run) = (job.id.as_bytes(), job.stage.as_str(), bind(job.run_id.as_ref()));
    match job.lease {
        None => {
            let row = params![id, stage, job.available_at, run, job.payload, job.created_at];
            tx.execute(INSERT_READY, row)?;
        }
        Some(Lease { token, until }) => {
            let (available, created, token) = (job.available_at, job.created_at, token.as_bytes());
            tx.execute(
                INSERT_LEASED,
                params![id, stage, available, run, job.payload, created, token, until],
            )?;
        }
    }
    Ok(tx.last_rowid())
}

const DUE: &str = "
select seq, id, attempt, run_id, payload, created_at
from job
where stage = ?1
  and available_at <= ?2
  and state = 'ready'
order by available_at, seq
limit ?3";

const LEASE: &str = "
update job
set state = 'leased', attempt = attempt + 1, lease_token = ?2, lease_until = ?3
where seq = ?1";

/// Claims up to `limit` due jobs, the longest due first: each gets a token of its own and counts an attempt.
pub fn claim(tx: &WriteTx, stage: StageName, now: i64, limit: u32, lease_until: i64) -> Result<Vec<Job>> {
    let mut jobs = tx.all(DUE, params![stage.as_str(), now, page(limit)], |row| {
        Ok(Job {
            seq: row.get(0)?,
            id: key(row, 1)?,
            stage,
            attempt: count(row, 2)?,
            lease: Lease { token: LeaseToken::new(now), until: lease_until },
            run_id: key_or_none(row, 3)?,
            payload: row.get(4)?,
            created_at: row.get(5)?,
        })
    })?;
    for job in &mut jobs {
        job.attempt += 1;
        tx.execute(LEASE, params![job.seq, job.lease.token.as_bytes(), lease_until])?;
    }
    Ok(jobs)
}

const SETTLE: &str = "delete from job where seq = ?1 and lease_token = ?2";

/// Deletes a finished job; false if the lease is stale, and then nothing of its outcome may be written.
pub fn settle(tx: &WriteTx, seq: i64, token: LeaseToken) -> Result<bool> {
    Ok(tx.execute(SETTLE, params![seq, token.as_bytes()])? > 0)
}

const EXTEND: &str = "update job set lease_until = ?3 where seq = ?1 and lease_token = ?2";

/// Moves the end of a lease; false if the lease is stale.
pub fn extend(tx: &WriteTx, seq: i64, token: LeaseToken, until: i64) -> Result<bool> {
    Ok(tx.execute(EXTEND, params![seq, token.as_bytes(), until])? > 0)
}

const RESCHEDULE: &str = "
update job
set state = 'ready', available_at = ?3, error = ?4, lease_token = null, lease_until = null
where seq = ?1 and lease_token = ?2";

/// Gives a job back for a later attempt; false if the lease is stale.
pub fn reschedule(
    tx: &WriteTx,
    seq: i64,
    token: LeaseToken,
    available_at: i64,
    error: Option<&str>,
) -> Result<bool> {
    Ok(tx.execute(RESCHEDULE, params![seq, token.as_bytes(), available_at, error])? > 0)
}

const RELEASE: &str = "
update job
set state = 'ready', available_at = ?3, attempt = attempt - 1, lease_token = null, lease_until = null
where seq = ?1 and lease_token = ?2";

/// Gives a job back as if it had not been claimed (it was not begun, or it snoozes); false if the lease is stale.
pub fn release(tx: &WriteTx, seq: i64, token: LeaseToken, available_at: i64) -> Result<bool> {
    Ok(tx.execute(RELEASE, params![seq, token.as_bytes(), available_at])? > 0)
}

const PARK: &str = "
update job
set state = 'ready', available_at = ?3, payload = ?4, attempt = attempt - 1, lease_token = null, lease_until = null
where seq = ?1 and lease_token = ?2";

/// Puts a job aside until `available_at`, with what it must know then, as if it had not been claimed; false if the
/// lease is stale.
pub fn park(tx: &WriteTx, seq: i64, token: LeaseToken, available_at: i64, payload: &[u8]) -> Result<bool> {
    Ok(tx.execute(PARK, params![seq, token.as_bytes(), available_at, payload])? > 0)
}

const PARKED: &str = "
select payload from job where seq = ?1 and run_id = ?2 and state = 'ready' and stage = 'action'";

/// What a job of the run that was put aside says; none if somebody works on it already.
pub fn parked(tx: &ReadTx, seq: i64, run: RunId) -> Result<Option<Vec<u8>>> {
    Ok(tx.one(PARKED, params![seq, run.as_bytes()], |row| row.get(0))?)
}

const WAKE: &str = "
update job
set available_at = ?3, payload = ?4
where seq = ?1 and run_id = ?2 and state = 'ready' and stage = 'action'";

/// Makes a job that was put aside due, with what has come; false if somebody works on it already.
pub fn wake(tx: &WriteTx, seq: i64, run: RunId, now: i64, payload: &[u8]) -> Result<bool> {
    Ok(tx.execute(WAKE, params![seq, run.as_bytes(), now, payload])? > 0)
}

const BURY: &str = "
update job
set state = 'dead', error = ?3, lease_token = null, lease_until = null
where seq = ?1 and lease_token = ?2";

/// Makes a job a dead letter; false if the lease is stale.
pub fn bury(tx: &WriteTx, seq: i64, token: LeaseToken, error: &str) -> Result<bool> {
    Ok(tx.execute(BURY, params![seq, token.as_bytes(), error])? > 0)
}

const RECOVER: &str = "
update job
set state = 'ready', lease_token = null, lease_until = null
where state = 'leased'";

/// At start nobody holds a lease: every leased job becomes ready. Its interrupted attempt stays counted.
/// Answers how many there were.
pub fn recover(tx: &WriteTx) -> Result<usize> {
    Ok(tx.execute(RECOVER, [])?)
}

const RECLAIM_EXPIRED: &str = "
update job
set state = 'ready', lease_token = null, lease_until = null
where state = 'leased' and lease_until < ?1";

/// Takes back leases that ended; answers how many. Reads the whole table: for upkeep, not for a stage.
pub fn reclaim_expired(tx: &WriteTx, now: i64) -> Result<usize> {
    Ok(tx.execute(RECLAIM_EXPIRED, [now])?)
}

const RELEASE_BY_RUN: &str = "
delete from job where run_id = ?1 and state = 'ready' and stage = 'action' returning payload";

/// Deletes the action jobs of a run that nobody works on yet: the run was cancelled. Answers what they said.
/// Reads the whole table.
pub fn drop_ready_of_run(tx: &WriteTx, run: RunId) -> Result<Vec<Vec<u8>>> {
    Ok(tx.returning(RELEASE_BY_RUN, [run.as_bytes()], |row| row.get(0))?)
}

const DEPTHS: &str = "select stage, state, count(*) from job group by stage, state";

/// How many jobs each queue holds. Reads the whole table: for start and for upkeep.
pub fn depths(tx: &ReadTx) -> Result<Vec<Depth>> {
    Ok(tx.all(DEPTHS, [], |row| {
        let count: i64 = row.get(2)?;
        Ok(Depth { stage: word(row, 0)?, state: word(row, 1)?, count: count.unsigned_abs() })
    })?)
}

const COUNT_ASIDE: &str = "
select count(*)
from (select cast(payload as text) as said from job where stage = 'action' and state <> 'dead')
where case when json_valid(said)
           then json_type(said, '$.parked') = 'object'
                and coalesce(json_type(said, '$.parked.came'), 'null') = 'null'
      end";

/// How many jobs of the action queue are put aside, with nothing that has come. Reads the whole table: for start.
pub fn count_aside(tx: &ReadTx) -> Result<u64> {
    let count: Option<i64> = tx.one(COUNT_ASIDE, [], |row| row.get(0))?;
    Ok(count.unwrap_or_default().unsigned_abs())
}

const NEXT_DUE: &str = "
select available_at from job
where stage = ?1 and state = 'ready'
order by available_at
limit 1";

/// When the stage's next ready job is due, Unix milliseconds.
pub fn next_due(tx: &ReadTx, stage: StageName) -> Result<Option<i64>> {
    Ok(tx.one(NEXT_DUE, [stage.as_str()], |row| row.get(0))?)
}

const PAYLOADS: &str = "select payload from job where stage = ?1 and created_at < ?2 limit ?3";

/// What the jobs of a stage that were made before a time say, dead ones included. Reads the whole table.
pub fn payloads(tx: &ReadTx, stage: StageName, before: i64, limit: u32) -> Result<Vec<Vec<u8>>> {
    Ok(tx.all(PAYLOADS, params![stage.as_str(), before, limit], |row| row.get(0))?)
}

const LIST_READY: &str = "
select seq, id, stage, state, available_at, attempt, run_id, payload, created_at, error, lease_token, lease_until
from job
where stage = ?1
  and state = 'ready'
  and (available_at, seq) > (?2, ?3)
order by available_at, seq
limit ?4";

/// What waits in a queue, the next due first, after the cursor (`available_at`, `seq`).
pub fn list_ready(
    tx: &ReadTx,
    stage: StageName,
    cursor: Option<(i64, i64)>,
    limit: u32,
) -> Result<Vec<QueuedJob>> {
    let (at, seq) = cursor.unwrap_or((i64::MIN, i64::MIN));
    Ok(tx.all(LIST_READY, params![stage.as_str(), at, seq, page(limit)], queued)?)
}

const LIST_LEASED: &str = "
select seq, id, stage, state, available_at, attempt, run_id, payload, created_at, error, lease_token, lease_until
from job
where stage = ?1 and state = 'leased' and seq > ?2
order by seq
limit ?3";

/// What is worked on in a stage, the oldest jobs first, after the cursor. Reads the whole table: for people.
pub fn list_leased(tx: &ReadTx, stage: StageName, after: i64, limit: u32) -> Result<Vec<QueuedJob>> {
    Ok(tx.all(LIST_LEASED, params![stage.as_str(), after, page(limit)], queued)?)
}

const LIST_DEAD: &str = "
select seq, id, stage, state, available_at, attempt, run_id, payload, created_at, error, lease_token, lease_until
from job
where state = 'dead' and id > ?1 and (?3 is null or stage = ?3)
order by id
limit ?2";

/// Dead letters, of one stage if one is named, oldest first, after the cursor.
pub fn list_dead(
    tx: &ReadTx,
    stage: Option<StageName>,
    cursor: Option<JobId>,
    limit: u32,
) -> Result<Vec<QueuedJob>> {
    let after = cursor.as_ref().map_or(&[0; 16], Key::to_key);
    Ok(tx.all(LIST_DEAD, params![after, page(limit), stage.map(StageName::as_str)], queued)?)
}

const GET_DEAD: &str = "
select seq, id, stage, state, available_at, attempt, run_id, payload, created_at, error, lease_token, lease_until
from job
where state = 'dead' and id = ?1";

/// The dead letter with this id.
pub fn get_dead(tx: &ReadTx, id: JobId) -> Result<Option<QueuedJob>> {
    Ok(tx.one(GET_DEAD, [id.as_bytes()], queued)?)
}

const RETRY_DEAD: &str = "
update job
set state = 'ready', available_at = ?2, attempt = 0
where state = 'dead' and id = ?1";

/// Makes a dead letter ready again, with its attempts counted anew; false if there is none.
pub fn retry_dead(tx: &WriteTx, id: JobId, now: i64) -> Result<bool> {
    Ok(tx.execute(RETRY_DEAD, params![id.as_bytes(), now])? > 0)
}

const DISCARD_DEAD: &str = "delete from job where state = 'dead' and id = ?1";

/// Deletes a dead letter; false if there is none.
pub fn discard_dead(tx: &WriteTx, id: JobId) -> Result<bool> {
    Ok(tx.execute(DISCARD_DEAD, [id.as_bytes()])? > 0)
}
