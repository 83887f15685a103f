//! Connections that wait for their next request.
//!
//! A connection is kept under its origin *and* the policy class of the tenant it was opened for. A tenant whose
//! policy differs can therefore never be handed a connection that it would not have been allowed to open.
//! Nobody polls a waiting connection; whether it is still alive is found out when it is taken.
//!
//! What must never happen here: a connection handed out under another class or origin; more than the limits.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::allow::PolicyClass;
use super::exchange::Line;
use super::guard::Origin;
use crate::clock::{Clock, Moment};

/// How many connections wait, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections under one key.
    pub(super) per_key: usize,
    /// Keys with connections.
    pub(super) keys: usize,
    /// How long a connection waits.
    pub(super) idle: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) class: PolicyClass,
    pub(super) origin: Origin,
}

pub(super) struct Pool {
    clock: Clock,
    limits: Limits,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    lines: HashMap<Key, Vec<Idle>>,
    swept: Option<Moment>,
}

struct Idle {
    line: Line,
    until: Moment,
}

impl Pool {
    pub(super) fn new(clock: Clock, limits: Limits) -> Self {
        Self { clock, limits, waiting: Mutex::default() }
    }

    /// A live connection of exactly this class and origin, the one used last first.
    pub(super) fn take(&self, key: &Key) -> Option<Line> {
        loop {
            let Idle { mut line, until } = self.lock().pop(key)?;
            if self.clock.instant() < until && line.is_alive() {
                return Some(line);
            }
        }
    }

    /// Keeps a connection for the next request, if it can take one and there is room. `promised` is how long the
    /// other side said that it will keep it.
    pub(super) fn give(&self, key: Key, mut line: Line, promised: Option<Duration>) {
        let idle = promised.map_or(self.limits.idle, |promised| promised.min(self.limits.idle));
        if self.limits.per_key == 0 || idle.is_zero() || !line.is_alive() {
            return;
        }
        let now = self.clock.instant();
        let mut waiting = self.lock();
        if waiting.swept.is_none_or(|swept| now.since(swept) >= self.limits.idle) {
            waiting.sweep(now);
        }
        waiting.push(key, Idle { line, until: now + idle }, self.limits);
    }

    /// Closes what has waited too long.
    pub(super) fn sweep(&self) {
        self.lock().sweep(self.clock.instant());
    }

    /// How many connections wait.
    pub(super) fn idle(&self) -> usize {
        self.lock().lines.values().map(Vec::len).sum()
    }

    /// Every change under this lock is complete before anything can panic, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn pop(&mut self, key: &Key) -> Option<Idle> {
        self.lines.get_mut(key)?.pop()
    }

    fn push(&mut self, key: Key, idle: Idle, limits: Limits) {
        if let Some(lines) = self.lines.get_mut(&key) {
            if lines.len() < limits.per_key {
                lines.push(idle);
            }
            return;
        }
        if self.lines.len() >= limits.keys
            && let Some(other) = self.lines.keys().next().cloned()
        {
            // Any one will do: the order of the map is as good as random.
            self.lines.remove(&other);
        }
        self.lines.insert(key, vec![idle]);
    }

    fn sweep(&mut self, now: Moment) {
        self.swept = Some(now);
        self.lines.retain(|_, lines| {
            lines.retain(|idle| now < idle.until);
            !lines.is_empty()
        });
    }
}
