//! The walls. Everything that takes something away from a process is in this room, and all `unsafe` of the program.
//!
//! Two rings: [`enter`] takes the runner apart from the machine once, at its start (file tree, process tree,
//! System V objects, user); [`call`] shuts in every single script (user and file tree of its own, resource limits,
//! no new privileges, Landlock). [`wall`] says what Landlock lets through, for scripts and for jq workers.
//!
//! **Invariant:** between the first step here and the `exec` at the end only one thread exists, so that code
//! between fork and exec may allocate. What must never happen: a step that fails and is passed over without
//! being named in [`tenantry_protocol::runner::Sandbox`].

pub(crate) mod call;
pub(crate) mod enter;
pub(crate) mod view;
pub(crate) mod wall;

use std::io;

use rustix::process::{Gid, Uid, getegid, geteuid};

/// The user that calls run as when the daemon is root. Outside of what distributions and systemd hand out.
pub(crate) const CALL_UID: u32 = 60_900;

/// A step of shutting in that did not work.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}: {error}")]
pub(crate) struct StepError {
    step: String,
    error: io::Error,
}

/// Names the step that an error belongs to.
pub(crate) trait Step<T> {
    /// `step` continues "cannot …".
    fn step(self, step: &str) -> Result<T, StepError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &str) -> Result<T, StepError> {
        self.map_err(|error| StepError { step: step.to_owned(), error: error.into() })
    }
}

/// Whether this process is root outside of any user namespace that matters here.
pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// In a fresh user namespace: this user and group are themselves, nobody else exists.
fn map_only_myself(uid: Uid, gid: Gid) -> Result<(), StepError> {
    let (uid, gid) = (uid.as_raw(), gid.as_raw());
    std::fs::write("/proc/self/setgroups", "deny").step("give up supplementary groups")?;
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).step("map the user")?;
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).step("map the group")
}

/// Who this process is, before a user namespace makes it nobody.
fn myself() -> (Uid, Gid) {
    (geteuid(), getegid())
}
