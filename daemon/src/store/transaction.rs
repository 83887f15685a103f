//! What the functions of the tables take: a read snapshot, or one closure's part of a write transaction.
//!
//! **Invariant:** nothing outside of `store` sees a connection. A function that takes `&WriteTx` runs on the one
//! writer of its file, inside a transaction that somebody else begins and commits; it never waits for anything.

use std::cell::{Cell, RefCell};
use std::ops::Deref;

use rusqlite::{Connection, Params, Row};
use tenantry_protocol::merkle::Frontier;

/// One consistent snapshot of a file.
pub struct ReadTx<'c> {
    connection: &'c Connection,
}

impl<'c> ReadTx<'c> {
    pub(super) const fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    /// The first row, if there is one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(map).transpose()
    }

    /// Every row. The statement carries its own limit.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_map(params, map)?.collect()
    }

    /// Feeds every row to `each`, without keeping them.
    pub(super) fn each(
        &self,
        sql: &str,
        params: impl Params,
        mut each: impl FnMut(&Row<'_>) -> crate::error::Result<()>,
    ) -> crate::error::Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        Ok(())
    }
}

/// What runs after the commit, on the committer's thread.
pub(super) type Hook = Box<dyn FnOnce() + Send>;

/// One closure's part of a write transaction. Reads see what was written before in the same transaction.
pub struct WriteTx<'c> {
    read: ReadTx<'c>,
    hooks: RefCell<Vec<Hook>>,
    /// The right edge of the file's audit tree, with what this transaction appended.
    pub(super) frontier: RefCell<Frontier>,
    /// How many statements of the transaction have changed rows.
    pub(super) changes: Cell<u64>,
}

impl<'c> WriteTx<'c> {
    pub(super) fn new(connection: &'c Connection, frontier: Frontier) -> Self {
        Self {
            read: ReadTx::new(connection),
            hooks: RefCell::default(),
            frontier: RefCell::new(frontier),
            changes: Cell::new(0),
        }
    }

    /// Runs `hook` on the committer's thread once the transaction is on disk, before the writer of this closure
    /// gets its answer. Hooks of one file run in the order in which they were given; they must be short.
    /// A closure that fails takes its hooks with it.
    pub fn on_commit(&self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.borrow_mut().push(Box::new(hook));
    }

    /// Runs a statement that changes rows; answers how many.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        let changed = self.connection.prepare_cached(sql)?.execute(params)?;
        if changed > 0 {
            self.changes.set(self.changes.get() + 1);
        }
        Ok(changed)
    }

    /// Runs a statement that changes rows and gives them back.
    pub(super) fn returning<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let rows = self.all(sql, params, map)?;
        if !rows.is_empty() {
            self.changes.set(self.changes.get() + 1);
        }
        Ok(rows)
    }

    /// The rowid that the last insert of this transaction was given.
    pub(super) fn last_rowid(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    pub(super) fn hook_count(&self) -> usize {
        self.hooks.borrow().len()
    }

    pub(super) fn forget_hooks_after(&self, count: usize) {
        self.hooks.borrow_mut().truncate(count);
    }

    pub(super) fn take_hooks(&self) -> Vec<Hook> {
        self.hooks.take()
    }
}

impl<'c> Deref for WriteTx<'c> {
    type Target = ReadTx<'c>;
    fn deref(&self) -> &Self::Target {
        &self.read
    }
}
