//! One database file as the rest of the store sees it: its lanes, its condition, its readers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;
use tokio::sync::{Semaphore, oneshot};

use super::Lane;
use super::fence::Unresolved;
use super::lanes::{Lanes, Pace, Taken};
use super::work::Work;
use super::writer::Writer;
use crate::clock::Moment;
use crate::error::{Error, Result};
use crate::store::connection::Sizes;
use crate::store::migrate::{self, Step};
use crate::store::readers::Pool;
use crate::store::{connection, locked};

/// How long a caller should wait before it asks a degraded tenant again, seconds.
const RETRY_AFTER_S: u64 = 2;

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) enum Name {
    Control,
    Tenant(TenantId),
}

/// How a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It takes reads and writes.
    Healthy,
    /// A commit went wrong and the file has not shown yet that it can be written again; tried by itself.
    Degraded,
    /// It was damaged and set aside.
    Quarantined,
    /// It was erased.
    Gone,
}

/// What the file's next service should do when nothing waits any more.
#[derive(Debug, Default)]
pub(super) enum Wish {
    #[default]
    None,
    /// Close the connections.
    Close,
    /// Set the file aside: a reader found it damaged.
    Quarantine,
    /// Close, and delete the folder.
    Erase(oneshot::Sender<Result<()>>),
}

/// Who sits at the file.
pub(super) enum Seat {
    Closed,
    Open(Writer),
    Fenced(Unresolved),
}

pub(in crate::store) struct File {
    pub(in crate::store) name: Name,
    pub(in crate::store) path: PathBuf,
    pub(in crate::store) readers: Pool,
    /// Whether the folder may be made; otherwise a missing file is an error, never an empty tenant.
    create: AtomicBool,
    gates: [Semaphore; Lane::ALL.len()],
    waiting: Mutex<Waiting>,
    pub(super) seat: Mutex<Seat>,
    condition: AtomicU8,
    open: AtomicBool,
    /// Milliseconds on the schedule's clock.
    used: AtomicU64,
}

struct Waiting {
    lanes: Lanes,
    pace: Pace,
    /// Whether the file is in the schedule or being served.
    scheduled: bool,
    wish: Wish,
}

impl File {
    pub(in crate::store) fn new(name: Name, path: PathBuf, lane_limit: usize, now: Moment) -> Self {
        let waiting =
            Waiting { lanes: Lanes::default(), pace: Pace::new(now), scheduled: false, wish: Wish::None };
        Self {
            name,
            path,
            readers: Pool::default(),
            create: AtomicBool::new(name == Name::Control),
            gates: Lane::ALL.map(|_| Semaphore::new(lane_limit)),
            waiting: Mutex::new(waiting),
            seat: Mutex::new(Seat::Closed),
            condition: AtomicU8::new(0),
            open: AtomicBool::new(false),
            used: AtomicU64::new(0),
        }
    }

    /// Lets the next opening make the folder and the file.
    pub(in crate::store) fn allow_creation(&self) {
        self.create.store(true, Ordering::Relaxed);
    }

    /// Sees to it that there is a file in the present schema.
    pub(super) fn prepare(&self, sizes: Sizes, now_ms: i64) -> Result<()> {
        let steps: &[Step] = match self.name {
            Name::Control => migrate::CONTROL,
            Name::Tenant(_) => migrate::TENANT,
        };
        if self.create.load(Ordering::Relaxed) {
            let folder = self.path.parent().unwrap_or(&self.path);
            connection::create_folder(folder)?;
            if self.name != Name::Control {
                connection::create_folder(&folder.join("blobs"))?;
                connection::create_folder(&folder.join("scratch"))?;
            }
            migrate::apply(&self.path, steps, sizes, now_ms)?;
            connection::sync_folder(folder)?;
            folder.parent().map_or(Ok(()), connection::sync_folder)?;
            self.create.store(false, Ordering::Relaxed);
            return Ok(());
        }
        if !self.path.is_file() {
            return Err(Error::from(ErrorCode::NotFound).with_operator(self.path.display().to_string()));
        }
        migrate::apply(&self.path, steps, sizes, now_ms)
    }

    pub(in crate::store) fn condition(&self) -> Condition {
        match self.condition.load(Ordering::Acquire) {
            0 => Condition::Healthy,
            1 => Condition::Degraded,
            2 => Condition::Quarantined,
            _ => Condition::Gone,
        }
    }

