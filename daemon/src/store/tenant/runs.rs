//! The `run` table: one execution of a revision a row. Which state may follow which is decided elsewhere; here an
//! update only happens where the row still is in the state that was decided upon.

use rusqlite::types::ValueRef;
use rusqlite::{Row, params};
use tenantry_protocol::id::{EventId, RunId, WorkflowId};
use tenantry_protocol::state::{RunOrigin, RunState};

use crate::error::Result;
use crate::store::row::{Key, before, bind, count, key, key_or_none, page, word};
use crate::store::{ReadTx, WriteTx};

/// A run to insert; it begins `queued`.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    /// The id that people see.
    pub id: RunId,
    /// What it executes.
    pub workflow_id: WorkflowId,
    /// Which text of it.
    pub revision: u32,
    /// What caused it.
    pub event_id: Option<EventId>,
    /// A JSON object.
    pub inputs: Option<&'a str>,
    /// When the event was accepted, Unix milliseconds.
    pub accepted_at: i64,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// One execution of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The id that people see.
    pub id: RunId,
    /// What it executes.
    pub workflow_id: WorkflowId,
    /// Which text of it.
    pub revision: u32,
    /// What caused it.
    pub event_id: Option<EventId>,
    /// Where it stands.
    pub state: RunState,
    /// A JSON object.
    pub inputs: Option<String>,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// When the event was accepted, Unix milliseconds.
    pub accepted_at: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    /// When its first step was handed to the action stage, Unix milliseconds.
    pub started_at: Option<i64>,
    /// Unix milliseconds; set exactly when the state is terminal.
    pub ended_at: Option<i64>,
    /// When the logging stage had recorded its end, Unix milliseconds.
    pub logged_at: Option<i64>,
    /// When its last notification was delivered, Unix milliseconds.
    pub notified_at: Option<i64>,
    /// How it repeats another run, if it does.
    pub origin: Option<RunOrigin>,
    /// The run that it repeats.
    pub of_run: Option<RunId>,
    /// Who asked for the repetition, as in the audit log.
    pub actor: Option<String>,
    /// The run whose idempotency keys it uses, if not its own.
    pub key_run: Option<RunId>,
    /// A JSON object: what it has left behind.
    pub outputs: Option<String>,
    /// Why it ends early, if it does.
    pub stop: Option<Stop>,
    /// The run that started it and waits for it, and the row of the step.
    pub parent: Option<(RunId, u32)>,
    /// How many runs stand above it.
    pub depth: u32,
}

/// How a new run repeats another one.
#[derive(Clone, Copy, Debug)]
pub struct Repetition<'a> {
    /// How.
    pub origin: RunOrigin,
    /// The run that it repeats.
    pub of: RunId,
    /// Who asked for it, as in the audit log.
    pub actor: &'a str,
    /// The run whose idempotency keys it uses, if not its own.
    pub key_run: Option<RunId>,
}

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "select id, workflow_id, revision, event_id, state, inputs, error, accepted_at, created_at, ",
            "started_at, ended_at, logged_at, notified_at, origin, of_run, actor, key_run, outputs, stop, ",
            "parent_run_id, parent_idx, depth from run ",
            $rest
        )
    };
}

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: key(row, 0)?,
        workflow_id: key(row, 1)?,
        revision: count(row, 2)?,
        event_id: key_or_none(row, 3)?,
        state: word(row, 4)?,
        inputs: row.get(5)?,
        error: row.get(6)?,
        accepted_at: row.get(7)?,
        created_at: row.get(8)?,
        started_at: row.get(9)?,
        ended_at: row.get(10)?,
        logged_at: row.get(11)?,
        notified_at: row.get(12)?,
        origin: origin(row)?,
        of_run: key_or_none(row, 14)?,
        actor: row.get(15)?,
        key_run: key_or_none(row, 16)?,
        outputs: row.get(17)?,
        stop: Stop::read(row.get_ref(18)?.as_str_or_null()?),
        parent: key_or_none(row, 19)?.zip(row.get(20)?),
        depth: count(row, 21)?,
    })
}

fn origin(row: &Row<'_>) -> rusqlite::Result<Option<RunOrigin>> {
    if row.get_ref(13)? == ValueRef::Null { Ok(None) } else { word(row, 13).map(Some) }
}

