//! Senders that wait at the ingress for the end of a run: by event, since the run does not exist yet when they begin.
//!
//! Being told is a hint that saves latency, like every nudge; whoever waits looks into the tenant's file. What waits is
//! bounded for the daemon and for each tenant, and leaves when its connection does: no run ever depends on a waiter.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{EventId, TenantId};
use tokio::sync::watch;

use crate::error::{Error, Result};

/// Senders that may wait at the same time.
pub const WAITING_LIMIT: usize = 512;
/// Senders of one tenant that may wait at the same time.
pub const WAITING_OF_TENANT: usize = 128;

#[derive(Default)]
struct Table {
    /// By event: what its waiters are told through, and how many there are.
    events: HashMap<EventId, (watch::Sender<()>, usize)>,
    tenants: HashMap<TenantId, usize>,
    all: usize,
}

/// Everybody that waits. Cheap to clone.
#[derive(Clone, Default)]
pub struct Waiting {
    table: Arc<Mutex<Table>>,
    /// `Table::all` for those who only want to know whether anybody does.
    count: Arc<AtomicUsize>,
}

/// One that waits; leaves when dropped.
pub struct Waiter {
    waiting: Waiting,
    tenant: TenantId,
    event: EventId,
    told: watch::Receiver<()>,
}

impl Waiting {
    fn with<T>(&self, act: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = act(&mut table);
        self.count.store(table.all, Ordering::Relaxed);
        answer
    }

    /// Whether anybody waits: lets a transaction save the telling.
    pub fn is_any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Waits for what becomes of an event; refuses where too many do already.
    pub fn enter(&self, tenant: TenantId, event: EventId) -> Result<Waiter> {
        let told = self.with(|table| {
            let of_tenant = table.tenants.get(&tenant).copied().unwrap_or_default();
            if table.all >= WAITING_LIMIT || of_tenant >= WAITING_OF_TENANT {
                return None;
            }
            table.all += 1;
            *table.tenants.entry(tenant).or_default() += 1;
            Some(table.add(event))
        });
        let told = told.ok_or_else(|| {
            let detail = "too many senders wait for results at present".to_owned();
            Error::new(ErrorCode::WaitingFull, detail).with_retry_after(1)
        })?;
        Ok(Waiter { waiting: self.clone(), tenant, event, told })
    }

    /// Tells those who wait for the event to look. Call it after the commit.
    pub fn tell(&self, event: EventId) {
        self.with(|table| {
            if let Some((teller, _)) = table.events.get(&event) {
                teller.send_replace(());
            }
        });
    }
}

impl Table {
    fn add(&mut self, event: EventId) -> watch::Receiver<()> {
        let (teller, waiters) = self.events.entry(event).or_default();
        *waiters += 1;
        teller.subscribe()
    }

    fn remove(&mut self, event: EventId) {
        if let Some((_, waiters)) = self.events.get_mut(&event) {
            *waiters -= 1;
            if *waiters == 0 {
                self.events.remove(&event);
            }
        }
    }
}

impl Waiter {
    /// Waits for another event instead: the first one, where this one repeats it.
    pub fn turn_to(&mut self, event: EventId) {
        let before = std::mem::replace(&mut self.event, event);
        self.told = self.waiting.with(|table| {
            table.remove(before);
            table.add(event)
        });
    }

    /// Returns when it was told to look since the last time. What was told before anybody asked is not missed: an event
    /// may be decided between its commit and the first look.
    pub async fn told(&mut self) {
        if self.told.changed().await.is_err() {
            // The teller lives as long as its waiters; without one nothing is ever told.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiting.with(|table| {
            table.remove(self.event);
            table.all -= 1;
            if let Some(of_tenant) = table.tenants.get_mut(&self.tenant) {
                *of_tenant -= 1;
                if *of_tenant == 0 {
                    table.tenants.remove(&self.tenant);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_bounded_for_a_tenant_and_for_all_and_leaves_nothing() {
        let waiting = Waiting::default();
        let enter = |tenant: i64, event: usize| {
            let event = EventId::from_bytes((event as u128).to_be_bytes());
            waiting.enter(TenantId::from_bytes(u128::from(tenant.unsigned_abs()).to_be_bytes()), event)
        };
        let mut waiters: Vec<_> = (0..WAITING_OF_TENANT).map(|event| enter(1, event).unwrap()).collect();
        assert_eq!(enter(1, 9_999).err().map(|error| error.code()), Some(ErrorCode::WaitingFull));
        for event in WAITING_OF_TENANT..WAITING_LIMIT {
            waiters.push(enter(2 + (event / 100) as i64, event).unwrap());
        }
        assert!(enter(77, 9_999).is_err() && waiting.is_any());
        waiters.pop();
        waiters.push(enter(77, 9_999).unwrap());
        drop(waiters);
        let left = waiting.with(|table| (table.events.len(), table.tenants.len(), table.all));
        assert_eq!((left, waiting.is_any()), ((0, 0, 0), false));
    }

    #[tokio::test]
    async fn a_waiter_is_told_about_its_event_and_about_the_one_it_turned_to() {
        let waiting = Waiting::default();
        let (first, second) = (EventId::new(1), EventId::new(2));
        let mut waiter = waiting.enter(TenantId::new(1), first).unwrap();
        let is_pending = |waiter: &mut Waiter| {
            let told = std::pin::pin!(waiter.told());
            futures_util::FutureExt::now_or_never(told).is_none()
        };
        waiting.tell(second);
        assert!(is_pending(&mut waiter));
        waiting.tell(first);
        waiter.told().await;
        assert!(is_pending(&mut waiter), "once told is enough");
        waiter.turn_to(second);
        waiting.tell(first);
        assert!(is_pending(&mut waiter));
        waiting.tell(second);
        waiter.told().await;
    }
}
