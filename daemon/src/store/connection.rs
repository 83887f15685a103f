//! The only place that opens a database. Every connection leaves here with the same settings, asserted by a test
//! that reads them back.
//!
//! **Invariant:** `synchronous=FULL` everywhere: anything less forgets acknowledged commits in a power cut.
//! **Invariant:** no file of the store is ever opened by other means while a connection to it lives, because
//! closing any descriptor drops the whole process's POSIX locks on the file.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use tenantry_protocol::error::ErrorCode;

use super::fault;
use crate::clock::{Clock, Moment};
use crate::config;
use crate::error::{Error, Result};

/// `TNRY`: marks our files, so that a foreign database is refused.
pub(super) const APPLICATION_ID: i32 = 0x544e_5259;

/// The largest row or value, bytes.
const LENGTH_LIMIT: i32 = 16 * 1024 * 1024;
/// Prepared statements a connection keeps; above the number of statements in this room.
const STATEMENTS: usize = 192;
/// How long a statement waits for another process's lock, milliseconds.
const BUSY_MS: i32 = 5_000;
/// Virtual machine instructions between two looks at a reader's time budget.
const BUDGET_OPS: i32 = 10_000;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The one writer of a file.
    Write,
    /// Snapshots for requests and stages.
    Read,
    /// Migrations, `VACUUM INTO`, checks: may attach, lives shortly.
    Maintain,
}

/// What the configuration says about every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Page cache of one connection, KiB.
    pub(super) cache_kib: i32,
    /// What the WAL is cut to after a checkpoint that emptied it, bytes.
    pub(super) wal_keep: i64,
}

impl Sizes {
    pub(super) fn new(limits: &config::Store) -> Self {
        Self {
            cache_kib: i32::try_from(limits.cache.0 / 1024).unwrap_or(i32::MAX),
            wal_keep: i64::try_from(limits.wal_limit.0).unwrap_or(i64::MAX),
        }
    }
}

/// Opens the file for the use; creates it for all uses but reading.
#[expect(clippy::disallowed_methods, reason = "the one place that opens databases")]
pub(super) fn open(path: &Path, purpose: Use, sizes: Sizes) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    if purpose == Use::Read {
        // Not read-only: the last reader of a WAL file must be able to recover it. `query_only` forbids writes.
        flags |= OpenFlags::SQLITE_OPEN_READ_WRITE;
    } else {
        create_private(path)?;
        flags |= OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    }
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        settle_in(&connection, purpose, sizes)?;
        Ok(connection)
    };
    let mut connection = open().map_err(|error| fault::sql("open a database", error))?;
    if purpose == Use::Read {
        connection.authorizer(Some(read_only))?;
    }
    Ok(connection)
}

/// Creates an empty file that only we can read; SQLite gives its mode to the WAL beside it.
fn create_private(path: &Path) -> Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(fault::io("create a database file", error)),
    }
}

/// Creates a folder that only we can enter, with its parents.
pub(super) fn create_folder(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| fault::io("create a folder", error))
}

/// Makes the entries of a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<()> {
    fs::File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| fault::io("sync a folder", error))
}

fn settle_in(connection: &Connection, purpose: Use, sizes: Sizes) -> rusqlite::Result<()> {
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        // Plans do not depend on bound values: otherwise binding new ones makes SQLite prepare the statement again.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, purpose == Use::Maintain),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, purpose == Use::Maintain),
    ] {
        connection.set_db_config(config, on)?;
    }
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, LENGTH_LIMIT),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 50),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 250),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 5),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value)?;
    }
    if purpose != Use::Maintain {
        // VACUUM INTO needs one attachment.
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    set(connection, "busy_timeout", BUSY_MS)?;
    set(connection, "cell_size_check", 1)?;
    set(connection, "mmap_size", 0)?;
    set(connection, "synchronous", 2)?;
    set(connection, "foreign_keys", 1)?;
    set(connection, "trusted_schema", 0)?;
    set(connection, "temp_store", 2)?;
    set(connection, "secure_delete", if purpose == Use::Maintain { 1 } else { 2 })?;
    set(connection, "cache_size", -sizes.cache_kib)?;
    // Checkpoints are made by the committer between batches, never inside of a commit.
    set(connection, "wal_autocheckpoint", 0)?;
    connection.pragma_update_and_check(None, "journal_size_limit", sizes.wal_keep, |_| Ok(()))?;
    if purpose == Use::Read {
        set(connection, "query_only", 1)?;
    }
    Ok(())
}

/// Gives an empty file the properties that are kept in the file itself. Not part of opening: a file that turns out
/// to be somebody else's must not be changed by looking at it.
pub(super) fn found(connection: &Connection) -> rusqlite::Result<()> {
    set(connection, "auto_vacuum", 2)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
}

/// Sets a pragma, whether or not it answers with a row.
fn set(connection: &Connection, pragma: &str, value: i32) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("pragma {pragma} = {value}"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// What a reading connection may ask for: rows, and nothing else.
fn read_only(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Function { .. }
        | AuthAction::Recursive
        | AuthAction::Transaction { .. }
        | AuthAction::Pragma { pragma_value: None, .. } => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

/// How long a reader's snapshot may live: a forgotten one would keep the WAL from being cut.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    clock: Clock,
    origin: Moment,
    /// Milliseconds after `origin`.
    deadline: Arc<AtomicI64>,
}

impl Budget {
    /// Watches over the connection: its statements are interrupted once the deadline has passed.
    pub(super) fn watch(connection: &mut Connection, clock: &Clock) -> Result<Self> {
        let deadline = Arc::new(AtomicI64::new(i64::MAX));
        let budget = Self { clock: clock.clone(), origin: clock.instant(), deadline };
        let watched = budget.clone();
        connection.progress_handler(BUDGET_OPS, Some(move || watched.is_over()))?;
        Ok(budget)
    }

    /// Starts the time of one snapshot.
    pub(super) fn start(&self, limit: std::time::Duration) {
        let end = self.clock.elapsed(self.origin).saturating_add(limit);
        self.deadline.store(i64::try_from(end.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        let passed = self.clock.elapsed(self.origin).as_millis();
        i64::try_from(passed).unwrap_or(i64::MAX) > self.deadline.load(Ordering::Relaxed)
    }
}

/// The flags the bundled SQLite must have been built with; the build script's environment can get lost.
const BUILT_WITH: [&str; 4] = ["DQS=0", "OMIT_LOAD_EXTENSION", "THREADSAFE=1", "OMIT_SHARED_CACHE"];

/// Refuses to work with an SQLite that lacks the flags or the fix of the WAL-reset corruption.
pub(super) fn check_build(connection: &Connection) -> Result<()> {
    /// The first release without the WAL-reset corruption.
    const FIXED: i32 = 3_051_003;
    let mut statement = connection.prepare("pragma compile_options")?;
    let options: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let missing: Vec<_> =
        BUILT_WITH.iter().filter(|flag| !options.iter().any(|option| option == *flag)).collect();
    if !missing.is_empty() || rusqlite::version_number() < FIXED {
        let what = format!("SQLite {} was built without {missing:?}", rusqlite::version());
        return Err(Error::new(ErrorCode::Internal, "this binary was built with the wrong SQLite")
            .with_hint("build from the repository, whose .cargo/config.toml sets the flags")
            .with_operator(what));
    }
    Ok(())
}
