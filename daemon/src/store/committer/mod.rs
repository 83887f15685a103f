//! The committer: every write of a file goes through one thread at a time, many closures to a transaction.
//!
//! A closure waits in the lane of the stage that sent it ([`lanes`]). A file with something waiting waits for one of
//! the store's threads ([`schedule`]). The thread takes a bounded batch, by turns from the lanes, runs it in one
//! transaction ([`writer`]), and answers everybody when the commit is on disk ([`serve`]).
//!
//! **Invariant:** nobody is answered before the COMMIT that holds their rows has returned.
//! **Invariant:** a file is served by at most one thread at a time; a slow file does not hold up the others.
//! **Invariant:** a COMMIT that fails is neither success nor failure until the file was reopened and read ([`fence`]).

mod fence;
pub(super) mod file;
mod lanes;
pub(super) mod schedule;
mod serve;
mod work;
pub(super) mod writer;

#[cfg(test)]
pub(crate) mod fault_point;

use tenantry_protocol::state::StageName;

pub(super) use serve::run;

/// Where a closure waits for the committer. No lane can keep another waiting for more than one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The trigger stage and ingress.
    Trigger,
    /// The action stage.
    Action,
    /// The logging stage.
    Logging,
    /// The notification stage.
    Notification,
    /// Requests of people, and upkeep.
    Api,
}

impl Lane {
    const ALL: [Self; 5] = [Self::Trigger, Self::Action, Self::Logging, Self::Notification, Self::Api];

    const fn index(self) -> usize {
        self as usize
    }
}

impl From<StageName> for Lane {
    fn from(stage: StageName) -> Self {
        match stage {
            StageName::Trigger => Self::Trigger,
            StageName::Action => Self::Action,
            StageName::Logging => Self::Logging,
            StageName::Notification => Self::Notification,
        }
    }
}