const INSERT: &str = "
insert into run (id, workflow_id, revision, event_id, state, inputs, accepted_at, created_at, started_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// Adds a run in state `queued`.
pub fn insert(tx: &WriteTx, run: &NewRun) -> Result<()> {
    insert_as(tx, run, RunState::Queued, None)
}

/// Adds a run that starts in the same transaction: `running` since `started_at`, one write instead of two.
pub fn insert_started(tx: &WriteTx, run: &NewRun, started_at: i64) -> Result<()> {
    insert_as(tx, run, RunState::Running, Some(started_at))
}

fn insert_as(tx: &WriteTx, run: &NewRun, state: RunState, started_at: Option<i64>) -> Result<()> {
    let NewRun { id, workflow_id, revision, event_id, inputs, accepted_at, created_at } = run;
    let (id, workflow, event) = (id.as_bytes(), workflow_id.as_bytes(), bind(event_id.as_ref()));
    let state = state.as_str();
    let row = params![id, workflow, revision, event, state, inputs, accepted_at, created_at, started_at];
    tx.execute(INSERT, row)?;
    Ok(())
}

const SET_REPETITION: &str = "
update run set origin = ?2, of_run = ?3, actor = ?4, key_run = ?5 where id = ?1";

/// Notes which run a new one repeats, and who asked for it.
pub fn set_repetition(tx: &WriteTx, id: RunId, repetition: &Repetition) -> Result<()> {
    let Repetition { origin, of, actor, key_run } = repetition;
    let row = params![id.as_bytes(), origin.as_str(), of.as_bytes(), actor, bind(key_run.as_ref())];
    tx.execute(SET_REPETITION, row)?;
    Ok(())
}

const GET: &str = columns!("where id = ?1");

/// The run with this id.
pub fn get(tx: &ReadTx, id: RunId) -> Result<Option<Run>> {
    Ok(tx.one(GET, [id.as_bytes()], run)?)
}

/// Why a run ends before its steps have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A principal cancelled it, or the run that started it.
    Cancel,
    /// Its own time limit passed.
    TimeOut,
}

impl Stop {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::TimeOut => "time-out",
        }
    }

    fn read(text: Option<&str>) -> Option<Self> {
        [Self::Cancel, Self::TimeOut].into_iter().find(|stop| Some(stop.as_str()) == text)
    }
}

/// Where a run stands, as far as its settles must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: RunState,
    /// Why it ends early, if it does.
    pub stop: Option<Stop>,
}

const STANDING: &str = "select state, stop from run where id = ?1";

/// Where the run stands.
pub fn standing(tx: &ReadTx, id: RunId) -> Result<Option<Standing>> {
    let read = |row: &Row<'_>| {
        Ok(Standing { state: word(row, 0)?, stop: Stop::read(row.get_ref(1)?.as_str_or_null()?) })
    };
    Ok(tx.one(STANDING, [id.as_bytes()], read)?)
}

const SET_STOP: &str = "update run set stop = ?2 where id = ?1 and stop is null and ended_at is null";

/// Notes that the run ends early; false if that was noted before or it has ended.
pub fn set_stop(tx: &WriteTx, id: RunId, stop: Stop) -> Result<bool> {
    Ok(tx.execute(SET_STOP, params![id.as_bytes(), stop.as_str()])? > 0)
}

const SET_OUTPUTS: &str = "update run set outputs = ?2 where id = ?1";

/// Notes what the run has left behind, a JSON object.
pub fn set_outputs(tx: &WriteTx, id: RunId, outputs: &str) -> Result<()> {
    tx.execute(SET_OUTPUTS, params![id.as_bytes(), outputs])?;
    Ok(())
}

const SET_ANCESTRY: &str = "
update run set parent_run_id = ?2, parent_idx = ?3, depth = ?4 where id = ?1";

/// Notes which run has started this one and waits for it, if one does, and how many runs stand above it.
pub fn set_ancestry(tx: &WriteTx, id: RunId, parent: Option<(RunId, u32)>, depth: u32) -> Result<()> {
    let (run, idx) = parent.unzip();
    tx.execute(SET_ANCESTRY, params![id.as_bytes(), bind(run.as_ref()), idx, depth])?;
    Ok(())
}

const LIVE_CHILDREN: &str = "
select id from run where parent_run_id = ?1 and ended_at is null and id > ?2 order by id limit ?3";

/// The runs that a run has started, that it waits for and that have not ended, after the cursor.
pub fn live_children(tx: &ReadTx, id: RunId, cursor: Option<RunId>, limit: u32) -> Result<Vec<RunId>> {
    let after = cursor.as_ref().map_or(&[0; 16], Key::to_key);
    Ok(tx.all(LIVE_CHILDREN, params![id.as_bytes(), after, page(limit)], |row| key(row, 0))?)
}

