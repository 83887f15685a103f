//! The daemon's side of the link to the runner: keeps one runner process alive and multiplexes calls over it.
//!
//! The runner's standard input is the link and the only thing it inherits. A runner that ends takes its calls with
//! it: each gets [`RunnerLost`], and the supervisor starts the next life with backoff. The other way round, a
//! daemon that dies closes the link, and the runner kills everything it runs.
//!
//! Scratch folders are made and removed by the runner, which alone may touch what tenants put there; a life begins
//! by clearing what an earlier one left. What must never happen here: waiting for one call's consumer while
//! another call's output arrives, or deciding what a result means for a run.
//! Go next to [`life`] for one runner process from start to end.

mod life;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::runner::{
    CallId, CallResult, Limits, Ready, RunnerCall, Start, Stream, ToRunner, encode,
};
use tokio::sync::{mpsc, watch};

use life::{Arrived, Life};

use crate::clock::Clock;
use crate::error::Error;
use crate::supervise::{Stop, Supervisor, TaskSpec};

/// How long a call waits for a runner that is being started.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// Longest way from a process up to the first one; a longer one counts as the runner's.
const ANCESTORS: usize = 4_096;

/// How the runner is started.
#[derive(Clone, Debug)]
pub struct RunnerSettings {
    /// The program; started with the one word `runner`.
    pub program: PathBuf,
    /// A folder that belongs to the runner alone; made if it is missing, and cleared.
    pub scratch_root: PathBuf,
    /// What calls must not see: the data folder, the runtime folder, the key.
    pub hide: Vec<PathBuf>,
    /// What calls may read beside the system's own.
    pub expose: Vec<PathBuf>,
}

/// The runner did not bring a call to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunnerLost {
    /// No runner took the call; nothing of it happened.
    #[error("no runner is available")]
    NotStarted,
    /// The runner ended while it had the call; what the call did outside is not known.
    #[error("the runner ended during the call")]
    InFlight,
}

impl From<RunnerLost> for Error {
    fn from(lost: RunnerLost) -> Self {
        Self::new(ErrorCode::RunnerUnavailable, lost.to_string())
    }
}

/// A piece of a script's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputChunk {
    /// Where it was written.
    pub stream: Stream,
    /// What was written, at most [`OUTPUT_CHUNK`] bytes.
    pub bytes: Vec<u8>,
}

/// A runner that is kept alive; cheap to clone.
#[derive(Clone)]
pub struct RunnerLink {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    settings: RunnerSettings,
    supervisor: Supervisor,
    /// The life that takes calls.
    life: watch::Sender<Option<Arc<Life>>>,
    /// Process id of the outermost runner process; 0 for none.
    pid: AtomicI32,
    next: AtomicU64,
    /// Makes scratch names of different daemons differ.
    began_ms: i64,
}

impl RunnerLink {
    /// Starts keeping a runner alive until the supervisor stops.
    pub fn start(settings: RunnerSettings, supervisor: &Supervisor, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            began_ms: clock.now_ms(),
            clock,
            settings,
            supervisor: supervisor.clone(),
            life: watch::Sender::new(None),
            pid: AtomicI32::new(0),
            next: AtomicU64::new(1),
        });
        let living = Arc::clone(&shared);
        supervisor.spawn(TaskSpec::always("runner"), move |stop| life::live(Arc::clone(&living), stop));
        Self { shared }
    }

    /// What the runner says of itself; `None` while there is none. For health and for policies.
    pub fn ready(&self) -> Option<Ready> {
        self.shared.life.borrow().as_ref().map(|life| life.ready.clone())
    }

    /// Executes one call. Output goes to `output` as it comes; a receiver that was dropped loses it. Once `cancel`
    /// is cancelled the call is killed and ends with [`CallResult::Cancelled`]; dropping the future kills it too.
    pub async fn call(
        &self,
        call: RunnerCall,
        limits: Limits,
        output: mpsc::Sender<OutputChunk>,
        cancel: &Stop,
    ) -> Result<CallResult, RunnerLost> {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let scratch = format!("{:x}-{id}", self.shared.began_ms);
        let mut frame = Vec::new();
        if let Err(error) =
            encode(&ToRunner::Start(Box::new(Start { id, call, limits, scratch })), &mut frame)
        {
            return Ok(CallResult::Refused(error.to_string()));
        }
        let life = tokio::select! {
            life = self.shared.life() => life.ok_or(RunnerLost::NotStarted)?,
            () = cancel.cancelled() => return Ok(CallResult::Cancelled),
        };
        let (sender, mut arrived) = mpsc::unbounded_channel();
        life.admit(id, sender)?;
        let mut place = Place { life: &life, id, running: true };
        life.frames.send(frame).await.map_err(|_| RunnerLost::NotStarted)?;
        let mut told = false;
        loop {
            let piece = tokio::select! {
                piece = arrived.recv() => piece,
                () = cancel.cancelled(), if !told => {
                    told = true;
                    place.cancel();
                    continue;
                }
            };
            match piece {
                Some(Arrived::Output(chunk)) => drop(output.send(chunk).await),
                Some(Arrived::Ended(result)) => {
                    place.running = false;
                    return Ok(result);
                }
                None => return Err(RunnerLost::InFlight),
            }
        }
    }

    /// Whether a process comes from the runner, so that its user id proves nothing. Ask when a peer connects, not
    /// later: a process id may be used again. A process that is gone already cannot be told apart and counts as one
    /// of the runner's.
    pub fn is_descendant(&self, pid: i32) -> bool {
        let runner = self.shared.pid.load(Ordering::Acquire);
        let Some(Standing { no_new_privileges, mut parent }) = standing_of(pid) else { return true };
        if pid == runner {
            return true;
        }
        // All the runner starts has given this up for good; whoever has not is none of them.
        if !no_new_privileges {
            return false;
        }
        for _ in 0..ANCESTORS {
            if parent == runner {
                return true;
            }
            if parent <= 1 {
                return false;
            }
            // One that ended in between, or that this daemon may not see, says nothing of where it came from.
            let Some(standing) = standing_of(parent) else { return true };
            parent = standing.parent;
        }
        true
    }
}

impl Shared {
    async fn life(&self) -> Option<Arc<Life>> {
        let mut lives = self.life.subscribe();
        let alive = self.clock.timeout(START_PATIENCE, lives.wait_for(Option::is_some)).await;
        alive.ok()?.ok()?.clone()
    }
}

/// A call's place in a life; a call that is given up is killed.
struct Place<'a> {
    life: &'a Life,
    id: CallId,
    running: bool,
}

impl Place<'_> {
    fn cancel(&self) {
        let mut frame = Vec::new();
        if encode(&ToRunner::Cancel { id: self.id }, &mut frame).is_ok() {
            // A link without room is stuck; then the call's own deadline ends it.
            drop(self.life.frames.try_send(frame));
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.running {
            self.cancel();
            self.life.forget(self.id);
        }
    }
}

/// What the kernel says of a process.
struct Standing {
    no_new_privileges: bool,
    parent: i32,
}

fn standing_of(pid: i32) -> Option<Standing> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name))?.trim().parse::<i32>().ok();
    Some(Standing { no_new_privileges: number("NoNewPrivs:")? != 0, parent: number("PPid:")? })
}

#[cfg(test)]
mod tests;
