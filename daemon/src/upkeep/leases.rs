//! Takes lapsed leases back: jobs whose worker was lost without the daemon dying with it.

use std::sync::Arc;

use tenantry_protocol::state::StageName;

use crate::error::Result;
use crate::service::Service;
use crate::store::Lane;
use crate::store::tenant::jobs;

/// How long after its end a lease is taken back, in milliseconds: what a handler decided at the last moment is written
/// by then.
const GRACE_MS: i64 = 10_000;

pub(super) async fn reclaim(service: Arc<Service>) -> Result<()> {
    let ended_before = service.clock.now_ms().saturating_sub(GRACE_MS);
    for tenant in service.directory.all() {
        if !service.store.is_open(tenant.id) {
            continue;
        }
        let file = service.store.tenant(tenant.id)?;
        let reclaimed = file.write(Lane::Api, move |tx| jobs::reclaim_expired(tx, ended_before)).await?;
        if reclaimed > 0 {
            tracing::warn!(tenant = %tenant.id, reclaimed, "lapsed leases were taken back");
            for stage in StageName::ALL {
                service.handover.set_behind(*stage, tenant.id);
            }
        }
    }
    Ok(())
}
