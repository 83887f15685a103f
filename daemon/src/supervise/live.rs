//! What is known about tasks: the roll of those present (for the drain) and the board of their health.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenantry_protocol::id::TenantId;
use tokio::sync::Notify;

use super::task::TaskSpec;
use super::{Intensity, Label, Restart};
use crate::clock::Moment;

/// Names and numbers of the tasks and threads present; a name that is not present costs nothing.
#[derive(Default)]
pub(super) struct Roll {
    present: Mutex<BTreeMap<Cow<'static, str>, usize>>,
    emptied: Notify,
}

/// One present task; leaves the roll when dropped, however the task ended.
pub(super) struct Guest {
    roll: Arc<Roll>,
    name: Cow<'static, str>,
}

impl Roll {
    pub(super) fn enter(self: &Arc<Self>, name: Cow<'static, str>) -> Guest {
        *lock(&self.present).entry(name.clone()).or_default() += 1;
        Guest { roll: Arc::clone(self), name }
    }

    pub(super) fn present(&self) -> Vec<(String, usize)> {
        lock(&self.present).iter().map(|(name, number)| (name.to_string(), *number)).collect()
    }

    /// Returns once nobody is present.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if lock(&self.present).is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut present = lock(&self.roll.present);
        if let Some(number) = present.get_mut(&self.name) {
            *number -= 1;
            if *number == 0 {
                present.remove(&self.name);
            }
        }
        if present.is_empty() {
            self.roll.emptied.notify_waiters();
        }
    }
}

/// How a supervised task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// It runs.
    Running,
    /// It ended although it should live, and is about to be started again.
    Restarting,
    /// It was restarted too often within its window. It goes on being restarted, at the slowest pace.
    Degraded,
}

/// The health of one supervised task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskHealth {
    /// Its name.
    pub name: String,
    /// The tenant that suffers when it is degraded; `None` for the whole daemon.
    pub tenant: Option<TenantId>,
    /// How it is doing.
    pub state: TaskState,
    /// Restarts since the task was spawned.
    pub restarts: u64,
    /// What ended its last life; for the operator only.
    pub last_failure: Option<String>,
}

/// The health of every supervised task.
#[derive(Default)]
pub(super) struct Board {
    entries: Arc<Mutex<Entries>>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    by_number: BTreeMap<u64, Record>,
}

struct Record {
    name: Cow<'static, str>,
    tenant: Label,
    intensity: Intensity,
    restarts: u64,
    /// Moments of the latest failures, at most as many as the intensity allows and one more.
    failures: Vec<Moment>,
    between_lives: bool,
    last_failure: Option<String>,
}

/// A task's own line on the board; taken off when dropped.
pub(super) struct BoardEntry {
    entries: Arc<Mutex<Entries>>,
    number: u64,
}

impl Board {
    pub(super) fn enter(&self, spec: &TaskSpec) -> BoardEntry {
        let intensity = match spec.restart {
            Restart::Never => Intensity::default(),
            Restart::OnPanic(intensity) | Restart::Always(intensity) => intensity,
        };
        let record = Record {
            name: spec.name.clone(),
            tenant: spec.tenant,
            intensity,
            restarts: 0,
            failures: Vec::new(),
            between_lives: false,
            last_failure: None,
        };
        let mut entries = lock(&self.entries);
        let number = entries.next;
        entries.next += 1;
        entries.by_number.insert(number, record);
        BoardEntry { entries: Arc::clone(&self.entries), number }
    }

    pub(super) fn health(&self, now: Moment) -> Vec<TaskHealth> {
        lock(&self.entries).by_number.values().map(|record| record.health(now)).collect()
    }
}

impl BoardEntry {
    /// Notes the end of a life and returns how many failures lie within the window now.
    pub(super) fn failed(&self, now: Moment, why: &str) -> u32 {
        let mut entries = lock(&self.entries);
        let Some(record) = entries.by_number.get_mut(&self.number) else { return 0 };
        record.between_lives = true;
        record.last_failure = Some(why.to_owned());
        record.failures.push(now);
        let excess = record.failures.len().saturating_sub(record.intensity.restarts as usize + 1);
        record.failures.drain(..excess);
        record.recent(now) as u32
    }

    /// Notes that the next life begins.
    pub(super) fn restarted(&self) {
        if let Some(record) = lock(&self.entries).by_number.get_mut(&self.number) {
            record.between_lives = false;
            record.restarts += 1;
        }
    }
}

impl Drop for BoardEntry {
    fn drop(&mut self) {
        lock(&self.entries).by_number.remove(&self.number);
    }
}

impl Record {
    fn recent(&self, now: Moment) -> usize {
        let window: Duration = self.intensity.within;
        self.failures.iter().filter(|failure| now.since(**failure) < window).count()
    }

    fn health(&self, now: Moment) -> TaskHealth {
        let state = if self.recent(now) > self.intensity.restarts as usize {
            TaskState::Degraded
        } else if self.between_lives {
            TaskState::Restarting
        } else {
            TaskState::Running
        };
        TaskHealth {
            name: self.name.to_string(),
            tenant: self.tenant,
            state,
            restarts: self.restarts,
            last_failure: self.last_failure.clone(),
        }
    }
}

/// A panic while one of these locks was held cannot leave them half changed, so poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
