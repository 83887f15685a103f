//! Faults for tests: a COMMIT that fails before or after it took effect, as a failing disk makes it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

pub(crate) use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_FSYNC};
use rusqlite::{Connection, ffi};

use crate::store::locked;

/// Where the COMMIT fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing reached the file.
    Before(i32),
    /// Everything reached the file, and the disk reported an error all the same.
    After(i32),
}

static FAULTS: LazyLock<Mutex<HashMap<PathBuf, Vec<Fault>>>> = LazyLock::new(Mutex::default);

/// Lets the next commits of the file fail, one after another.
pub(crate) fn inject(path: &Path, faults: &[Fault]) {
    locked(&FAULTS).entry(path.to_owned()).or_default().extend(faults.iter().rev());
}

fn next(connection: &Connection) -> Option<Fault> {
    let mut faults = locked(&FAULTS);
    faults.get_mut(Path::new(connection.path()?))?.pop()
}

pub(super) fn around_commit(
    connection: &Connection,
    commit: impl FnOnce() -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let failure = |code| Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    match next(connection) {
        None => commit(),
        Some(Fault::Before(code)) => failure(code),
        Some(Fault::After(code)) => {
            commit()?;
            failure(code)
        }
    }
}