const STATE: &str = "select state from run where id = ?1";

/// Where the run stands.
pub fn state(tx: &ReadTx, id: RunId) -> Result<Option<RunState>> {
    Ok(tx.one(STATE, [id.as_bytes()], |row| word(row, 0))?)
}

const START: &str = "
update run set state = 'running', started_at = ?2 where id = ?1 and state = 'queued'";

/// Moves from `queued` to `running`; false if it is not queued.
pub fn start(tx: &WriteTx, id: RunId, at: i64) -> Result<bool> {
    Ok(tx.execute(START, params![id.as_bytes(), at])? > 0)
}

const END: &str = "
update run set state = ?3, error = ?4, ended_at = ?5 where id = ?1 and state = ?2";

/// Moves from `from` to the terminal state `to`; false if it is not in `from`.
pub fn end(
    tx: &WriteTx,
    id: RunId,
    from: RunState,
    to: RunState,
    error: Option<&str>,
    at: i64,
) -> Result<bool> {
    Ok(tx.execute(END, params![id.as_bytes(), from.as_str(), to.as_str(), error, at])? > 0)
}

const SET_LOGGED: &str = "update run set logged_at = ?2 where id = ?1 and logged_at is null";

/// Notes that the logging stage has recorded the run's end; false if it had before.
pub fn set_logged(tx: &WriteTx, id: RunId, at: i64) -> Result<bool> {
    Ok(tx.execute(SET_LOGGED, params![id.as_bytes(), at])? > 0)
}

const SET_NOTIFIED: &str = "update run set notified_at = ?2 where id = ?1";

/// Notes when a notification about the run was delivered; false if the run is gone.
pub fn set_notified(tx: &WriteTx, id: RunId, at: i64) -> Result<bool> {
    Ok(tx.execute(SET_NOTIFIED, params![id.as_bytes(), at])? > 0)
}

/// Which runs a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this workflow's.
    pub workflow: Option<WorkflowId>,
    /// Only those in this state.
    pub state: Option<RunState>,
    /// Only this one and younger ones (an id made from a time).
    pub from: Option<RunId>,
}

const LIST: &str = columns!("where id < ?1 and id >= ?3 order by id desc limit ?2");
const LIST_WORKFLOW: &str =
    columns!("where workflow_id = ?4 and id < ?1 and id >= ?3 order by id desc limit ?2");
const LIST_STATE: &str = columns!("where state = ?4 and id < ?1 and id >= ?3 order by id desc limit ?2");
const LIST_WORKFLOW_STATE: &str =
    columns!("where workflow_id = ?4 and state = ?5 and id < ?1 and id >= ?3 order by id desc limit ?2");
const LIST_LIVE: &str = columns!(
    "indexed by run_live where ended_at is null and state = ?4 and id < ?1 and id >= ?3
     order by id desc limit ?2"
);
const LIST_UNSUCCESSFUL: &str = columns!(
    "indexed by run_unsuccessful where (state = 'failed' or state = 'cancelled' or state = 'timed-out')
     and state = ?4 and id < ?1 and id >= ?3 order by id desc limit ?2"
);

/// Runs, newest first, older than the cursor.
pub fn list(tx: &ReadTx, filter: Filter, cursor: Option<RunId>, limit: u32) -> Result<Vec<Run>> {
    let (cursor, limit) = (before(cursor.as_ref()), page(limit));
    let from = filter.from.as_ref().map_or(&[0; 16], Key::to_key);
    Ok(match (filter.workflow, filter.state) {
        (None, None) => tx.all(LIST, params![cursor, limit, from], run),
        (Some(id), None) => tx.all(LIST_WORKFLOW, params![cursor, limit, from, id.as_bytes()], run),
        (None, Some(state)) => {
            let sql = match state {
                RunState::Queued | RunState::Running => LIST_LIVE,
                RunState::Failed | RunState::Cancelled | RunState::TimedOut => LIST_UNSUCCESSFUL,
                RunState::Succeeded => LIST_STATE,
            };
            tx.all(sql, params![cursor, limit, from, state.as_str()], run)
        }
        (Some(id), Some(state)) => {
            tx.all(LIST_WORKFLOW_STATE, params![cursor, limit, from, id.as_bytes(), state.as_str()], run)
        }
    }?)
}

