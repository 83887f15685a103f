//! What the system tells the process: end, your terminal is gone, stop, go on.

use std::io;
use std::time::Duration;

use rustix::process::{getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::TuiError;

/// How long to wait to be continued where nobody stops the process: its group has no shell.
const STOP_LIMIT: Duration = Duration::from_millis(500);

/// The signals that the dashboard takes.
pub struct Signals {
    terminate: Signal,
    hang_up: Signal,
    go_on: Signal,
}

impl Signals {
    /// Takes them from here on.
    pub fn new() -> Result<Self, TuiError> {
        let go_on = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            go_on: signal(go_on)?,
        })
    }

    /// Waits until the dashboard is to end. A hang-up means that the terminal is gone or about to be.
    pub async fn told_to_end(&mut self) -> Result<(), TuiError> {
        tokio::select! {
            _ = self.terminate.recv() => Ok(()),
            _ = self.hang_up.recv() => Err(TuiError::TerminalLost),
        }
    }

    /// Stops the process as a job of the shell; returns once it goes on.
    ///
    /// The stop reaches some thread a moment after the call: nothing may touch the terminal before it has gone on.
    pub async fn stop_until_continued(&mut self) -> Result<(), TuiError> {
        kill_process(getpid(), rustix::process::Signal::TSTP).map_err(io::Error::from)?;
        // After a stop both have happened, and it does not matter which is seen.
        drop(tokio::time::timeout(STOP_LIMIT, self.go_on.recv()).await);
        Ok(())
    }
}
