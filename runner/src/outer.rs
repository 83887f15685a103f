//! The outermost process: learns where to work, finds out what this machine allows, starts the process inside.
//!
//! It stays as the parent, because only a parent outside of a process tree can be the daemon's child. It never
//! touches a call. When the process inside ends, so does this one; when this one is killed, the kernel kills the
//! one inside and with it every call.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tenantry_protocol::runner::{Decoder, LINK_VERSION, Missing, Open, ToRunner};

use crate::plan::{Level, Plan};
use crate::sandbox::enter;

/// Everything that can end a runner process, as the operator reads it.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Reads the first frame and runs the process inside to its end.
pub(crate) fn serve() -> Result<(), Failure> {
    // The file tree that calls see must be passable for them, whatever mask the daemon keeps its own files under. Calls
    // get a mask of their own.
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    let open = read_open()?;
    raise_open_files();
    let plan = choose(plan_of(open)?)?;
    let words = ["inside".to_owned(), serde_json::to_string(&plan)?];
    let mut inside = enter::spawn(&plan, &enter::Inner::Runner(&words))?;
    let status = inside.wait()?;
    if status.success() { Ok(()) } else { Err(format!("the process inside ended with {status}").into()) }
}

/// Tries the plan's level with a shell that does nothing. What goes wrong is written to standard error.
pub(crate) fn probe(plan: &Plan) -> Result<(), Failure> {
    let status = enter::spawn(plan, &enter::Inner::Nothing)?.wait()?;
    if status.success() { Ok(()) } else { Err(format!("a shell inside ended with {status}").into()) }
}

/// Reads one frame and not a byte more: the rest of the link belongs to the process inside.
fn read_open() -> Result<Open, Failure> {
    let mut link = io::stdin().lock();
    let mut decoder = Decoder::new();
    let mut byte = [0];
    loop {
        if let Some(message) = decoder.next_message::<ToRunner>()? {
            let ToRunner::Open(open) = message else {
                return Err("the link did not begin with the frame that opens it".into());
            };
            if open.link_version != LINK_VERSION {
                return Err(format!(
                    "the daemon speaks version {} of the link and this runner {LINK_VERSION}; install the same \
                     release of both",
                    open.link_version
                )
                .into());
            }
            return Ok(open);
        }
        if link.read(&mut byte)? == 0 {
            return Err(
                "the link closed before it was opened; `tenantry runner` is started by the daemon".into()
            );
        }
        decoder.feed(&byte);
    }
}

fn plan_of(open: Open) -> Result<Plan, Failure> {
    let root = &open.scratch_root;
    let scratch_root =
        root.canonicalize().map_err(|error| format!("the scratch folder {}: {error}", root.display()))?;
    let real = |paths: Vec<PathBuf>| paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
    Ok(Plan {
        scratch_root,
        hide: real(open.hide),
        expose: open
            .expose
            .iter()
            .flat_map(|path| [Some(path.clone()), path.canonicalize().ok()])
            .flatten()
            .collect(),
        level: Level::Open,
        missing: Vec::new(),
    })
}

/// Takes the best level whose probe succeeds.
fn choose(mut plan: Plan) -> Result<Plan, Failure> {
    for (level, measure) in [(Level::Apart, "pid-namespace"), (Level::OwnFiles, "own-file-tree")] {
        plan.level = level;
        let output = Command::new(enter::PROGRAM)
            .args(["runner", "probe", &serde_json::to_string(&plan)?])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()?;
        if output.status.success() {
            return Ok(plan);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = said.trim().trim_start_matches("tenantry runner: ").to_owned();
        plan.missing.push(Missing { measure: measure.to_owned(), reason });
    }
    plan.level = Level::Open;
    Ok(plan)
}

/// Every call takes a few files of the process inside, and the usual soft limit is 1024.
fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Without it the runner takes fewer calls at once, and says so call by call.
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
}
