//! The processes this one started, told apart from strays: what a call left behind although its keeper died.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Signal, WaitOptions, kill_process, waitpid};

use crate::keeper::reap::children;

/// The children that belong here.
#[derive(Clone, Default)]
pub(super) struct Kin {
    known: Arc<Mutex<HashSet<i32>>>,
}

/// One child that belongs here, until this is dropped.
pub(super) struct Member {
    kin: Kin,
    pid: i32,
}

impl Kin {
    /// Notes a child. Must follow its start without a pause, on the thread that also looks for strays.
    pub(super) fn admit(&self, pid: u32) -> Member {
        let pid = pid as i32;
        self.lock().insert(pid);
        Member { kin: self.clone(), pid }
    }

    /// Kills and collects every child that nobody admitted.
    pub(super) fn end_strays(&self) {
        let Ok(children) = children() else { return };
        let known = self.lock();
        for stray in children.into_iter().filter(|child| !known.contains(&child.as_raw_pid())) {
            // It may have ended in between; if not, its end is signalled and brings us here again.
            kill_process(stray, Signal::KILL).ok();
            waitpid(Some(stray), WaitOptions::NOHANG).ok();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<i32>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kin.lock().remove(&self.pid);
    }
}
