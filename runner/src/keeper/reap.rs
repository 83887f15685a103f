//! Ends every descendant of a process that is a child subreaper.
//!
//! A descendant that loses its parent becomes a child of the subreaper, so killing the children, again and again
//! until there are none, reaches everything: new sessions, double forks and forks during the killing included.

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};

/// Collects every child that has ended; the status of `wanted` if it was among them.
pub(super) fn reap_ended(wanted: Pid) -> io::Result<Option<WaitStatus>> {
    let mut found = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == wanted => found = Some(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(found),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills and collects until nothing is left.
pub(super) fn end_all() -> io::Result<()> {
    loop {
        let children = children()?;
        for child in &children {
            // It may have ended in between.
            kill_process(*child, Signal::KILL).ok();
        }
        // Without a victim just look: a child that was listed nowhere cannot be waited for.
        let options = if children.is_empty() { WaitOptions::NOHANG } else { WaitOptions::empty() };
        match wait(options) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The children of this process, ended ones included.
pub(crate) fn children() -> io::Result<Vec<Pid>> {
    let pids = match fs::read_to_string("/proc/thread-self/children") {
        Ok(listed) => listed.split_ascii_whitespace().filter_map(pid_of).collect(),
        // A kernel without CONFIG_PROC_CHILDREN.
        Err(error) if error.kind() == io::ErrorKind::NotFound => children_by_search()?,
        Err(error) => return Err(error),
    };
    Ok(pids)
}

fn children_by_search() -> io::Result<Vec<Pid>> {
    let me = getpid();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(pid_of) else { continue };
        if parent_of(pid) == Some(me) {
            found.push(pid);
        }
    }
    Ok(found)
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name in parentheses may hold anything; state and parent follow the last one.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_ascii_whitespace().nth(1).and_then(pid_of)
}

fn pid_of(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}
