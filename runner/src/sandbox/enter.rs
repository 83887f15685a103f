//! The first ring: starts a process in namespaces of its own.
//!
//! As root the namespaces are made with root's rights, and then the rights and the user are dropped. As anybody
//! else a user namespace gives the right to make the others. Either way the process inside has no capability.

#![expect(unsafe_code, reason = "unshare and code between fork and exec have no safe wrapper")]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Gid, Signal, Uid, pivot_root, set_parent_process_death_signal};
use rustix::thread::{
    UnshareFlags, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
};

use super::{CALL_UID, Step as _, StepError, is_root, map_only_myself, myself, view};
use crate::plan::{Level, Plan};

/// This binary, whatever was installed over it since.
pub(crate) const PROGRAM: &str = "/proc/self/exe";

/// What is started inside.
pub(crate) enum Inner<'a> {
    /// This binary with these words after `runner`; it inherits the link.
    Runner(&'a [String]),
    /// A shell that does nothing.
    Nothing,
}

/// Takes this process to the plan's level, as far as a process can go itself, and starts the inner one there.
pub(crate) fn spawn(plan: &Plan, inner: &Inner<'_>) -> Result<Child, StepError> {
    let root = is_root();
    let tree = match plan.level {
        Level::Open => None,
        level => {
            if root {
                std::os::unix::fs::chown(&plan.scratch_root, Some(CALL_UID), Some(CALL_UID))
                    .step("give the scratch folder to the user of the calls")?;
            }
            leave(level, root)?;
            Some(Tree { root: view::build(plan)?, own_processes: level == Level::Apart, drop_root: root })
        }
    };
    let mut command = match inner {
        Inner::Runner(words) => {
            let mut command = Command::new(PROGRAM);
            command.arg("runner").args(*words).stdin(Stdio::inherit());
            command
        }
        Inner::Nothing => {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", ":"]).stdin(Stdio::null());
            command
        }
    };
    command.env_clear().stdout(Stdio::null()).stderr(Stdio::inherit());
    // SAFETY: this process has one thread (it is the start of `main`), so the child may allocate and take locks;
    // the closure touches nothing but the kernel.
    unsafe {
        command.pre_exec(move || {
            if let Some(tree) = &tree {
                tree.move_in()?;
            }
            set_parent_process_death_signal(Some(Signal::KILL))?;
            set_no_new_privs(true)?;
            Ok(())
        });
    }
    command.spawn().step("start the process inside")
}

fn leave(level: Level, root: bool) -> Result<(), StepError> {
    let (uid, gid) = myself();
    let mut flags = UnshareFlags::NEWNS | UnshareFlags::NEWIPC;
    if level == Level::Apart {
        flags |= UnshareFlags::NEWPID;
    }
    if !root {
        flags |= UnshareFlags::NEWUSER;
    }
    // SAFETY: the file table is not unshared, and there is one thread.
    unsafe { unshare_unsafe(flags) }.step("make namespaces")?;
    if root { Ok(()) } else { map_only_myself(uid, gid) }
}

/// The file tree that was built, and what is left to do once in the new process.
struct Tree {
    root: PathBuf,
    own_processes: bool,
    drop_root: bool,
}

impl Tree {
    fn move_in(&self) -> io::Result<()> {
        if self.own_processes {
            mount_proc(&self.root.join("proc"))?;
        }
        rustix::process::chdir(&self.root)?;
        pivot_root(".", ".")?;
        unmount(".", UnmountFlags::DETACH)?;
        rustix::process::chdir("/")?;
        if self.drop_root {
            let (uid, gid) = (Uid::from_raw(CALL_UID), Gid::from_raw(CALL_UID));
            set_thread_groups(&[])?;
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
        }
        Ok(())
    }
}

/// Of another process one sees only what one could trace, and Landlock forbids tracing another call.
fn mount_proc(target: &Path) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("proc", target, "proc", flags, c"hidepid=ptraceable")?)
}
