//! The second ring: shuts in one script, between fork and exec.

#![expect(unsafe_code, reason = "unshare and code between fork and exec have no safe wrapper")]

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use landlock::RulesetCreated;
use rustix::fs::Mode;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::mount::mount_bind;
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit, setsid, umask,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, set_no_new_privs, unshare_unsafe,
};
use serde::{Deserialize, Serialize};
use tenantry_protocol::runner::Limits;

use super::{map_only_myself, myself, wall};

/// Files one process of a call may have open.
const OPEN_FILES: u64 = 256;
/// How readily the kernel kills a process of a call when memory runs out, of 1000.
pub(crate) const FIRST_TO_GO: &str = "800";
/// Where programs put temporary files whatever TMPDIR says.
const TMP: &str = "/tmp";

/// What one call gets.
pub(crate) struct Cell {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// Its limits.
    pub(crate) limits: Limits,
    /// The Landlock rules for it, complete.
    pub(crate) rules: RulesetCreated,
    /// Whether the file tree is the runner's own, so that /tmp may be put over.
    pub(crate) own_tree: bool,
    /// Whether to try for a user namespace of its own.
    pub(crate) own_user: bool,
    /// Where the child tells which measures it could take, see [`Told`].
    pub(crate) told: OwnedFd,
}

/// What the child reports before it executes the script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The Landlock version in force; 0 before the wall stood.
    pub(crate) landlock_abi: u32,
    /// It has a user namespace of its own, so processes are counted for this call alone.
    pub(crate) own_user: bool,
    /// /tmp is a folder of its own.
    pub(crate) own_tmp: bool,
    /// It is killed before the daemon when the machine runs out of memory.
    pub(crate) first_to_go: bool,
}

impl Told {
    /// As it is sent.
    pub(crate) fn to_bytes(self) -> [u8; 4] {
        [self.landlock_abi as u8, u8::from(self.own_user), u8::from(self.own_tmp), u8::from(self.first_to_go)]
    }

    /// As it was received.
    pub(crate) fn from_bytes(bytes: [u8; 4]) -> Self {
        let [abi, user, tmp, first] = bytes;
        Self { landlock_abi: u32::from(abi), own_user: user == 1, own_tmp: tmp == 1, first_to_go: first == 1 }
    }
}

impl Cell {
    /// Makes the command execute inside this cell.
    pub(crate) fn shut_in(self, command: &mut Command) {
        let mut cell = Some(self);
        // SAFETY: the keeper has one thread, so the child may allocate and take locks after the fork; the closure
        // opens files and calls the kernel, and keeps nothing.
        unsafe {
            command
                .pre_exec(move || cell.take().map_or_else(|| Err(io::ErrorKind::Other.into()), Self::enter));
        }
    }

    fn enter(self) -> io::Result<()> {
        setsid()?;
        // Should the keeper be killed, the script goes too, and what it started falls to the runner.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        umask(Mode::RWXG | Mode::RWXO);
        close_others_at_exec()?;
        // A service manager may have made the daemon the last to be killed, and that is inherited.
        let first_to_go = fs::write("/proc/self/oom_score_adj", FIRST_TO_GO).is_ok();
        let mut told = Told { own_user: self.own_user()?, first_to_go, ..Told::default() };
        if told.own_user && self.own_tree && !self.folder.starts_with(TMP) {
            // Landlock follows folders, not paths, so /tmp needs no rule of its own.
            told.own_tmp = mount_bind(&self.folder, TMP).is_ok();
        }
        self.limit(told.own_user)?;
        set_no_new_privs(true)?;
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
        told.landlock_abi = wall::close(self.rules).map_err(io::Error::other)?;
        rustix::io::write(&self.told, &told.to_bytes())?;
        Ok(())
    }

    /// A user namespace, in which the kernel counts this call's processes alone, and a mount namespace for its /tmp.
    fn own_user(&self) -> io::Result<bool> {
        if !self.own_user {
            return Ok(false);
        }
        let (uid, gid) = myself();
        let mut flags = UnshareFlags::NEWUSER;
        if self.own_tree {
            flags |= UnshareFlags::NEWNS;
        }
        // SAFETY: the file table is not unshared, and there is one thread.
        let left = unsafe { unshare_unsafe(flags) };
        if left.is_err() {
            return Ok(false);
        }
        // Inside but unmapped would be nobody, who can create no file.
        map_only_myself(uid, gid).map_err(|error| error.error)?;
        Ok(true)
    }

    fn limit(&self, own_user: bool) -> io::Result<()> {
        let limits = &self.limits;
        // The second above is for the kernel to kill what ignores the signal.
        let cpu = limits.cpu_s.max(1);
        limit(Resource::Cpu, cpu, cpu.saturating_add(1))?;
        limit(Resource::Fsize, limits.file_bytes, limits.file_bytes)?;
        limit(Resource::Data, limits.memory_bytes, limits.memory_bytes)?;
        limit(Resource::Nofile, OPEN_FILES, OPEN_FILES)?;
        limit(Resource::Core, 0, 0)?;
        limit(Resource::Memlock, 0, 0)?;
        if own_user {
            // Without a user of its own the count would include every other call's processes.
            limit(Resource::Nproc, limits.processes, limits.processes)?;
        }
        Ok(())
    }
}

/// Sets both limits, as far as the process has that much itself.
fn limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limits = Rlimit { current: Some(soft.min(most)), maximum: Some(hard.min(most)) };
    Ok(setrlimit(resource, limits)?)
}

/// Nothing but the three standard streams reaches the script, whatever this process inherited.
fn close_others_at_exec() -> io::Result<()> {
    for entry in fs::read_dir(Path::new("/proc/self/fd"))? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|text| text.parse::<i32>().ok()) else { continue };
        if number > 2 {
            // SAFETY: the number was listed a moment ago and one thread exists, so it is open, or it is the listing's
            // own and stays open for as long as the loop runs.
            let open = unsafe { BorrowedFd::borrow_raw(number) };
            fcntl_setfd(open, FdFlags::CLOEXEC)?;
        }
    }
    Ok(())
}
