//! Tasks and threads. This room holds the only `tokio::spawn` and the only `std::thread::spawn` of the daemon.
//!
//! A [`Supervisor`] starts tasks, catches their panics, restarts those that must live (with backoff), knows which
//! are degraded, and at the end waits for all and names those that did not stop. [`Supervisor::group`] cuts a
//! daemon into parts that are drained one after another. Must never happen here: a decision about work.
//!
//! **Invariant:** a panic in a task ends that task only.
//! Go next to [`task`] for the restart loop and to [`live`] for what is known about running tasks.

mod live;
mod panic;
mod task;

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tenantry_protocol::id::TenantId;

use crate::clock::Clock;
use crate::error::{Error, Result};
use live::{Board, Roll};

pub use live::{TaskHealth, TaskState};
pub use panic::{Panicked, catch, catch_panic, note_place};
pub use task::{Intensity, Lost, Restart, Task, TaskHandle, TaskSpec};

/// Tells a task to stop; cancelled once, seen by every clone.
pub use tokio_util::sync::CancellationToken as Stop;

/// Starts, watches and ends tasks and threads; cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
    roll: Arc<Roll>,
    stop: Stop,
}

struct Shared {
    clock: Clock,
    board: Board,
    panics: AtomicU64,
}

/// How a drain ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Names of the tasks and threads that were still running at the deadline, with their number.
    pub leftovers: Vec<(String, usize)>,
}

impl Drained {
    /// Whether everything stopped in time.
    pub fn is_complete(&self) -> bool {
        self.leftovers.is_empty()
    }
}

impl Supervisor {
    /// A supervisor without tasks. It must be used from inside of a tokio runtime.
    pub fn new(clock: Clock) -> Self {
        let shared = Shared { clock, board: Board::default(), panics: AtomicU64::new(0) };
        Self { shared: Arc::new(shared), roll: Arc::default(), stop: Stop::new() }
    }

    /// A part of this supervisor with its own stop and its own drain. It stops at the latest with its parent;
    /// health and the count of panics are shared.
    #[must_use]
    pub fn group(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), roll: Arc::default(), stop: self.stop.child_token() }
    }

    /// The token that is cancelled when the drain begins.
    pub const fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Runs a task that the daemon needs, restarted as its spec says. `factory` makes one life of it.
    pub fn spawn<F, L>(&self, spec: TaskSpec, factory: F) -> TaskHandle
    where
        F: Fn(Stop) -> L + Send + Sync + 'static,
        L: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.child_token();
        let guest = self.roll.enter(spec.name.clone());
        let entry = self.shared.board.enter(&spec);
        let lives = task::live(self.clone(), spec, entry, stop.clone(), factory);
        TaskHandle { stop, task: start(lives, guest) }
    }

    /// Runs a future once: a connection, a handler. Cheap; a panic is caught, counted and told to whoever joins.
    /// Dropping the answer lets the task go on.
    pub fn spawn_once<L>(&self, name: &'static str, future: L) -> Task<L::Output>
    where
        L: Future<Output: Send> + Send + 'static,
    {
        let guest = self.roll.enter(Cow::Borrowed(name));
        let supervisor = self.clone();
        let caught = async move {
            let output = catch_panic(future).await;
            if let Err(panicked) = &output {
                supervisor.note_panic(name, panicked);
            }
            output
        };
        Task { inner: start(caught, guest) }
    }

    /// Runs a blocking piece of work (files, checksums) on tokio's blocking threads.
    pub fn blocking<T, F>(&self, name: &'static str, work: F) -> Task<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let guest = self.roll.enter(Cow::Borrowed(name));
        let supervisor = self.clone();
        Task {
            inner: start_blocking(move || {
                let _guest = guest;
                let output = panic::catch(work);
                if let Err(panicked) = &output {
                    supervisor.note_panic(name, panicked);
                }
                output
            }),
        }
    }

    /// Runs a thread, for a room that must block for long (a committer). The drain waits for it.
    pub fn thread<F>(&self, name: impl Into<Cow<'static, str>>, work: F) -> Result<()>
    where
        F: FnOnce(Stop) + Send + 'static,
    {
        let name = name.into();
        let guest = self.roll.enter(name.clone());
        let supervisor = self.clone();
        let own_name = name.clone();
        let body = move || {
            let _guest = guest;
            let stop = supervisor.stop.clone();
            if let Err(panicked) = panic::catch(move || work(stop)) {
                supervisor.note_panic(&own_name, &panicked);
            }
        };
        start_thread(&name, body).map_err(|error| Error::internal("start a thread").with_source(error))
    }

    /// The tasks that are restarted or degraded, and all the others, by name.
    pub fn health(&self) -> Vec<TaskHealth> {
        self.shared.board.health(self.shared.clock.instant())
    }

    /// How many panics were caught since the start.
    pub fn panics(&self) -> u64 {
        self.shared.panics.load(Ordering::Relaxed)
    }

    /// Names and numbers of the tasks and threads that are running now.
    pub fn running(&self) -> Vec<(String, usize)> {
        self.roll.present()
    }

    /// Signals the stop and waits until every task and thread has ended, at most for `deadline`.
    /// What is left over then is named, not killed.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        self.stop.cancel();
        let in_time = self.shared.clock.timeout(deadline, self.roll.empty()).await;
        let leftovers = if in_time.is_ok() { Vec::new() } else { self.roll.present() };
        for (name, number) in &leftovers {
            tracing::warn!(task = %name, number, "task did not stop in time");
        }
        Drained { leftovers }
    }

    fn note_panic(&self, name: &str, panicked: &Panicked) {
        self.shared.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!(task = name, place = panicked.place(), panic = panicked.message(), "task panicked");
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that spawns tasks")]
fn start<L>(future: L, guest: live::Guest) -> tokio::task::JoinHandle<L::Output>
where
    L: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(async move {
        let _guest = guest;
        future.await
    })
}

#[expect(clippy::disallowed_methods, reason = "the one place that spawns blocking work")]
fn start_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}

#[expect(clippy::disallowed_methods, reason = "the one place that spawns threads")]
fn start_thread(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    // The standard library refuses a zero byte by a panic, and Linux shows the first 15 bytes.
    let name = name.replace('\0', "");
    std::thread::Builder::new().name(name).spawn(body).map(drop)
}

/// A spec's label on a health entry: which tenant suffers when the task is degraded.
type Label = Option<TenantId>;

#[cfg(test)]
mod tests;
