//! `tenantry runner`: the process in which untrusted code executes. The daemon starts it; people do not.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use tenantry_runner::Mode;

use crate::failure::Failure;

/// Host untrusted code in a sandbox; the daemon starts this by itself
#[derive(Args, Debug)]
#[command(hide = true)]
pub(crate) struct Runner {
    /// Which part of the runner this process plays
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl Runner {
    /// Plays the part to its end; nothing may have started a thread before.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let mode = Mode::parse(self.words).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(tenantry_runner::main(mode))
    }
}

/// Evaluates jq filters for commands that have no daemon, in a process of their own as the daemon's runner does.
pub(crate) fn filters(limit: std::time::Duration) -> Result<tenantry_runner::FilterWorker, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::file("find", std::path::Path::new("/proc/self/exe"), &error))?;
    Ok(tenantry_runner::FilterWorker::new(program, limit))
}

/// Plays a part that the runner gave itself, without building the whole command line first: this happens once a
/// script, and the command line is the larger half of such a start.
pub(crate) fn at_once() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != "runner" {
        return None;
    }
    match Mode::parse(words).ok()? {
        // Started by a person or by the daemon: options and help are theirs.
        Mode::Serve => None,
        mode => Some(tenantry_runner::main(mode)),
    }
}
