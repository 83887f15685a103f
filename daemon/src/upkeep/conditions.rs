//! Notices how tenants' files are: a file that cannot be written makes its tenant degraded, a damaged one that was set
//! aside makes it quarantined. The store knows first; the directory and the feed learn it here.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tenantry_protocol::id::TenantId;

use crate::service::Service;
use crate::store::Condition;
use crate::supervise::{Stop, Supervisor, TaskSpec};

/// How often the store is asked.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) fn start(service: &Arc<Service>, supervisor: &Supervisor) {
    let service = Arc::clone(service);
    supervisor.spawn(TaskSpec::always("upkeep conditions"), move |stop| watch(Arc::clone(&service), stop));
}

async fn watch(service: Arc<Service>, stop: Stop) {
    let mut degraded = HashSet::new();
    loop {
        look(&service, &mut degraded);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = service.clock.sleep(PAUSE) => {}
        }
    }
}

fn look(service: &Service, degraded: &mut HashSet<TenantId>) {
    let mut now_degraded = HashSet::new();
    for (id, condition) in service.store.unwell() {
        match condition {
            Condition::Quarantined => service.quarantined(id),
            Condition::Degraded => {
                now_degraded.insert(id);
            }
            Condition::Healthy | Condition::Gone => {}
        }
    }
    for id in now_degraded.symmetric_difference(degraded) {
        let Some(tenant) = service.directory.get(*id) else { continue };
        let fails = now_degraded.contains(id);
        tenant.tally.degraded.store(fails, Ordering::Relaxed);
        tracing::warn!(tenant = %id, name = %tenant.name, degraded = fails, "the condition of a tenant changed");
        service.tell_tenant(&tenant);
    }
    *degraded = now_degraded;
}
