//! The one writing connection of a file: runs closures in one transaction and commits them together.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, MutexGuard};

use rusqlite::{Connection, params};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::merkle::Frontier;

use super::fence::Unresolved;
use super::work::Work;
use crate::error::{Error, Result};
use crate::store::connection::{self, Sizes, Use};
use crate::store::transaction::Hook;
use crate::store::{WriteTx, fault};

/// Pages in the WAL from which a checkpoint is worth its syncs.
const CHECKPOINT_PAGES: i32 = 2_000;
/// Bytes of a page.
const PAGE_BYTES: u64 = 4_096;

/// The writer's seat at a file.
pub(in crate::store) struct Writer {
    connection: Connection,
    /// The right edge of the audit tree as it is on disk.
    frontier: Frontier,
    /// The number of the last batch on disk.
    batch: i64,
    /// Pages in the WAL after the last commit.
    wal_pages: Arc<AtomicI32>,
}

/// What became of a transaction.
pub(super) enum Part {
    /// It is on disk: run the hooks, then answer.
    Committed { works: Vec<Box<dyn Work>>, hooks: Vec<Hook> },
    /// The commit failed: nobody knows before the file was reopened.
    Indeterminate(Unresolved),
    /// Nothing of it is on disk.
    Lost { works: Vec<Box<dyn Work>>, code: ErrorCode, error: Error },
}

/// What became of one closure.
enum Fate {
    Kept,
    Undone,
    /// It failed after it wrote, and took no savepoint: everything before it goes with it.
    Spoilt,
    /// SQLite gave up the whole transaction, or the file is damaged.
    Lost(ErrorCode),
}

const HEAD: &str = "select batch, audit_size, audit_frontier from head";
const SET_HEAD: &str = "update head set batch = ?1, audit_size = ?2, audit_frontier = ?3";

impl Writer {
    pub(in crate::store) fn open(path: &Path, sizes: Sizes) -> Result<Self> {
        let mut connection = connection::open(path, Use::Write, sizes)?;
        let wal_pages = Arc::new(AtomicI32::new(0));
        let pages = Arc::clone(&wal_pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            pages.store(count, Ordering::Relaxed);
            Ok(())
        }))?;
        let (batch, size, peaks): (i64, i64, Vec<u8>) =
            connection.query_row(HEAD, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let frontier = Frontier::from_bytes(size.unsigned_abs(), &peaks)
            .ok_or_else(|| Error::from(ErrorCode::StoreCorrupt).with_operator("the head of the audit log"))?;
        Ok(Self { connection, frontier, batch, wal_pages })
    }

    /// The number of the last batch on disk.
    pub(super) const fn batch(&self) -> i64 {
        self.batch
    }

    pub(super) const fn raw(&self) -> &Connection {
        &self.connection
    }

    /// Runs the closures in one transaction, until it is committed or lost; those that are left in `works` were
    /// not touched. `turn` is given up when the closures have run.
    ///
    /// Closures that may be run again go first and without a savepoint, because a savepoint copies every page that
    /// is touched within it. If one of them fails after it wrote, the transaction begins anew, with savepoints.
    pub(super) fn commit(&mut self, works: &mut VecDeque<Box<dyn Work>>, turn: MutexGuard<'_, ()>) -> Part {
        let tx = WriteTx::new(&self.connection, self.frontier.clone());
        let mut ran = Vec::with_capacity(works.len());
        if works.iter().any(|work| !work.is_repeatable()) {
            works.make_contiguous().sort_by_key(|work| !work.is_repeatable());
        }
        if let Err(error) = exec(&self.connection, "begin immediate") {
            ran.extend(works.drain(..));
            return lost(ran, "begin a transaction", error);
        }
        let mut guarded = false;
        while let Some(mut work) = works.pop_front() {
            guarded |= !work.is_repeatable();
            let fate = run(&self.connection, &tx, &mut *work, guarded);
            ran.push(work);
            let code = match fate {
                Ok(Fate::Kept | Fate::Undone) => continue,
                Ok(Fate::Spoilt) => match begin_anew(&self.connection, &tx, 0, &self.frontier) {
                    Ok(()) => {
                        for work in ran.drain(..).rev() {
                            works.push_front(work);
                        }
                        guarded = true;
                        continue;
                    }
                    Err(error) => fault::code_of(&error),
                },
                Ok(Fate::Lost(code)) => code,
                Err(error) => fault::code_of(&error),
            };
            abandon(&self.connection);
            let error = Error::from(code).with_operator("the transaction was given up");
            return Part::Lost { works: ran, code, error };
        }
        let expected = self.batch + 1;
        let frontier = tx.frontier.take();
        if tx.changes.get() > 0 {
            let (size, peaks) = (frontier.size() as i64, frontier.to_bytes());
            if let Err(error) = tx.execute(SET_HEAD, params![expected, size, peaks]) {
                abandon(&self.connection);
                return lost(ran, "write the head", error);
            }
        }
        let hooks = tx.take_hooks();
        // From here on the disk works, not the processor: another file's closures may run.
        drop(turn);
        if let Err(error) = commit(&self.connection) {
            return Part::Indeterminate(Unresolved::new(ran, hooks, expected, error));
        }
        if tx.changes.get() > 0 {
            self.batch = expected;
            self.frontier = frontier;
        }
        Part::Committed { works: ran, hooks }
    }

    /// Copies WAL pages into the file when there are enough of them; cuts the WAL when it is above the limit.
    /// After the answers, so that nobody waits for it.
    pub(super) fn checkpoint_if_due(&self, wal_limit: u64) -> rusqlite::Result<()> {
        let pages = self.wal_pages.load(Ordering::Relaxed);
        if pages < CHECKPOINT_PAGES {
            return Ok(());
        }
        if u64::from(pages.unsigned_abs()) * PAGE_BYTES > wal_limit {
            return self.checkpoint_all(50).map(|_| ());
        }
        drain(&self.connection, "pragma wal_checkpoint(passive)").map(|_| ())
    }

    /// Copies the whole WAL into the file and empties it; false if a reader was in the way for `wait_ms`.
    pub(super) fn checkpoint_all(&self, wait_ms: u32) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(std::time::Duration::from_millis(wait_ms.into()))?;
        let busy = drain(&self.connection, "pragma wal_checkpoint(truncate)");
        self.connection.busy_timeout(std::time::Duration::from_secs(5))?;
        if matches!(busy, Ok(0)) {
            self.wal_pages.store(0, Ordering::Relaxed);
        }
        busy.map(|busy| busy == 0)
    }

    /// Commits a change that means nothing, to see whether the disk takes it.
    pub(super) fn probe(&mut self) -> rusqlite::Result<()> {
        self.connection.execute("update head set batch = batch + 1", [])?;
        self.batch += 1;
        Ok(())
    }
}

