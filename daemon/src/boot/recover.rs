//! What a stop or a crash left is taken up again, tenant by tenant.
//!
//! Nobody holds a lease at start, so every leased job becomes ready. A tenant whose file cannot be read does not keep
//! the others from being served: it is quarantined or degraded, by name.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{SessionId, TenantId};
use tenantry_protocol::state::{JobState, StageName, TenantState};

use crate::error::Result;
use crate::service::Service;
use crate::service::directory::Tenant;
use crate::store::identity::sessions;
use crate::store::tenant::jobs::{self, Depth};
use crate::store::{Lane, PAGE_LIMIT};
use crate::supervise::{Stop, Supervisor, TaskSpec};

/// Tenants that are recovered at the same time.
const AT_ONCE: usize = 16;
/// How long a tenant that could not be recovered is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// Recovers every tenant that is not set aside. Answers those whose files could not be written yet.
pub(super) async fn all(service: &Arc<Service>) -> Vec<TenantId> {
    let tenants = service.directory.all().into_iter().filter(|t| t.state != TenantState::Quarantined);
    let recovered = stream::iter(tenants).map(|tenant| attempt(service, tenant));
    recovered.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
}

/// Recovers one tenant; answers its id if it must be tried again.
async fn attempt(service: &Arc<Service>, tenant: Arc<Tenant>) -> Option<TenantId> {
    let Err(error) = one(service, &tenant).await else {
        tenant.tally.degraded.store(false, Ordering::Relaxed);
        return None;
    };
    tracing::error!(
        tenant = %tenant.id, name = %tenant.name, code = %error.code(), detail = error.detail(),
        operator = error.operator_line(), "tenant could not be recovered"
    );
    if matches!(error.code(), ErrorCode::TenantQuarantined | ErrorCode::StoreCorrupt) {
        service.quarantined(tenant.id);
        return None;
    }
    tenant.tally.degraded.store(true, Ordering::Relaxed);
    Some(tenant.id)
}

/// Tries again what could not be recovered at start, until nothing is left: a disk can be freed.
pub(super) fn keep_trying(service: &Arc<Service>, left: Vec<TenantId>, supervisor: &Supervisor) {
    let service = Arc::clone(service);
    supervisor
        .spawn(TaskSpec::on_panic("recovery"), move |stop| retry(Arc::clone(&service), left.clone(), stop));
}

async fn retry(service: Arc<Service>, mut left: Vec<TenantId>, stop: Stop) {
    while !left.is_empty() {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = service.clock.sleep(PAUSE) => {}
        }
        let mut still = Vec::new();
        for tenant in left.iter().filter_map(|id| service.directory.get(*id)) {
            still.extend(attempt(&service, tenant).await);
        }
        left = still;
    }
}

async fn one(service: &Arc<Service>, tenant: &Arc<Tenant>) -> Result<()> {
    let now = service.clock.now_ms();
    let write = service.store.tenant(tenant.id)?.write(Lane::Api, move |tx| {
        let recovered = jobs::recover(tx)?;
        Ok((recovered, jobs::depths(tx)?, sessions::revoked(tx, now, PAGE_LIMIT)?))
    });
    let (recovered, depths, revoked): (usize, Vec<Depth>, Vec<SessionId>) = write.await?;
    if recovered > 0 {
        tracing::info!(tenant = %tenant.id, recovered, "jobs were taken up again");
    }
    service.identity.remember(revoked, now);
    let mut quiet = true;
    let waiting = |stage| depths.iter().filter(move |d| d.stage == stage && d.state != JobState::Dead);
    for (stage, counted) in StageName::ALL.iter().zip(&tenant.tally.waiting) {
        let jobs: u64 = waiting(*stage).map(|depth| depth.count).sum();
        counted.store(i64::try_from(jobs).unwrap_or(i64::MAX), Ordering::Relaxed);
        if tenant.state == TenantState::Active && waiting(*stage).next().is_some() {
            service.handover.set_behind(*stage, tenant.id);
            quiet = false;
        }
    }
    if quiet {
        // A daemon with hundreds of tenants shall not hold the files of those that have nothing to do.
        service.store.close_soon(tenant.id);
    }
    Ok(())
}
