//! The `step` table: where each step of a run stands.

use rusqlite::{Row, params};
use tenantry_protocol::id::RunId;
use tenantry_protocol::state::StepState;

use crate::error::Result;
use crate::store::row::{count, key, word};
use crate::store::{ReadTx, WriteTx};

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whose step.
    pub run_id: RunId,
    /// Its place in the definition, counted from 0; of an item, as `tenantry_workflow::plan::Slot` says.
    pub idx: u32,
    /// Its name in the definition.
    pub id: String,
    /// Where it stands.
    pub state: StepState,
    /// How many attempts were started.
    pub attempt: u32,
    /// JSON.
    pub output: Option<String>,
    /// SHA-256 of an output that lies in `blobs/`; `output` is absent then.
    pub output_blob: Option<[u8; 32]>,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// Unix milliseconds.
    pub started_at: Option<i64>,
    /// Unix milliseconds.
    pub ended_at: Option<i64>,
    /// JSON: the item that the row is for.
    pub item: Option<String>,
    /// JSON: how far its items are.
    pub items: Option<String>,
}

/// A step to insert.
#[derive(Clone, Copy, Debug)]
pub struct NewStep<'a> {
    /// Its place in the definition, counted from 0.
    pub idx: u32,
    /// Its name in the definition.
    pub id: &'a str,
    /// `pending`, `running` (its job is inserted in the same transaction) or `skipped`.
    pub state: StepState,
    /// How many attempts were started.
    pub attempt: u32,
    /// Unix milliseconds.
    pub started_at: Option<i64>,
    /// Unix milliseconds.
    pub ended_at: Option<i64>,
}

fn step(row: &Row<'_>) -> rusqlite::Result<Step> {
    Ok(Step {
        run_id: key(row, 0)?,
        idx: count(row, 1)?,
        id: row.get(2)?,
        state: word(row, 3)?,
        attempt: count(row, 4)?,
        output: row.get(5)?,
        error: row.get(6)?,
        started_at: row.get(7)?,
        ended_at: row.get(8)?,
        output_blob: row.get(9)?,
        item: row.get(10)?,
        items: row.get(11)?,
    })
}

