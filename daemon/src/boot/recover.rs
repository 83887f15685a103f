//! What a stop or a crash left is taken up again, tenant by tenant.
//!
//! A tenant whose file cannot be read does not keep the others from being served: it is quarantined or degraded, by
//! name. Go next to `service::recovery` for what is done with one tenant.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;
use tenantry_protocol::state::TenantState;

use crate::service::Service;
use crate::service::directory::Tenant;
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
    let Err(error) = service.recover_tenant(&tenant).await else { return None };
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
