//! Reading: a few threads, and a few reading connections a file. A reader sees one consistent snapshot and never
//! waits for the writer.
//!
//! **Invariant:** a snapshot lives no longer than the read timeout: an old one would keep the WAL from being cut.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::Connection;
use tenantry_protocol::error::ErrorCode;
use tokio::sync::{Semaphore, oneshot};

use super::committer::file::{FileRef, Name};
use super::connection::{self, Budget, Sizes, Use};
use super::directory::Shared;
use super::{ReadTx, fault, locked};
use crate::clock::Clock;
use crate::config;
use crate::error::{Error, Result};
use crate::supervise::catch;

/// Reads that may wait for a thread.
const WAITING: usize = 4_096;

struct Reader {
    connection: Connection,
    budget: Budget,
}

impl Reader {
    fn open(path: &Path, sizes: Sizes) -> Result<Self> {
        let mut connection = connection::open(path, Use::Read, sizes)?;
        let budget = Budget::watch(&mut connection, &Clock::system())?;
        Ok(Self { connection, budget })
    }
}

/// The reading connections of a file that nobody uses at the moment.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Reader>>,
}

impl Pool {
    pub(super) fn clear(&self) {
        locked(&self.idle).clear();
    }
}

/// One read: takes the transaction, or the reason why there is none; answers the code if it failed.
type Read = Box<dyn FnOnce(Result<&ReadTx<'_>>) -> Option<ErrorCode> + Send>;

/// Reads that wait for a thread.
pub(super) struct ReadQueue {
    gate: Semaphore,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(FileRef, Read)>,
    sleeping: usize,
    stopped: bool,
}

impl Default for ReadQueue {
    fn default() -> Self {
        Self { gate: Semaphore::new(WAITING), state: Mutex::default(), wake: Condvar::new() }
    }
}

impl ReadQueue {
    fn add(&self, file: FileRef, read: Read) -> Result<()> {
        let mut state = locked(&self.state);
        if state.stopped {
            return Err(Error::from(ErrorCode::Draining));
        }
        state.queue.push_back((file, read));
        if state.sleeping > 0 {
            drop(state);
            self.wake.notify_one();
        }
        Ok(())
    }

    fn next(&self) -> Option<(FileRef, Read)> {
        let mut state = locked(&self.state);
        loop {
            if let Some(next) = state.queue.pop_front() {
                return Some(next);
            }
            if state.stopped {
                return None;
            }
            state.sleeping += 1;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleeping -= 1;
        }
    }

    /// Lets the threads end once nothing waits.
    pub(super) fn stop(&self) {
        locked(&self.state).stopped = true;
        self.wake.notify_all();
    }
}

/// The life of a reading thread.
pub(super) fn run(shared: &Shared) {
    while let Some((file, read)) = shared.reads.next() {
        shared.touch(&file, shared.schedule.now());
        let failure = serve(&file, read, &shared.limits);
        if failure == Some(ErrorCode::StoreCorrupt) && file.name != Name::Control {
            shared.quarantine_soon(&file);
        }
    }
}

fn serve(file: &FileRef, read: Read, limits: &config::Store) -> Option<ErrorCode> {
    if let Some(refusal) = file.refusal() {
        return read(Err(refusal)).and(None);
    }
    let pooled = locked(&file.readers.idle).pop();
    let reader = match pooled.map_or_else(|| Reader::open(&file.path, Sizes::new(limits)), Ok) {
        Ok(reader) => reader,
        Err(error) => return read(Err(error)),
    };
    reader.budget.start(limits.read_timeout);
    if let Err(error) = begin(&reader.connection) {
        return read(Err(fault::sql("begin to read", error)));
    }
    let failure = read(Ok(&ReadTx::new(&reader.connection)));
    // A reader that cannot end its snapshot is dropped, and the snapshot with it. So is one of a closed file.
    if end(&reader.connection).is_ok() && file.is_open() {
        locked(&file.readers.idle).push(reader);
    }
    failure
}

fn begin(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("begin")?.execute([]).map(|_| ())
}

fn end(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("rollback")?.execute([]).map(|_| ())
}

impl Shared {
    /// Runs a closure on a snapshot of the file.
    pub(super) async fn read<T, F>(&self, file: &FileRef, closure: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&ReadTx) -> Result<T> + Send + 'static,
    {
        let (waiter, answer) = oneshot::channel();
        let read: Read = Box::new(move |tx| {
            let run = |tx: &ReadTx| {
                catch(|| closure(tx))
                    .unwrap_or_else(|panicked| Err(Error::internal(format!("a read closure {panicked}"))))
            };
            let result = tx.and_then(run);
            let failure = result.as_ref().err().map(Error::code);
            // Whoever gave up waiting has no use for the answer.
            drop(waiter.send(result));
            failure
        });
        let _place = self.reads.gate.acquire().await.map_err(|_| Error::from(ErrorCode::Draining))?;
        self.reads.add(FileRef::clone(file), read)?;
        answer.await.map_err(|_| Error::from(ErrorCode::Draining))?
    }
}