const INSERT: &str = "
insert into step (run_id, idx, id, state, attempt, started_at, ended_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Adds a step of a run.
pub fn insert(tx: &WriteTx, run: RunId, step: &NewStep) -> Result<()> {
    let NewStep { idx, id, state, attempt, started_at, ended_at } = step;
    tx.execute(INSERT, params![run.as_bytes(), idx, id, state.as_str(), attempt, started_at, ended_at])?;
    Ok(())
}

const LIST: &str = "
select run_id, idx, id, state, attempt, output, error, started_at, ended_at, output_blob, item, items
from step
where run_id = ?1
order by idx";

/// The steps of a run in the order of the definition.
pub fn list(tx: &ReadTx, run: RunId) -> Result<Vec<Step>> {
    Ok(tx.all(LIST, [run.as_bytes()], step)?)
}

const LIST_FIRST: &str = "
select run_id, idx, id, state, attempt, output, error, started_at, ended_at, output_blob, item, items
from step
where run_id = ?1 and idx < ?2
order by idx";

/// The steps of a run in the order of the definition, without the rows of items. `steps` is how many there are.
pub fn list_first(tx: &ReadTx, run: RunId, steps: u32) -> Result<Vec<Step>> {
    Ok(tx.all(LIST_FIRST, params![run.as_bytes(), steps], step)?)
}

/// What an item has left behind, in the row or in `blobs/`.
pub type ItemOutput = (Option<String>, Option<[u8; 32]>);

const ITEM_OUTPUTS: &str = "
select output, output_blob from step where run_id = ?1 and idx >= ?2 and idx % ?2 = ?3 order by idx";

/// What the items of a step have left behind, in their order. `steps` is how many steps there are.
pub fn item_outputs(tx: &ReadTx, run: RunId, steps: u32, step: u32) -> Result<Vec<ItemOutput>> {
    Ok(tx.all(ITEM_OUTPUTS, params![run.as_bytes(), steps, step], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

const INSERT_ITEM: &str = "
insert into step (run_id, idx, id, state, item) values (?1, ?2, ?3, 'pending', ?4)";

/// Adds the row of an item.
pub fn insert_item(tx: &WriteTx, run: RunId, idx: u32, id: &str, item: &str) -> Result<()> {
    tx.execute(INSERT_ITEM, params![run.as_bytes(), idx, id, item])?;
    Ok(())
}

const SET_ITEMS: &str = "update step set items = ?3 where run_id = ?1 and idx = ?2";

/// Notes how far the items of a step are.
pub fn set_items(tx: &WriteTx, run: RunId, idx: u32, items: &str) -> Result<()> {
    tx.execute(SET_ITEMS, params![run.as_bytes(), idx, items])?;
    Ok(())
}

const END_ITEMS: &str = "
update step
set state = case state when 'pending' then ?4 else 'cancelled' end, ended_at = ?5
where run_id = ?1 and idx >= ?2 and idx % ?2 = ?3 and state in ('pending', 'running', 'retrying')
returning idx, started_at";

/// Ends the items of a step that have not ended: the ones that have begun are cancelled, the others become `rest`.
/// Answers which had begun.
pub fn end_items(
    tx: &WriteTx,
    run: RunId,
    steps: u32,
    step: u32,
    rest: StepState,
    at: i64,
) -> Result<Vec<u32>> {
    let row = params![run.as_bytes(), steps, step, rest.as_str(), at];
    let ended = tx.returning(END_ITEMS, row, |row| Ok((count(row, 0)?, row.get::<_, Option<i64>>(1)?)))?;
    Ok(ended.into_iter().filter_map(|(idx, started)| started.map(|_| idx)).collect())
}

const GET: &str = "
select run_id, idx, id, state, attempt, output, error, started_at, ended_at, output_blob, item, items
from step
where run_id = ?1 and idx = ?2";

/// One step of a run.
pub fn get(tx: &ReadTx, run: RunId, idx: u32) -> Result<Option<Step>> {
    Ok(tx.one(GET, params![run.as_bytes(), idx], step)?)
}

const START: &str = "
update step
set state = 'running', attempt = attempt + 1, started_at = coalesce(started_at, ?4)
where run_id = ?1 and idx = ?2 and state = ?3";

/// Moves from `from` to `running` and counts an attempt; false if it is not in `from`.
pub fn start(tx: &WriteTx, run: RunId, idx: u32, from: StepState, at: i64) -> Result<bool> {
    Ok(tx.execute(START, params![run.as_bytes(), idx, from.as_str(), at])? > 0)
}

const SET_STATE: &str = "
update step set state = ?4, error = ?5 where run_id = ?1 and idx = ?2 and state = ?3";

/// Moves from `from` to `to`, neither an end nor a start (`retrying`, `pending`); false if it is not in `from`.
pub fn set_state(
    tx: &WriteTx,
    run: RunId,
    idx: u32,
    from: StepState,
    to: StepState,
    error: Option<&str>,
) -> Result<bool> {
    Ok(tx.execute(SET_STATE, params![run.as_bytes(), idx, from.as_str(), to.as_str(), error])? > 0)
}

/// How a step ended.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// A terminal state.
    pub state: StepState,
    /// JSON.
    pub output: Option<&'a str>,
    /// Why it did not succeed.
    pub error: Option<&'a str>,
    /// How many attempts were started in all.
    pub attempt: u32,
    /// Unix milliseconds; kept as it is, if absent.
    pub started_at: Option<i64>,
    /// Unix milliseconds.
    pub ended_at: i64,
}

const END: &str = "
update step
set state = ?4, output = ?5, error = ?6, attempt = ?7, started_at = coalesce(?8, started_at), ended_at = ?9
where run_id = ?1 and idx = ?2 and state = ?3";

/// Moves from `from` to a terminal state; false if it is not in `from`.
pub fn end(tx: &WriteTx, run: RunId, idx: u32, from: StepState, end: &End) -> Result<bool> {
    let End { state, output, error, attempt, started_at, ended_at } = end;
    let (run, from, to) = (run.as_bytes(), from.as_str(), state.as_str());
    let row = params![run, idx, from, to, output, error, attempt, started_at, ended_at];
    Ok(tx.execute(END, row)? > 0)
}

const SET_OUTPUT_BLOB: &str = "
update step set output = null, output_blob = ?3 where run_id = ?1 and idx = ?2";

/// Says that the step's output lies in `blobs/`, and not in the row.
pub fn set_output_blob(tx: &WriteTx, run: RunId, idx: u32, hash: &[u8; 32]) -> Result<()> {
    tx.execute(SET_OUTPUT_BLOB, params![run.as_bytes(), idx, hash])?;
    Ok(())
}

const TAKE_OVER: &str = "
insert into step (run_id, idx, id, state, attempt, output, output_blob, started_at, ended_at)
select ?2, idx, id, state, attempt, output, output_blob, started_at, ended_at
from step
where run_id = ?1 and idx = ?3 and state = 'succeeded'";

/// Gives a run a step of another one as it is, if it has succeeded there; false if it has not.
pub fn take_over(tx: &WriteTx, from: RunId, to: RunId, idx: u32) -> Result<bool> {
    Ok(tx.execute(TAKE_OVER, params![from.as_bytes(), to.as_bytes(), idx])? > 0)
}

const CANCEL: &str = "
update step
set state = 'cancelled', ended_at = ?2
where run_id = ?1 and state in ('pending', 'running', 'retrying')";

/// Cancels the steps of a run that has not begun; answers how many.
pub fn cancel(tx: &WriteTx, run: RunId, at: i64) -> Result<usize> {
    Ok(tx.execute(CANCEL, params![run.as_bytes(), at])?)
}

const DELETE: &str = "delete from step where run_id = ?1";

/// Forgets the steps of a run.
pub fn delete(tx: &WriteTx, run: RunId) -> Result<usize> {
    Ok(tx.execute(DELETE, [run.as_bytes()])?)
}
