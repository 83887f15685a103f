//! The `place` table: which runs go on, and which wait, in each concurrency group. A run has a row only while it
//! holds or wants a place.

use rusqlite::{Row, params};
use tenantry_protocol::id::{RunId, WorkflowId};

use crate::error::Result;
use crate::store::row::{count, key, page};
use crate::store::{ReadTx, WriteTx};

/// A concurrency group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// Whose.
    pub workflow: WorkflowId,
    /// The text that tells it from the workflow's other groups.
    pub key: &'a str,
}

/// Whether a run has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It may go on.
    Held,
    /// It waits.
    Waiting,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Waiting => "waiting",
        }
    }
}

const INSERT: &str = "insert into place (run_id, workflow_id, key, state, cap) values (?1, ?2, ?3, ?4, ?5)";

/// Gives a run a place, or lets it wait for one. `cap` is the group's limit as the run's revision says.
pub fn insert(tx: &WriteTx, run: RunId, group: Group, state: State, cap: u32) -> Result<()> {
    let Group { workflow, key } = group;
    tx.execute(INSERT, params![run.as_bytes(), workflow.as_bytes(), key, state.as_str(), cap])?;
    Ok(())
}

const COUNT: &str = "select count(*) from place where workflow_id = ?1 and key = ?2 and state = ?3";

/// How many runs of the group are in that state.
pub fn count_in(tx: &ReadTx, group: Group, state: State) -> Result<u32> {
    let row = params![group.workflow.as_bytes(), group.key, state.as_str()];
    Ok(tx.one(COUNT, row, |row| count(row, 0))?.unwrap_or_default())
}

const RUNS: &str = "
select run_id from place where workflow_id = ?1 and key = ?2 and state = ?3 order by run_id limit ?4";

/// The runs of the group that are in that state, the oldest first.
pub fn runs_in(tx: &ReadTx, group: Group, state: State, limit: u32) -> Result<Vec<RunId>> {
    let row = params![group.workflow.as_bytes(), group.key, state.as_str(), page(limit)];
    Ok(tx.all(RUNS, row, |row| key(row, 0))?)
}

const FIRST: &str = "
select run_id, cap from place
where workflow_id = ?1 and key = ?2 and state = 'waiting'
order by run_id
limit 1";

/// The run that has waited longest, and the limit that it goes by.
pub fn first_waiting(tx: &ReadTx, group: Group) -> Result<Option<(RunId, u32)>> {
    let row = params![group.workflow.as_bytes(), group.key];
    Ok(tx.one(FIRST, row, |row: &Row<'_>| Ok((key(row, 0)?, count(row, 1)?)))?)
}

const HOLD: &str = "update place set state = 'held' where run_id = ?1 and state = 'waiting'";

/// Gives a waiting run its place; false if it does not wait.
pub fn hold(tx: &WriteTx, run: RunId) -> Result<bool> {
    Ok(tx.execute(HOLD, [run.as_bytes()])? > 0)
}

const GET: &str = "select state from place where run_id = ?1";

/// Whether the run has its place; none if it has not asked for one.
pub fn state(tx: &ReadTx, run: RunId) -> Result<Option<State>> {
    let held = tx.one(GET, [run.as_bytes()], |row| Ok(row.get_ref(0)?.as_str()? == State::Held.as_str()))?;
    Ok(held.map(|held| if held { State::Held } else { State::Waiting }))
}

const REMOVE: &str = "delete from place where run_id = ?1 returning workflow_id, key";

/// Takes the run out of its group; answers which that was.
pub fn remove(tx: &WriteTx, run: RunId) -> Result<Option<(WorkflowId, String)>> {
    let removed = tx.returning(REMOVE, [run.as_bytes()], |row| Ok((key(row, 0)?, row.get(1)?)))?;
    Ok(removed.into_iter().next())
}
