//! Counters and processor times, read at both ends of a phase.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::Bench;
use crate::board::Lane;
use crate::process::{children, processor};

/// What has happened up to a moment.
pub(super) struct Reading {
    pub(super) at: Instant,
    pub(super) accepted: u64,
    pub(super) completed: u64,
    /// Transactions of the tenants' files.
    pub(super) batches: i64,
    /// Seconds of processor time.
    pub(super) daemon: f64,
    pub(super) runner: f64,
    pub(super) own: f64,
}

impl Reading {
    /// Events and runs are those of the lane.
    pub(super) fn take(bench: &Bench, lane: Lane) -> io::Result<Self> {
        let counts = bench.board.counts(lane);
        let pid = bench.daemon.pid();
        let batches = bench.daemon.tenant_files().into_iter().map(|file| batches(&file));
        let batches = batches.sum::<rusqlite::Result<i64>>().map_err(io::Error::other)?;
        Ok(Self {
            batches,
            daemon: processor(pid),
            runner: children(pid).into_iter().map(processor).sum(),
            own: processor(std::process::id()),
            accepted: counts.accepted.load(Relaxed),
            completed: counts.completed.load(Relaxed),
            at: Instant::now(),
        })
    }
}

/// How many transactions a tenant's file has seen.
fn batches(file: &std::path::Path) -> rusqlite::Result<i64> {
    let connection = rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.query_row("select batch from head", [], |row| row.get(0))
}