    pub(super) fn set_condition(&self, condition: Condition) {
        self.condition.store(condition as u8, Ordering::Release);
    }

    /// Why nothing can be done with the file now, if so.
    pub(in crate::store) fn refusal(&self) -> Option<Error> {
        let code = match self.condition() {
            Condition::Healthy => return None,
            Condition::Degraded => ErrorCode::TenantDegraded,
            Condition::Quarantined => ErrorCode::TenantQuarantined,
            Condition::Gone => ErrorCode::NotFound,
        };
        let error = Error::from(code);
        Some(if code == ErrorCode::TenantDegraded { error.with_retry_after(RETRY_AFTER_S) } else { error })
    }

    /// Waits for a place in the lane, in the order of asking.
    pub(in crate::store) async fn admit(&self, lane: Lane) -> Result<()> {
        let gate = self.gates.get(lane.index()).ok_or_else(|| Error::internal("a lane without a gate"))?;
        let place = gate.acquire().await.map_err(|_| Error::from(ErrorCode::Draining))?;
        place.forget();
        Ok(())
    }

    /// Takes a place without waiting, beyond the limit if need be: for the committer's own closures.
    pub(super) fn admit_now(&self, lane: Lane) {
        if let Some(place) = self.gates.get(lane.index()).and_then(|gate| gate.try_acquire().ok()) {
            place.forget();
        }
    }

    /// Gives back the place of a closure that did not enter its lane.
    pub(super) fn readmit(&self, lane: Lane) {
        if let Some(gate) = self.gates.get(lane.index()) {
            gate.add_permits(1);
        }
    }

    /// Puts an admitted closure in its lane. Answers when to serve the file, if nobody is about to.
    pub(super) fn enqueue(&self, lane: Lane, work: Box<dyn Work>, now: Moment) -> Option<Moment> {
        let mut waiting = locked(&self.waiting);
        waiting.lanes.push(lane, work);
        if waiting.scheduled {
            return None;
        }
        waiting.scheduled = true;
        Some(waiting.pace.due(now))
    }

    /// Leaves a wish for the next service; true if the caller has to schedule the file.
    pub(super) fn wish(&self, wish: Wish) -> bool {
        let mut waiting = locked(&self.waiting);
        if !matches!(waiting.wish, Wish::Erase(_)) {
            waiting.wish = wish;
        }
        !std::mem::replace(&mut waiting.scheduled, true)
    }

    pub(super) fn take_wish(&self) -> Wish {
        std::mem::take(&mut locked(&self.waiting).wish)
    }

    /// Takes the next batch and gives its places in the lanes free.
    pub(super) fn take(&self, limit: usize, now: Moment) -> Taken {
        let mut waiting = locked(&self.waiting);
        let taken = waiting.lanes.take(limit);
        if !taken.works.is_empty() {
            waiting.pace.took(taken.works.len(), now);
        }
        drop(waiting);
        for (gate, count) in self.gates.iter().zip(taken.counts) {
            if count > 0 {
                gate.add_permits(count);
            }
        }
        taken
    }

    /// Ends a service: answers when the next one is due, if something came in meanwhile.
    pub(super) fn leave(&self, now: Moment) -> Option<Moment> {
        let mut waiting = locked(&self.waiting);
        if !waiting.lanes.is_empty() {
            return Some(waiting.pace.due(now));
        }
        if !matches!(waiting.wish, Wish::None) {
            return Some(now);
        }
        waiting.scheduled = false;
        None
    }

    /// How many closures wait in each lane.
    pub(in crate::store) fn waiting(&self) -> [usize; Lane::ALL.len()] {
        locked(&self.waiting).lanes.waiting()
    }

    pub(in crate::store) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(super) fn set_open(&self, open: Opening) {
        self.open.store(open == Opening::Opened, Ordering::Release);
        if open == Opening::Closed {
            self.readers.clear();
        }
    }

    pub(in crate::store) fn touch(&self, now: Moment, origin: Moment) {
        let ms = u64::try_from(now.since(origin).as_millis()).unwrap_or(u64::MAX);
        self.used.store(ms, Ordering::Relaxed);
    }

    /// When it was last used, milliseconds after the schedule's origin.
    pub(in crate::store) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// Whether the file has a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Opened,
    Closed,
}

/// A shared file.
pub(in crate::store) type FileRef = Arc<File>;
