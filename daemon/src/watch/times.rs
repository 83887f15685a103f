//! One timer for the schedules of all tenants.

use std::sync::Arc;
use std::time::Duration;

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;

use crate::service::Service;
use crate::service::schedules::downtime::Tally;
use crate::supervise::{Stop, Supervisor, TaskSpec};

/// The longest sleep, hence the longest that a jump of the wall clock goes unnoticed. Below the minute that a fire may
/// be late.
const WALL_CHECK: Duration = Duration::from_secs(20);
/// How long a tenant whose look has failed is left alone.
const PAUSE_MS: i64 = 5_000;

pub(super) fn start(service: &Arc<Service>, last_alive: Option<i64>, supervisor: &Supervisor) {
    let service = Arc::clone(service);
    supervisor.spawn(TaskSpec::always("watch times"), move |stop| {
        let service = Arc::clone(&service);
        async move {
            // A restart of this task is none of the daemon.
            let told = service.downtime.get().is_some();
            let first = if told { None } else { Some((last_alive, Tally::default())) };
            watch(&service, first, stop).await;
        }
    });
}

async fn watch(service: &Arc<Service>, mut first: Option<(Option<i64>, Tally)>, stop: Stop) {
    let mut before = service.clock.now_ms();
    loop {
        let now = service.clock.now_ms();
        if now < before
            && let Err(error) = service.set_schedules_back().await
        {
            tracing::warn!(code = %error.code(), operator = error.operator_line(), "schedules still stand ahead");
        }
        before = now;
        match service.schedules.first() {
            Some((at, tenant)) if at <= now => {
                look(service, tenant, first.as_mut().map(|(_, tally)| tally)).await;
            }
            next => {
                // Everything that was due at the start has been looked at.
                if let Some((last_alive, tally)) = first.take()
                    && let Err(error) = service.tell_downtime(last_alive, tally).await
                {
                    tracing::warn!(code = %error.code(), operator = error.operator_line(), "downtime was not recorded");
                }
                let wait = next.map_or(WALL_CHECK, |(at, _)| {
                    Duration::from_millis(u64::try_from(at.saturating_sub(now)).unwrap_or_default())
                });
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = service.schedules.nudged() => {}
                    () = service.clock.sleep(wait.min(WALL_CHECK)), if next.is_some() => {}
                }
            }
        }
        if stop.is_cancelled() {
            return;
        }
    }
}

async fn look(service: &Arc<Service>, tenant: TenantId, tally: Option<&mut Tally>) {
    match service.look_at_schedules(tenant).await {
        Ok(looked) => {
            if let Some(tally) = tally {
                tally.add(tenant, &looked);
            }
        }
        Err(error) => {
            if !matches!(error.code(), ErrorCode::Draining | ErrorCode::NotFound) {
                tracing::warn!(%tenant, code = %error.code(), operator = error.operator_line(), "schedules were not looked at");
            }
            service.schedules.set(tenant, Some(service.clock.now_ms().saturating_add(PAUSE_MS)));
        }
    }
}
