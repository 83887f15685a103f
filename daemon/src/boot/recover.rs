//! What a stop or a crash left is taken up again, tenant by tenant.
//!
//! Nobody holds a lease at start, so every leased job becomes ready. A tenant whose file cannot be read does not keep
//! the others from being served: it is quarantined or degraded, by name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::stream::{self, StreamExt};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::SessionId;
use tenantry_protocol::state::{JobState, StageName, TenantState};

use crate::error::Result;
use crate::service::Service;
use crate::service::directory::Tenant;
use crate::store::identity::sessions;
use crate::store::tenant::jobs::{self, Depth};
use crate::store::{Lane, PAGE_LIMIT};

/// Tenants that are recovered at the same time.
const AT_ONCE: usize = 16;

/// Recovers every tenant that is not set aside.
pub(super) async fn all(service: &Arc<Service>) -> Result<()> {
    let tenants = service.directory.all().into_iter().filter(|t| t.state != TenantState::Quarantined);
    stream::iter(tenants)
        .for_each_concurrent(AT_ONCE, |tenant| async move {
            if let Err(error) = one(service, &tenant).await {
                tracing::error!(
                    tenant = %tenant.id, name = %tenant.name, code = %error.code(), detail = error.detail(),
                    operator = error.operator_line(), "tenant could not be recovered"
                );
                match error.code() {
                    ErrorCode::TenantQuarantined | ErrorCode::StoreCorrupt => service.quarantined(tenant.id),
                    _ => tenant.tally.degraded.store(true, Ordering::Relaxed),
                }
            }
        })
        .await;
    Ok(())
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
    let waiting = |stage| depths.iter().filter(move |d| d.stage == stage && d.state != JobState::Dead);
    let triggers: u64 = waiting(StageName::Trigger).map(|depth| depth.count).sum();
    let triggers = i64::try_from(triggers).unwrap_or(i64::MAX);
    tenant.tally.triggers_waiting.store(triggers, Ordering::Relaxed);
    for stage in StageName::ALL {
        if tenant.state == TenantState::Active && waiting(*stage).next().is_some() {
            service.handover.set_behind(*stage, tenant.id);
        }
    }
    Ok(())
}