const LIVE: &str = "
select count(*) from run indexed by run_live where ended_at is null";

/// How many runs have not ended.
pub fn live(tx: &ReadTx) -> Result<u64> {
    Ok(tx.one(LIVE, [], |row| row.get::<_, i64>(0))?.unwrap_or_default().unsigned_abs())
}

const LIVE_OF: &str = columns!("where workflow_id = ?1 and ended_at is null limit ?2");

/// The runs of a workflow that have not ended.
pub fn live_of(tx: &ReadTx, workflow: WorkflowId, limit: u32) -> Result<Vec<Run>> {
    Ok(tx.all(LIVE_OF, params![workflow.as_bytes(), page(limit)], run)?)
}

const LAST_OUTCOME: &str = "
select state from run
where workflow_id = ?1 and id < ?2 and ended_at is not null
order by id desc
limit 1";

/// How the workflow's run before this one ended: tells a recovery from a success.
pub fn last_outcome(tx: &ReadTx, workflow: WorkflowId, than: RunId) -> Result<Option<RunState>> {
    Ok(tx.one(LAST_OUTCOME, params![workflow.as_bytes(), than.as_bytes()], |row| word(row, 0))?)
}

const OF_EVENT: &str = "
select id from run where id >= ?1 and id <= ?2 and event_id = ?3
union
select id from run indexed by run_repeats where event_id = ?3 and of_run is not null
order by 1
limit ?4";

/// The runs of an event: those that it started, which share the beginning of its id, and their repetitions.
pub fn of_event(tx: &ReadTx, event: EventId, limit: u32) -> Result<Vec<RunId>> {
    let (first, last) = crate::store::row::same_beginning(event.as_bytes());
    Ok(tx.all(OF_EVENT, params![first, last, event.as_bytes(), page(limit)], |row| key(row, 0))?)
}

/// Which ended runs of a workflow are too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Whose runs.
    pub workflow: WorkflowId,
    /// Only runs after this one; where the last look ended.
    pub after: RunId,
    /// Runs that ended before this time, Unix milliseconds.
    pub ended_before: i64,
    /// Runs whose end nobody has recorded are kept until they ended before this time.
    pub unlogged_before: i64,
}

const EXPIRED: &str = "
select id, event_id from run
where workflow_id = ?1 and id > ?2 and id < ?3
  and ended_at < ?4 and (logged_at is not null or ended_at < ?5)
order by id
limit ?6";

/// Ended runs that are too old, oldest first, each with its event.
pub fn expired(tx: &ReadTx, expired: &Expired, limit: u32) -> Result<Vec<(RunId, Option<EventId>)>> {
    let Expired { workflow, after, ended_before, unlogged_before } = expired;
    // A run is younger than its end, so this bounds the index; the smallest id of the next millisecond.
    let before = RunId::lowest(ended_before.saturating_add(1));
    let (workflow, after) = (workflow.as_bytes(), after.as_bytes());
    let row = params![workflow, after, before.as_bytes(), ended_before, unlogged_before, page(limit)];
    Ok(tx.all(EXPIRED, row, |row| Ok((key(row, 0)?, key_or_none(row, 1)?)))?)
}

const EXPIRED_LINES: &str = "
select id from run
where workflow_id = ?1 and id > ?2 and id < ?3
  and ended_at < ?4 and (logged_at is not null or ended_at < ?5)
  and exists (select 1 from log_line where run_id = run.id)
order by id
limit ?6";

/// Ended runs that are too old and have log lines, oldest first.
pub fn expired_with_lines(tx: &ReadTx, expired: &Expired, limit: u32) -> Result<Vec<RunId>> {
    let Expired { workflow, after, ended_before, unlogged_before } = expired;
    let before = RunId::lowest(ended_before.saturating_add(1));
    let (workflow, after) = (workflow.as_bytes(), after.as_bytes());
    let row = params![workflow, after, before.as_bytes(), ended_before, unlogged_before, page(limit)];
    Ok(tx.all(EXPIRED_LINES, row, |row| key(row, 0))?)
}

const DELETE: &str = "delete from run where id = ?1 and ended_at is not null";

/// Forgets an ended run; false if it is gone or has not ended. Its steps, attempts and log lines go in the same
/// transaction.
pub fn delete(tx: &WriteTx, id: RunId) -> Result<bool> {
    Ok(tx.execute(DELETE, [id.as_bytes()])? > 0)
}
