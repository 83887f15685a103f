//! What a stop, a crash or a quarantine left of one tenant's work is taken up again.
//!
//! Nobody holds a lease of a tenant that was not served, so every leased job becomes ready.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tenantry_protocol::id::SessionId;
use tenantry_protocol::state::{JobState, StageName, TenantState};

use super::Service;
use super::directory::Tenant;
use super::schedules::entries;
use crate::error::Result;
use crate::store::identity::sessions;
use crate::store::tenant::jobs::{self, Depth};
use crate::store::tenant::{files, schedules, waiters};
use crate::store::{Lane, PAGE_LIMIT, WriteTx};

/// How many jobs were taken up, the queues and how many steps are put aside in them, the revoked sessions, the steps that wait for events, what is watched.
type Recovered = (usize, (Vec<Depth>, u64), Vec<SessionId>, i64, (Option<i64>, bool));

impl Service {
    /// Makes the tenant's jobs ready, counts them, and remembers which of its sessions were revoked.
    pub async fn recover_tenant(self: &Arc<Self>, tenant: &Arc<Tenant>) -> Result<()> {
        let now = self.clock.now_ms();
        let write = self.store.tenant(tenant.id)?.write(Lane::Api, move |tx| {
            let recovered = jobs::recover(tx)?;
            let revoked = sessions::revoked(tx, now, PAGE_LIMIT)?;
            let queues = (jobs::depths(tx)?, jobs::count_aside(tx)?);
            Ok((recovered, queues, revoked, waiters::count_events(tx)?, watched(tx, now)?))
        });
        let (recovered, (depths, aside), revoked, waits, (next, watches)): Recovered = write.await?;
        tenant.tally.event_waits.store(waits, Ordering::Relaxed);
        if recovered > 0 {
            tracing::info!(tenant = %tenant.id, recovered, "jobs were taken up again");
        }
        self.identity.remember(revoked, now);
        let mut quiet = true;
        if tenant.state == TenantState::Active {
            self.schedules.set(tenant.id, next);
            if watches {
                self.files.look(tenant.id);
            }
        }
        let waiting = |stage| depths.iter().filter(move |d| d.stage == stage && d.state != JobState::Dead);
        for (stage, counted) in StageName::ALL.iter().zip(&tenant.tally.waiting) {
            let jobs: u64 = waiting(*stage).map(|depth| depth.count).sum();
            // Steps that wait for the world, maybe for months, do not keep new events out.
            let aside = if *stage == StageName::Action { aside } else { 0 };
            let jobs = jobs.saturating_sub(aside);
            counted.store(i64::try_from(jobs).unwrap_or(i64::MAX), Ordering::Relaxed);
            if tenant.state == TenantState::Active && waiting(*stage).next().is_some() {
                self.handover.set_behind(*stage, tenant.id);
                quiet = false;
            }
        }
        if quiet {
            // A daemon with hundreds of tenants shall not hold the files of those that have nothing to do.
            self.store.close_soon(tenant.id);
        }
        tenant.tally.degraded.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// When the tenant's schedules must be looked at, and whether it waits for files.
fn watched(tx: &WriteTx<'_>, now: i64) -> Result<(Option<i64>, bool)> {
    entries::set_back(tx, now)?;
    // Fires that wait are looked at now: the run before may have ended with the daemon.
    let holds = !schedules::holding(tx, 1)?.is_empty();
    let next = if holds { Some(now) } else { schedules::next(tx)? };
    Ok((next, !files::triggers(tx, 1)?.is_empty() || !files::opened(tx, None, 1)?.is_empty()))
}
