//! Judges one cut: is everything there that was acknowledged, and does what is there make sense?

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::trace::Mark;

/// What the oracle must know of a workload's tables.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// The database, relative to the data folder. A `*` stands for one folder, the last by name of those that fit.
    pub database: &'static str,
    /// Yields `(lane, number)` for every commit whose traces are in the tables.
    pub present: &'static str,
    /// Invariants: what is promised, and a query that counts the violations.
    pub rules: &'static [(&'static str, &'static str)],
}

/// How one cut ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything acknowledged is there and every invariant holds.
    Kept,
    /// An acknowledged commit is gone.
    Lost(String),
    /// SQLite finds the file damaged.
    Damaged(String),
    /// The file is sound, yet what it says cannot be: half a commit, a gap.
    Broken(String),
}

/// Opens what the power cut left in `folder` and compares it with what was acknowledged before the cut: for each lane
/// the highest number.
pub fn judge(folder: &Path, subject: &Subject, acknowledged: &BTreeMap<u32, u32>) -> Verdict {
    let Some(path) = find(folder, subject.database) else {
        return lost_all(acknowledged, "the database is not there");
    };
    match open_and_judge(&path, subject, acknowledged) {
        Ok(verdict) => verdict,
        Err(error) => Verdict::Damaged(error.to_string()),
    }
}

fn lost_all(acknowledged: &BTreeMap<u32, u32>, why: &str) -> Verdict {
    if acknowledged.values().all(|number| *number == 0) {
        Verdict::Kept
    } else {
        Verdict::Lost(why.to_owned())
    }
}

/// `tenants/*/tenant.db`: one `*`, standing for one folder.
fn find(folder: &Path, pattern: &str) -> Option<std::path::PathBuf> {
    let Some((before, after)) = pattern.split_once("*/") else {
        return Some(folder.join(pattern)).filter(|path| path.exists());
    };
    let entries = std::fs::read_dir(folder.join(before)).ok()?;
    // Ids sort by age: what an earlier, failed creation left is not meant.
    entries.filter_map(Result::ok).map(|entry| entry.path().join(after)).filter(|path| path.exists()).max()
}

fn open_and_judge(
    path: &Path,
    subject: &Subject,
    acknowledged: &BTreeMap<u32, u32>,
) -> rusqlite::Result<Verdict> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // The judge owns the copy: no shared memory file, and nothing that it does needs to last.
    db.execute_batch("pragma locking_mode=exclusive; pragma synchronous=off;")?;
    let integrity: String = db.query_row("pragma integrity_check(1)", [], |row| row.get(0))?;
    if integrity != "ok" {
        return Ok(Verdict::Damaged(integrity));
    }
    let mut statement = match db.prepare(subject.present) {
        Ok(statement) => statement,
        Err(error) if error.to_string().contains("no such table") => {
            return Ok(lost_all(acknowledged, "the tables are not there"));
        }
        Err(error) => return Err(error),
    };
    let rows = statement.query_map([], |row| Ok(Mark { lane: row.get(0)?, number: row.get(1)? }))?;
    let mut present: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for mark in rows {
        let mark = mark?;
        present.entry(mark.lane).or_default().push(mark.number);
    }
    for (lane, number) in acknowledged {
        let found = present.get(lane).map_or(0, Vec::len) as u32;
        if found < *number {
            return Ok(Verdict::Lost(format!("lane {lane}: {number} acknowledged, {found} there")));
        }
    }
    for (lane, numbers) in &mut present {
        numbers.sort_unstable();
        if numbers.iter().zip(1..).any(|(found, wanted)| *found != wanted) {
            return Ok(Verdict::Broken(format!("lane {lane} has a gap or a double")));
        }
    }
    for (promise, query) in subject.rules {
        let violations: i64 = db.query_row(query, [], |row| row.get(0))?;
        if violations > 0 {
            return Ok(Verdict::Broken(format!("{promise}: {violations} violations")));
        }
    }
    Ok(Verdict::Kept)
}
