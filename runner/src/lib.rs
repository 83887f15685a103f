//! The sandbox host: executes what tenants wrote, and knows no tenant store.
//!
//! One binary plays five parts, told apart by the words after `tenantry runner`:
//!
//! ```text
//! daemon ── link ── serve            reads where to work, tries what this machine allows, waits
//!                     └─ inside      process 1 of its own namespaces; many calls at once
//!                          ├─ exec   the keeper of one script: shuts it in, ends all of it
//!                          │    └─ /bin/sh -c …
//!                          └─ jq     evaluates filters one after the other, is thrown away when one goes wrong
//! ```
//!
//! What must never happen here: a process of a call that outlives the call, or a call that outlives the daemon;
//! code of a tenant running before every measure of [`sandbox`] is in force; opening a socket that listens.
//! Go next to [`outer`] for the start, to [`serve`] for the life of a call, to [`sandbox`] for the walls.

#![cfg(target_os = "linux")]

mod jq;
mod keeper;
mod outer;
mod plan;
mod sandbox;
mod serve;
mod wire;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

pub use jq::FilterWorker;
pub use plan::Plan;

/// Which part this process plays.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// The outermost process, started by the daemon with the link as its standard input.
    Serve,
    /// Hidden: tries one level of isolation and exits.
    Probe(Box<Plan>),
    /// Hidden: the process that takes calls.
    Inside(Box<Plan>),
    /// Hidden: the keeper of one script.
    Exec,
    /// Hidden: a worker that evaluates jq filters.
    Jq,
}

/// The words after `tenantry runner` name no part.
#[derive(Debug, thiserror::Error)]
#[error("`tenantry runner` is started by the daemon and takes no such words; see `tenantry runner --help`")]
pub struct UnknownMode;

impl Mode {
    /// From the words after `tenantry runner`. Without any it is [`Mode::Serve`]; the others are used only by the
    /// runner itself.
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, UnknownMode> {
        let mut words = words.into_iter();
        let first = words.next();
        let mut plan = || {
            let text = words.next().and_then(|word| word.into_string().ok()).ok_or(UnknownMode)?;
            serde_json::from_str(&text).map(Box::new).map_err(|_| UnknownMode)
        };
        let mode = match first.as_ref().map(|word| word.to_str()) {
            None => Self::Serve,
            Some(Some("probe")) => Self::Probe(plan()?),
            Some(Some("inside")) => Self::Inside(plan()?),
            Some(Some("exec")) => Self::Exec,
            Some(Some("jq")) => Self::Jq,
            Some(_) => return Err(UnknownMode),
        };
        if words.next().is_some() { Err(UnknownMode) } else { Ok(mode) }
    }
}

/// Plays the part to its end. Call it first thing in `main`, while the process has one thread.
pub fn main(mode: Mode) -> ExitCode {
    let done = match mode {
        Mode::Serve => outer::serve(),
        Mode::Probe(plan) => outer::probe(&plan),
        Mode::Inside(plan) => serve::inside(&plan),
        Mode::Exec => keeper::keep(),
        Mode::Jq => jq::work(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed too.
            writeln!(std::io::stderr(), "tenantry runner: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_the_part_and_nothing_else_does() {
        let parse = |words: &[&str]| Mode::parse(words.iter().map(OsString::from));
        assert_eq!(parse(&[]).unwrap(), Mode::Serve);
        assert_eq!(parse(&["exec"]).unwrap(), Mode::Exec);
        assert_eq!(parse(&["jq"]).unwrap(), Mode::Jq);
        let plan = serde_json::to_string(&Plan::default()).unwrap();
        assert_eq!(parse(&["inside", &plan]).unwrap(), Mode::Inside(Box::default()));
        for bad in [&["serve"][..], &["exec", "x"], &["inside"], &["inside", "{}", "x"], &["--help"]] {
            assert!(parse(bad).is_err(), "{bad:?} must name no part");
        }
    }
}
