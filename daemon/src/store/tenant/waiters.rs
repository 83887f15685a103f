//! The `waiter` table: what steps wait for while their jobs are put aside.

use rusqlite::{Row, params};
use tenantry_protocol::id::RunId;

use crate::error::Result;
use crate::store::row::{before, count, key, page};
use crate::store::{ReadTx, WriteTx};

/// What kind of thing is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// An emitted event.
    Event,
    /// A person's decision.
    Approval,
    /// The end of a run that the step has started.
    Run,
}

impl Awaited {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Event, Self::Approval, Self::Run];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Approval => "approval",
            Self::Run => "run",
        }
    }

    fn read(text: &str) -> Self {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).unwrap_or(Self::Run)
    }
}

/// A step that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Whose step.
    pub run: RunId,
    /// The row of the step.
    pub idx: u32,
    /// For what.
    pub kind: Awaited,
    /// The step's job.
    pub seq: i64,
    /// Of an event: its name, or the beginning of its name and `*`.
    pub name: Option<String>,
    /// JSON.
    pub detail: String,
    /// Unix milliseconds.
    pub created_at: i64,
}

fn waiter(row: &Row<'_>) -> rusqlite::Result<Waiter> {
    Ok(Waiter {
        run: key(row, 0)?,
        idx: count(row, 1)?,
        kind: Awaited::read(row.get_ref(2)?.as_str()?),
        seq: row.get(3)?,
        name: row.get(4)?,
        detail: row.get(5)?,
        created_at: row.get(6)?,
    })
}

macro_rules! columns {
    ($rest:literal) => {
        concat!("select run_id, idx, kind, seq, name, detail, created_at from waiter ", $rest)
    };
}

const INSERT: &str = "
insert into waiter (run_id, idx, kind, seq, name, detail, created_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
on conflict (run_id, idx) do update
set kind = excluded.kind, seq = excluded.seq, name = excluded.name, detail = excluded.detail,
    created_at = excluded.created_at";

/// Notes what a step waits for; one that waited for something else waits no more for that.
pub fn insert(tx: &WriteTx, waiter: &Waiter) -> Result<()> {
    let Waiter { run, idx, kind, seq, name, detail, created_at } = waiter;
    tx.execute(INSERT, params![run.as_bytes(), idx, kind.as_str(), seq, name, detail, created_at])?;
    Ok(())
}

const GET: &str = columns!("where run_id = ?1 and idx = ?2");

/// What a step waits for.
pub fn get(tx: &ReadTx, run: RunId, idx: u32) -> Result<Option<Waiter>> {
    Ok(tx.one(GET, params![run.as_bytes(), idx], waiter)?)
}

const DELETE: &str = "delete from waiter where run_id = ?1 and idx = ?2 returning kind";

/// Forgets that a step waits; answers for what it did.
pub fn delete(tx: &WriteTx, run: RunId, idx: u32) -> Result<Option<Awaited>> {
    let kinds = tx.returning(DELETE, params![run.as_bytes(), idx], |row| {
        Ok(Awaited::read(row.get_ref(0)?.as_str()?))
    })?;
    Ok(kinds.first().copied())
}

const OF_EVENT: &str = columns!("where name = ?1 order by run_id, idx limit ?2");

/// The steps that wait for an event of that name or of a beginning of it, the oldest runs first.
pub fn of_event(tx: &ReadTx, name: &str, limit: u32) -> Result<Vec<Waiter>> {
    let mut found = tx.all(OF_EVENT, params![name, page(limit)], waiter)?;
    // A pattern is a beginning and `*`: every beginning is looked up, an index lookup each.
    for end in (0..=name.len()).filter(|end| name.is_char_boundary(*end)) {
        let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
        if left == 0 {
            break;
        }
        let pattern = format!("{}*", name.get(..end).unwrap_or_default());
        found.extend(tx.all(OF_EVENT, params![pattern, page(left)], waiter)?);
    }
    Ok(found)
}

const COUNT_EVENTS: &str = "select count(*) from waiter where name is not null";

/// How many steps wait for events. Reads the whole index: for start.
pub fn count_events(tx: &ReadTx) -> Result<i64> {
    Ok(tx.one(COUNT_EVENTS, [], |row| row.get(0))?.unwrap_or_default())
}

const APPROVALS: &str =
    columns!("where kind = 'approval' and run_id < ?1 order by run_id desc, idx limit ?2");

/// The steps that wait for a decision, those of the newest runs first, of runs older than the cursor.
pub fn approvals(tx: &ReadTx, cursor: Option<RunId>, limit: u32) -> Result<Vec<Waiter>> {
    Ok(tx.all(APPROVALS, params![before(cursor.as_ref()), page(limit)], waiter)?)
}
