//! Which rows of runs have handlers at work, so that a cancel reaches them and none that begins later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tenantry_protocol::id::RunId;

use crate::supervise::Stop;

/// A row of a run: the run, and the number of the row.
type Row = (RunId, u32);
/// By row: what its handlers watch, and how many there are.
type Table = HashMap<Row, (Stop, usize)>;

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

/// One handler at work on a row of a run; leaves the table when dropped.
pub struct Watch {
    running: Running,
    row: Option<Row>,
    stop: Stop,
}

impl Running {
    fn with<T>(&self, act: impl FnOnce(&mut Table) -> T) -> T {
        act(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Enters a handler; without a row nothing ever cancels it.
    pub fn watch(&self, row: Option<Row>) -> Watch {
        let stop = row.map_or_else(never, |row| {
            self.with(|table| {
                let (stop, handlers) = table.entry(row).or_insert_with(|| (Stop::new(), 0));
                *handlers += 1;
                stop.clone()
            })
        });
        Watch { running: self.clone(), row, stop }
    }

    /// Tells the handlers of these rows to stop. Call it after the commit that cancelled them.
    pub fn cancel(&self, run: RunId, rows: &[u32]) {
        for row in rows {
            let stop = self.with(|table| table.get(&(run, *row)).map(|(stop, _)| stop.clone()));
            if let Some(stop) = stop {
                stop.cancel();
            }
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
        let Some(row) = self.row else { return };
        self.running.with(|table| {
            if let Some((_, handlers)) = table.get_mut(&row) {
                *handlers -= 1;
                if *handlers == 0 {
                    table.remove(&row);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_reaches_every_handler_of_the_rows_and_no_other() {
        let running = Running::default();
        let (run, other) = (RunId::new(1), RunId::new(2));
        let (first, second) = (running.watch(Some((run, 0))), running.watch(Some((run, 0))));
        let (later, foreign) = (running.watch(Some((run, 1))), running.watch(Some((other, 0))));
        running.cancel(run, &[0, 7]);
        assert!(first.token().is_cancelled() && second.token().is_cancelled());
        assert!(!later.token().is_cancelled() && !foreign.token().is_cancelled());
        drop((first, second, later, foreign));
        assert!(running.with(|table| table.is_empty()));
    }
}
