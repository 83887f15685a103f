//! The keeper of one script: shuts it in, waits, and ends everything that came of it.
//!
//! A keeper is a process of its own so that whatever the script leaves behind falls to it and to nobody else
//! (`PR_SET_CHILD_SUBREAPER`): what belongs to the call is never in doubt. Its standard input is a socket to the
//! runner: first [`Setup`], then [`Script`] and the script's standard input, then single bytes of [`Order`]; back
//! comes one [`Report`]. When the socket closes, the runner is gone and everything is killed.
//!
//! What must never happen here: a second thread, or returning while a descendant lives.

pub(crate) mod reap;

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Pid, PidfdFlags, WaitStatus, getpid, pidfd_open, set_child_subreaper};
use serde::{Deserialize, Serialize};
use tenantry_protocol::runner::{CallResult, Limits};

use crate::outer::Failure;
use crate::sandbox::call::{Cell, Told};
use crate::sandbox::wall;
use crate::wire::{from_json, read_piece, to_json, write_piece};

/// How often a keeper looks after orphans while its script runs.
const TICK: Duration = Duration::from_secs(1);

/// What every script of this runner has in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Readable beside the system's own.
    pub(crate) expose: Vec<PathBuf>,
    /// Whether /proc shows this runner's processes only.
    pub(crate) own_processes: bool,
    /// Whether the file tree is the runner's own.
    pub(crate) own_tree: bool,
    /// Whether to try for a user namespace. Some machines allow one and then nothing in it.
    pub(crate) own_user: bool,
}

/// One script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Script {
    /// Absolute path of the shell.
    pub(crate) shell: PathBuf,
    /// The text.
    pub(crate) text: String,
    /// The whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// The call's folder; exists.
    pub(crate) folder: PathBuf,
    /// Its limits.
    pub(crate) limits: Limits,
}

/// Why the runner ends a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The daemon asked for it.
    Cancel,
    /// It wrote too much.
    OutputLimit,
}

impl Order {
    /// As it is sent.
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Cancel => b'c',
            Self::OutputLimit => b'o',
        }
    }
}

/// How it ended and how it was shut in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// For the daemon.
    pub(crate) result: CallResult,
    /// `None` where the script was never started.
    pub(crate) told: Option<Told>,
}

impl Report {
    fn refused(why: impl std::fmt::Display) -> Self {
        Self { result: CallResult::Refused(why.to_string()), told: None }
    }
}

/// Keeps one script, or none if the runner closes the socket before it sends one.
pub(crate) fn keep() -> Result<(), Failure> {
    set_child_subreaper(Some(getpid()))?;
    let mut link = UnixStream::from(fcntl_dupfd_cloexec(io::stdin(), 3)?);
    let Some(setup) = read_piece(&link)? else { return Ok(()) };
    let setup: Setup = from_json(&setup)?;
    let rules = wall::for_scripts(&setup.expose, setup.own_processes);
    let (Some(script), Some(stdin)) = (read_piece(&link)?, read_piece(&link)?) else { return Ok(()) };
    let script: Script = from_json(&script)?;
    let rules = rules.and_then(|rules| wall::with_folder(rules, &script.folder));
    let report = match rules {
        Ok(rules) => {
            let (told, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            let (folder, limits) = (script.folder.clone(), script.limits);
            let cell = Cell {
                folder,
                limits,
                rules,
                own_tree: setup.own_tree,
                own_user: setup.own_user,
                told: tell,
            };
            run(&script, &stdin, cell, &told, &mut link)
        }
        Err(error) => Report::refused(error),
    };
    reap::end_all()?;
    write_piece(&link, &to_json(&report)?)?;
    Ok(())
}

fn run(script: &Script, stdin: &[u8], cell: Cell, told: &OwnedFd, link: &mut UnixStream) -> Report {
    let stdin = match standard_input(stdin) {
        Ok(stdin) => stdin,
        Err(error) => return Report::refused(format_args!("cannot hold the standard input: {error}")),
    };
    let mut command = Command::new(&script.shell);
    command
        .arg("-c")
        .arg(&script.text)
        .env_clear()
        .envs(&script.env)
        .current_dir(&script.folder)
        .stdin(stdin);
    let deadline = Instant::now().checked_add(Duration::from_millis(script.limits.wall_ms));
    cell.shut_in(&mut command);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            return Report::refused(format_args!("cannot start {}: {error}", script.shell.display()));
        }
    };
    let mut measures = [0; 4];
    let told = rustix::io::read(told, &mut measures).is_ok_and(|n| n == measures.len());
    let told = told.then(|| Told::from_bytes(measures));
    let Some(pid) = Pid::from_raw(child.id() as i32) else {
        return Report::refused("the script has no process");
    };
    let result = match watch(pid, deadline, link) {
        Ok(result) => result,
        Err(error) => CallResult::Refused(format!("cannot watch the script: {error}")),
    };
    Report { result, told }
}

/// Waits for the script's end, an order, the deadline, or the runner's death.
fn watch(script: Pid, deadline: Option<Instant>, link: &mut UnixStream) -> io::Result<CallResult> {
    let ended = pidfd_open(script, PidfdFlags::empty())?;
    loop {
        if let Some(status) = reap::reap_ended(script)? {
            return Ok(result_of(status));
        }
        let left = deadline.map_or(TICK, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(CallResult::TimedOut);
        }
        let pause = Timespec::try_from(left.min(TICK)).map_err(io::Error::other)?;
        let mut ready =
            [PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN), PollFd::new(link, PollFlags::IN)];
        match poll(&mut ready, Some(&pause)) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let [_, order] = ready;
        if order.revents().is_empty() {
            continue;
        }
        let mut byte = [0];
        return Ok(match link.read(&mut byte) {
            Ok(1..) if byte == [Order::OutputLimit.byte()] => CallResult::OutputLimit,
            // Any other byte, and the end of the runner.
            _ => CallResult::Cancelled,
        });
    }
}

fn result_of(status: WaitStatus) -> CallResult {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => CallResult::Exited(code),
        (None, Some(signal)) => CallResult::Signalled(signal),
        (None, None) => {
            CallResult::Refused("the script ended in a way the kernel has no word for".to_owned())
        }
    }
}

/// The whole input as a file in memory: nobody has to feed it while the script runs.
fn standard_input(bytes: &[u8]) -> io::Result<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = std::fs::File::from(memfd_create("stdin", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    io::Seek::rewind(&mut file)?;
    Ok(Stdio::from(file))
}
