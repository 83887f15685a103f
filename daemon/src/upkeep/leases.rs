//! Takes lapsed leases back: jobs whose worker was lost without the daemon dying with it.

use std::sync::Arc;

use tenantry_protocol::state::StageName;

use crate::error::Result;
use crate::service::Service;
use crate::store::Lane;
use crate::store::tenant::jobs;

pub(super) async fn reclaim(service: Arc<Service>) -> Result<()> {
    let now = service.clock.now_ms();
    for tenant in service.directory.all() {
        if !service.store.is_open(tenant.id) {
            continue;
        }
        let file = service.store.tenant(tenant.id)?;
        let reclaimed = file.write(Lane::Api, move |tx| jobs::reclaim_expired(tx, now)).await?;
        if reclaimed > 0 {
            tracing::warn!(tenant = %tenant.id, reclaimed, "lapsed leases were taken back");
            for stage in StageName::ALL {
                service.handover.set_behind(*stage, tenant.id);
            }
        }
    }
    Ok(())
}
