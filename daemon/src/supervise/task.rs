//! One task: how it is named, when it is restarted, and the loop that does it.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use tenantry_protocol::id::TenantId;
use tokio::task::JoinHandle;

use super::live::BoardEntry;
use super::{Panicked, Stop, Supervisor, catch_panic};

/// The pause before the first restart; doubled for each further failure within the window.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest pause between two lives, which is also the pace of a degraded task.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How many restarts within which time still count as healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// One failure more than this within the window makes the task degraded.
    pub restarts: u32,
    /// The window.
    pub within: Duration,
}

impl Default for Intensity {
    /// Five restarts within a minute.
    fn default() -> Self {
        Self { restarts: 5, within: Duration::from_mins(1) }
    }
}

/// Whether a task is started again when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Never; a panic is logged and counted.
    Never,
    /// After a panic; a task that returns has done its work.
    OnPanic(Intensity),
    /// Whenever it ends before the stop.
    Always(Intensity),
}

/// What to run.
#[derive(Clone, Debug)]
pub struct TaskSpec {
    /// Shown in health, telemetry and the drain's report.
    pub name: Cow<'static, str>,
    /// When it is started again.
    pub restart: Restart,
    /// The tenant that suffers when it is degraded; `None` for the whole daemon.
    pub tenant: Option<TenantId>,
}

impl TaskSpec {
    /// A task that always lives, restarted at the default intensity.
    pub fn always(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), restart: Restart::Always(Intensity::default()), tenant: None }
    }

    /// A task that may return; it is restarted after a panic only.
    pub fn on_panic(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), restart: Restart::OnPanic(Intensity::default()), tenant: None }
    }

    /// Labels the task with the tenant that suffers when it is degraded.
    #[must_use]
    pub fn for_tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }
}

/// A supervised task; dropping the handle lets it go on.
#[derive(Debug)]
pub struct TaskHandle {
    pub(super) stop: Stop,
    pub(super) task: JoinHandle<()>,
}

impl TaskHandle {
    /// Tells this task alone to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until the task has ended and will not be restarted.
    pub async fn ended(self) {
        // Panics were caught inside, so the only other end is an abort by the runtime's own shutdown.
        drop(self.task.await);
    }
}

/// A future that runs once; dropping this lets it go on.
#[derive(Debug)]
pub struct Task<T> {
    pub(super) inner: JoinHandle<Result<T, Panicked>>,
}

/// Why a task gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// It was aborted.
    #[error("the task was aborted")]
    Aborted,
}

impl<T> Task<T> {
    /// Ends the future at its next await point.
    pub fn abort(&self) {
        self.inner.abort();
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }

    /// Waits for the answer.
    pub async fn join(self) -> Result<T, Lost> {
        match self.inner.await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(panicked)) => Err(Lost::Panicked(panicked)),
            Err(_) => Err(Lost::Aborted),
        }
    }
}

/// Lives through one life after another until the stop, or until the spec says that it is enough.
pub(super) async fn live<F, L>(
    supervisor: Supervisor,
    spec: TaskSpec,
    entry: BoardEntry,
    stop: Stop,
    factory: F,
) where
    F: Fn(Stop) -> L,
    L: Future<Output = ()>,
{
    loop {
        // The factory is called inside of the future, so that its own panic is caught as well.
        let outcome = catch_panic(async { factory(stop.clone()).await }).await;
        if let Err(panicked) = &outcome {
            supervisor.note_panic(&spec.name, panicked);
        }
        let goes_on = match spec.restart {
            Restart::Never => false,
            Restart::OnPanic(_) => outcome.is_err(),
            Restart::Always(_) => true,
        };
        if !goes_on || stop.is_cancelled() {
            return;
        }
        let why = outcome.err().map_or_else(|| "returned early".to_owned(), |panicked| panicked.to_string());
        let recent = entry.failed(supervisor.shared.clock.instant(), &why);
        let pause = backoff(recent);
        tracing::warn!(task = %spec.name, recent, pause_ms = pause.as_millis() as u64, "task restarts");
        tokio::select! {
            () = stop.cancelled() => return,
            () = supervisor.shared.clock.sleep(pause) => {}
        }
        entry.restarted();
    }
}

/// The pause after the `recent`-th failure within the window.
fn backoff(recent: u32) -> Duration {
    let doubled = BACKOFF_MIN.checked_mul(1_u32.checked_shl(recent.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.unwrap_or(BACKOFF_MAX).min(BACKOFF_MAX)
}
