//! A COMMIT that failed: neither done nor undone. An error from the disk can come after the commit record was
//! written, and what the same connection shows afterwards proves nothing.
//!
//! So the file is fenced: closed, reopened, and asked for the number of its last batch. If the batch is there, the
//! WAL is copied into the file and synced again before anybody hears of it, because the failed sync may never have
//! reached the disk. Until all that works, the tenant is degraded and new writes are refused.

use std::time::Duration;

use tenantry_protocol::error::ErrorCode;

use super::work::Work;
use super::writer::Writer;
use crate::error::{Error, Result};
use crate::store::fault;
use crate::store::transaction::Hook;

/// The first pause before a fenced file is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a reader may be in the way of the checkpoint that proves a batch.
const READER_WAIT_MS: u32 = 2_000;

/// A batch of which nobody knows whether it is on disk, or a file that has yet to show that it can be written.
pub(in crate::store) struct Unresolved {
    works: Vec<Box<dyn Work>>,
    hooks: Vec<Hook>,
    /// The number that the batch would have.
    expected: i64,
    cause: rusqlite::Error,
    pause: Duration,
}

/// What the reopened file says.
pub(super) enum Verdict {
    /// The batch is on disk: run the hooks, then answer.
    Landed(Writer, Vec<Box<dyn Work>>, Vec<Hook>),
    /// Nothing of the batch is on disk: refuse with the error.
    Undone(Option<Writer>, Vec<Box<dyn Work>>, ErrorCode),
    /// The file does not say yet; it is asked again after its pause.
    Unknown(Error),
}

impl Unresolved {
    pub(super) fn new(
        works: Vec<Box<dyn Work>>,
        hooks: Vec<Hook>,
        expected: i64,
        cause: rusqlite::Error,
    ) -> Self {
        Self { works, hooks, expected, cause, pause: FIRST_PAUSE }
    }

    /// How long to wait before the next try; longer each time.
    pub(super) fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// The error for whoever waited in vain.
    pub(super) fn refusal(&self, code: ErrorCode) -> Error {
        Error::new(code, code.title()).with_operator(format!("a commit failed: {}", self.cause))
    }

    /// Gives up: the file was set aside.
    pub(super) fn take_works(&mut self) -> Vec<Box<dyn Work>> {
        self.works.split_off(0)
    }

    pub(super) const fn cause(&self) -> &rusqlite::Error {
        &self.cause
    }

    /// Asks the file, through a new writer, what became of the batch.
    pub(super) fn resolve(&mut self, reopen: impl FnOnce() -> Result<Writer>) -> Verdict {
        let mut writer = match reopen() {
            Ok(writer) => writer,
            Err(error) => return Verdict::Unknown(error),
        };
        let cause = fault::code_of(&self.cause);
        if writer.batch() >= self.expected {
            return match writer.checkpoint_all(READER_WAIT_MS) {
                Ok(true) => Verdict::Landed(writer, self.works.split_off(0), self.hooks.split_off(0)),
                Ok(false) => Verdict::Unknown(Error::from(ErrorCode::StoreBusy)),
                Err(error) => Verdict::Unknown(fault::sql("sync a batch again", error)),
            };
        }
        let works = self.works.split_off(0);
        self.hooks.clear();
        // A full disk needs no probe: the next write finds out, and reads go on.
        let writer = (cause == ErrorCode::StoreFull || writer.probe().is_ok()).then_some(writer);
        Verdict::Undone(writer, works, cause)
    }
}