fn lost(works: Vec<Box<dyn Work>>, operation: &str, error: rusqlite::Error) -> Part {
    let code = fault::code_of(&error);
    Part::Lost { works, code, error: fault::sql(operation, error) }
}

/// Runs one closure so that, if it fails, nothing of it stays. While nothing was written before it, beginning anew
/// is enough; afterwards it takes a savepoint, if it is `guarded`.
fn run(
    connection: &Connection,
    tx: &WriteTx<'_>,
    work: &mut dyn Work,
    guarded: bool,
) -> rusqlite::Result<Fate> {
    let before = tx.changes.get();
    let savepoint = guarded && before > 0;
    if savepoint {
        exec(connection, "savepoint closure")?;
    }
    let (hooks, frontier) = (tx.hook_count(), tx.frontier.borrow().clone());
    let failure = work.run(tx);
    if connection.is_autocommit() {
        return Ok(Fate::Lost(failure.unwrap_or(ErrorCode::Internal)));
    }
    let Some(code) = failure else {
        if savepoint {
            exec(connection, "release closure")?;
        }
        return Ok(Fate::Kept);
    };
    if code == ErrorCode::StoreCorrupt {
        return Ok(Fate::Lost(code));
    }
    let wrote = tx.changes.get() > before;
    if wrote && before > 0 && !savepoint {
        return Ok(Fate::Spoilt);
    }
    if savepoint {
        tx.forget_hooks_after(hooks);
        exec(connection, "rollback to closure")?;
        exec(connection, "release closure")?;
        tx.changes.set(before);
        tx.frontier.replace(frontier);
    } else if wrote {
        begin_anew(connection, tx, hooks, &frontier)?;
    } else {
        tx.forget_hooks_after(hooks);
    }
    Ok(Fate::Undone)
}

/// Undoes everything that the transaction wrote and begins it again; the first `hooks` hooks stay.
fn begin_anew(
    connection: &Connection,
    tx: &WriteTx<'_>,
    hooks: usize,
    frontier: &Frontier,
) -> rusqlite::Result<()> {
    exec(connection, "rollback")?;
    exec(connection, "begin immediate")?;
    tx.forget_hooks_after(hooks);
    tx.changes.set(0);
    tx.frontier.replace(frontier.clone());
    Ok(())
}

fn exec(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// Runs a statement that answers with rows; gives the first column of the first.
fn drain(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    connection.query_row(sql, [], |row| row.get(0))
}

/// Ends a transaction of which nothing shall stay, if it is still there.
fn abandon(connection: &Connection) {
    if !connection.is_autocommit() {
        // If even this fails, the connection is dropped with the seat, and that rolls back.
        drop(exec(connection, "rollback"));
    }
}

#[cfg(not(test))]
fn commit(connection: &Connection) -> rusqlite::Result<()> {
    exec(connection, "commit")
}

#[cfg(test)]
fn commit(connection: &Connection) -> rusqlite::Result<()> {
    super::fault_point::around_commit(connection, || exec(connection, "commit"))
}
