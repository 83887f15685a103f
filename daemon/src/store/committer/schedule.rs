//! Which file is served next: a queue of files in which something waits, and files that are due a little later.
//!
//! A handful of threads share it. One idle thread at a time watches the clock for the files that are due later; the
//! others sleep until they are needed, so that nothing wakes up in vain.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::file::File;
use crate::clock::{Clock, Moment};
use crate::store::locked;

/// The files that want a thread.
pub(in crate::store) struct Schedule {
    /// The machine's clock: gathering a batch takes real time even where a test stops the wall clock.
    clock: Clock,
    state: Mutex<State>,
    /// Where the idle threads sleep, but for the one that watches the clock.
    wake: Condvar,
    watch: Condvar,
    /// The same as in the state, to be asked on every write.
    stopped: AtomicBool,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Arc<File>>,
    later: BinaryHeap<Reverse<Later>>,
    /// Counts the files put off, to keep those of one moment in order.
    count: u64,
    /// Idle threads that do not watch the clock.
    sleeping: usize,
    /// Whether an idle thread watches the clock.
    watched: bool,
    stopped: bool,
    /// Threads that have not ended.
    threads: usize,
}

struct Later {
    due: Moment,
    count: u64,
    file: Arc<File>,
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.count) == (other.due, other.count)
    }
}

impl Eq for Later {}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.count).cmp(&(other.due, other.count))
    }
}

impl Schedule {
    /// A schedule for so many threads.
    pub(in crate::store) fn new(threads: usize) -> Self {
        let state = State { threads, ..State::default() };
        Self {
            clock: Clock::system(),
            state: Mutex::new(state),
            wake: Condvar::new(),
            watch: Condvar::new(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Now, on the clock that the schedule goes by.
    pub(in crate::store) fn now(&self) -> Moment {
        self.clock.instant()
    }

    /// Puts the file in the queue once `due` has come. The caller sees to it that a file is in here once. False if
    /// the threads have ended.
    pub(in crate::store) fn add(&self, file: Arc<File>, due: Moment, now: Moment) -> bool {
        let mut state = locked(&self.state);
        if state.threads == 0 {
            return false;
        }
        if due <= now || state.stopped {
            state.ready.push_back(file);
            self.rouse(state);
            return true;
        }
        state.count += 1;
        let count = state.count;
        let first = state.later.peek().is_none_or(|Reverse(first)| due < first.due);
        state.later.push(Reverse(Later { due, count, file }));
        if !state.watched {
            self.rouse(state);
        } else if first {
            drop(state);
            self.watch.notify_one();
        }
        true
    }

    /// Wakes one idle thread, the watching one last; after the lock is free, or it would only run into it.
    fn rouse(&self, state: MutexGuard<'_, State>) {
        let (sleeping, watched) = (state.sleeping > 0, state.watched);
        drop(state);
        if sleeping {
            self.wake.notify_one();
        } else if watched {
            self.watch.notify_one();
        }
    }

    /// The next file to serve; waits for one. `None` when the store stops and nothing is left.
    pub(super) fn next(&self) -> Option<Arc<File>> {
        let mut state = locked(&self.state);
        loop {
            let now = self.clock.instant();
            state.promote(now);
            if let Some(file) = state.ready.pop_front() {
                if !state.ready.is_empty() || (!state.watched && !state.later.is_empty()) {
                    self.rouse(state);
                }
                return Some(file);
            }
            if state.stopped {
                return None;
            }
            let due = state.later.peek().map(|Reverse(first)| first.due);
            match due {
                Some(due) if !state.watched => {
                    state.watched = true;
                    let waited = self.watch.wait_timeout(state, due.since(now));
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    state.watched = false;
                }
                _ => {
                    state.sleeping += 1;
                    state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.sleeping -= 1;
                }
            }
        }
    }

    /// Serves what is waiting without delay, then lets the threads end.
    pub(in crate::store) fn stop(&self) {
        locked(&self.state).stopped = true;
        self.stopped.store(true, Ordering::Release);
        self.wake.notify_all();
        self.watch.notify_all();
    }

    /// Notes that a thread ends; true for the last one.
    pub(super) fn retire(&self) -> bool {
        let mut state = locked(&self.state);
        state.threads = state.threads.saturating_sub(1);
        state.threads == 0
    }

    /// Whether the store stops.
    pub(in crate::store) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

impl State {
    /// Moves what is due to the queue; when the store stops, everything is due.
    fn promote(&mut self, now: Moment) {
        while self.later.peek().is_some_and(|Reverse(first)| first.due <= now || self.stopped) {
            if let Some(Reverse(later)) = self.later.pop() {
                self.ready.push_back(later.file);
            }
        }
    }
}
