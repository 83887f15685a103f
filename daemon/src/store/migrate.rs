//! Brings a file to the present schema, step by step and forward only.
//!
//! Each step is one transaction and leaves its SHA-256 behind. Before an existing file is changed, a snapshot of it
//! is made beside it. A file of a newer release, of another program, or that is no database is refused: it is
//! never changed and never deleted. The steps themselves are in `migrations/`.

use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use rusqlite::{Connection, MAIN_DB, OptionalExtension, Transaction, TransactionBehavior, params};
use rustix::fs::Access;
use tenantry_protocol::error::ErrorCode;

use super::connection::{self, APPLICATION_ID, Sizes, Use};
use super::fault;
use crate::error::{Error, Result};

/// One step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Its file in `migrations/`, for messages.
    name: &'static str,
    sql: &'static str,
}

#[cfg(test)]
impl Step {
    pub(super) const fn for_tests(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql }
    }
}

macro_rules! steps {
    ($folder:literal: $($name:literal),+) => {
        &[$(Step {
            name: concat!($folder, "/", $name),
            sql: include_str!(concat!("../../../migrations/", $folder, "/", $name, ".sql")),
        }),+]
    };
}

/// The steps of a tenant's file. The number of a step is its place, counted from 1.
pub(super) const TENANT: &[Step] = steps!(
    "tenant": "0001_init", "0002_runs", "0003_flow", "0004_event_triggers", "0005_schedules", "0006_awaited"
);
/// The steps of control.db.
pub(super) const CONTROL: &[Step] = steps!("control": "0001_init");

/// Where the digests of the applied steps are kept.
const LEDGER: &str = "
create table if not exists migration (
    number  integer not null primary key,
    sha256  blob    not null check (length(sha256) = 32),
    at      integer not null
) strict";

const RECORD: &str = "insert into migration (number, sha256, at) values (?1, ?2, ?3)";

/// Brings the file to the last of the steps; creates it if there is none.
pub(super) fn apply(path: &Path, steps: &[Step], sizes: Sizes, now: i64) -> Result<()> {
    let mut connection = connection::open(path, Use::Maintain, sizes)?;
    let present = identify(&connection, path, steps)?;
    if present == steps.len() {
        return Ok(());
    }
    if present == 0 {
        connection::found(&connection).map_err(|error| fault::sql("make a database", error))?;
    } else {
        snapshot(&connection, path, present + 1)?;
    }
    for (number, step) in (1..).zip(steps).skip(present) {
        take(&mut connection, number, step, now)
            .map_err(|error| fault::sql(&format!("apply migration {}", step.name), error))?;
    }
    Ok(())
}

/// How many steps the file has taken. Fails where the file is not ours, newer, or took other steps than these.
pub(super) fn identify(connection: &Connection, path: &Path, steps: &[Step]) -> Result<usize> {
    let read = |error| refusal(path, error);
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(read)?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(read)?;
    // Only now has SQLite looked at the header. A file that we may write, and that says of itself that it is not to be
    // written, has a damaged header.
    if connection.is_readonly(MAIN_DB).map_err(read)? && is_writable(path) {
        let what = format!("{}: its header forbids writing", path.display());
        return Err(Error::from(ErrorCode::StoreCorrupt).with_operator(what));
    }
    let version = version as usize;
    let tables: i64 =
        connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0)).map_err(read)?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(Error::from(ErrorCode::StoreForeign).with_operator(path.display().to_string()));
    }
    if version > steps.len() {
        let what = format!("{}: schema {version}, this release knows {}", path.display(), steps.len());
        return Err(Error::from(ErrorCode::StoreNewer).with_operator(what));
    }
    for (number, step) in (1_i64..).zip(steps).take(version) {
        let recorded: Option<Vec<u8>> = connection
            .query_row("select sha256 from migration where number = ?1", [number], |row| row.get(0))
            .optional()
            .map_err(read)?;
        if recorded.as_deref() != Some(digest(&SHA256, step.sql.as_bytes()).as_ref()) {
            let what = format!("{}: migration {} is not the one that was applied", path.display(), step.name);
            return Err(Error::from(ErrorCode::StoreForeign).with_operator(what));
        }
    }
    Ok(version)
}

/// Whether the file system would let us write the file.
fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, Access::WRITE_OK).is_ok()
}

fn refusal(path: &Path, error: rusqlite::Error) -> Error {
    fault::sql(&format!("read the header of {}", path.display()), error)
}

fn take(connection: &mut Connection, number: i64, step: &Step, now: i64) -> rusqlite::Result<()> {
    let tx = Transaction::new(connection, TransactionBehavior::Immediate)?;
    if number == 1 {
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    tx.execute_batch(LEDGER)?;
    tx.execute_batch(step.sql)?;
    tx.execute(RECORD, params![number, digest(&SHA256, step.sql.as_bytes()).as_ref(), now])?;
    tx.pragma_update(None, "user_version", number)?;
    tx.commit()
}

/// Where the snapshot before step `number` lies.
fn snapshot_path(path: &Path, number: usize) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".before-{number:04}"));
    path.with_file_name(name)
}

/// Copies the file as it is now. The name appears only when the copy is whole and durable; an earlier snapshot of
/// the same step is kept, because it is the older truth.
fn snapshot(connection: &Connection, path: &Path, number: usize) -> Result<()> {
    let target = snapshot_path(path, number);
    if target.exists() {
        return Ok(());
    }
    copy_into(connection, &target)
}

/// Writes a compact, consistent copy of the database to `target`, durable before it has its name.
pub(super) fn copy_into(connection: &Connection, target: &Path) -> Result<()> {
    let mut partial = target.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(fault::io("remove a partial snapshot", error));
        }
        _ => {}
    }
    let name = partial.to_str().ok_or_else(|| Error::internal("the data folder's path is not UTF-8"))?;
    connection.execute("vacuum into ?1", [name]).map_err(|error| fault::sql("write a snapshot", error))?;
    make_durable(&partial, target).map_err(|error| fault::io("finish a snapshot", error))?;
    connection::sync_folder(target.parent().unwrap_or(target))
}

fn make_durable(partial: &Path, target: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let file = std::fs::File::open(partial)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.sync_all()?;
    std::fs::rename(partial, target)
}
