//! Which runs have handlers at work, so that a cancel reaches them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tenantry_protocol::id::RunId;

use crate::supervise::Stop;

/// By run: what its handlers watch, and how many there are.
type Table = HashMap<RunId, (Stop, usize)>;

/// The handlers at work. Cheap to clone.
#[derive(Clone, Default)]
pub struct Running {
    table: Arc<Mutex<Table>>,
}

/// What is never cancelled; shared, because making one costs more than most handlers of the short stages.
fn never() -> Stop {
    static NEVER: OnceLock<Stop> = OnceLock::new();
    NEVER.get_or_init(Stop::new).clone()
}

/// One handler at work on a run; leaves the table when dropped.
pub struct Watch {
    running: Running,
    run: Option<RunId>,
    stop: Stop,
}

impl Running {
    fn with<T>(&self, act: impl FnOnce(&mut Table) -> T) -> T {
        act(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Enters a handler; without a run nothing ever cancels it.
    pub fn watch(&self, run: Option<RunId>) -> Watch {
        let stop = run.map_or_else(never, |run| {
            self.with(|table| {
                let (stop, handlers) = table.entry(run).or_insert_with(|| (Stop::new(), 0));
                *handlers += 1;
                stop.clone()
            })
        });
        Watch { running: self.clone(), run, stop }
    }

    /// Tells the handlers of a run to stop. Call it after the commit that cancelled the run.
    pub fn cancel(&self, run: RunId) {
        let stop = self.with(|table| table.get(&run).map(|(stop, _)| stop.clone()));
        if let Some(stop) = stop {
            stop.cancel();
        }
    }
}

impl Watch {
    /// Cancelled when the run is.
    pub fn token(&self) -> Stop {
        self.stop.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(run) = self.run else { return };
        self.running.with(|table| {
            if let Some((_, handlers)) = table.get_mut(&run) {
                *handlers -= 1;
                if *handlers == 0 {
                    table.remove(&run);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_reaches_every_handler_of_the_run_and_no_other() {
        let running = Running::default();
        let (run, other) = (RunId::new(1), RunId::new(2));
        let (first, second) = (running.watch(Some(run)), running.watch(Some(run)));
        let foreign = running.watch(Some(other));
        running.cancel(run);
        assert!(first.token().is_cancelled() && second.token().is_cancelled());
        assert!(!foreign.token().is_cancelled());
        drop((first, second, foreign));
        assert!(running.with(|table| table.is_empty()));
    }
}
