//! The `tenantry` binary: the daemon, the runner, the dashboard and the command line in one file to copy.
//!
//! [`commands`] has one file a command; each calls the daemon through a [`session`] and writes through [`output`].
//! Must never happen here: a decision about a tenant's data. The daemon decides; this shows and asks.

mod commands;
mod diff;
mod exit;
mod failure;
mod input;
mod invocation;
mod moment;
mod output;
mod place;
mod session;
mod socket;
mod state;
mod table;
mod words;

use std::process::ExitCode;

use clap::Parser;

use invocation::Invocation;

/// A run of the daemon is some hundreds of small allocations on one thread, freed on another; the allocator of the C
/// library spends a fifth of its time on them. See docs/performance.md.
#[cfg(feature = "server")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(feature = "server")]
    if let Some(code) = commands::runner::at_once() {
        return code;
    }
    let Invocation { global, command } = Invocation::parse();
    let output = global.output();
    match command.run(&global, output) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.exit().into()
        }
    }
}
