//! One timer for the schedules of all tenants.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;

use crate::service::Service;
use crate::service::schedules::downtime::Tally;
use crate::service::schedules::look::Looked;
use crate::supervise::{Stop, Supervisor, TaskSpec};

/// The longest sleep in milliseconds, hence the longest that a jump of the wall clock goes unnoticed. Below the minute
/// that a fire may be late.
const WALL_CHECK_MS: i64 = 20_000;
/// How far the wall clock must be set back for schedules to be set back with it, in milliseconds. Less than that, and
/// they go on when it has come up again.
const STEP_MS: i64 = 1_000;
/// Tenants that are looked at beside each other: a slow file must not make the schedules of others late.
const LOOKS: usize = 16;
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
    let mut looks = FuturesUnordered::new();
    let mut looking = HashSet::new();
    while !stop.is_cancelled() {
        let now = service.clock.now_ms();
        if now < before.saturating_sub(STEP_MS)
            && let Err(error) = service.set_schedules_back().await
        {
            tracing::warn!(code = %error.code(), operator = error.operator_line(), "schedules still stand ahead");
        }
        before = now;
        // A tenant that is being looked at is not looked at twice at the same time.
        let next = service.schedules.first_but(&looking);
        if let Some((at, tenant)) = next
            && at <= now
            && looks.len() < LOOKS
        {
            looking.insert(tenant);
            looks.push(async move { (tenant, look(service, tenant).await) });
            continue;
        }
        // Everything that was due at the start has been looked at.
        if looks.is_empty()
            && let Some((last_alive, tally)) = first.take()
            && let Err(error) = service.tell_downtime(last_alive, tally).await
        {
            tracing::warn!(code = %error.code(), operator = error.operator_line(), "downtime was not recorded");
        }
        // Without room the end of a look is waited for.
        let timer = next.filter(|_| looks.len() < LOOKS);
        let timer = timer.map(|(at, _)| at.min(now.saturating_add(WALL_CHECK_MS)));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some((tenant, looked)) = looks.next(), if !looks.is_empty() => {
                looking.remove(&tenant);
                if let (Some(looked), Some((_, tally))) = (looked, &mut first) {
                    tally.add(tenant, &looked);
                }
            }
            () = service.schedules.nudged() => {}
            () = service.clock.sleep_until_ms(timer.unwrap_or(now)), if timer.is_some() => {}
        }
    }
}

/// Looks at a tenant; none if that failed and is tried again.
async fn look(service: &Arc<Service>, tenant: TenantId) -> Option<Looked> {
    match service.look_at_schedules(tenant).await {
        Ok(looked) => Some(looked),
        Err(error) => {
            if !matches!(error.code(), ErrorCode::Draining | ErrorCode::NotFound) {
                tracing::warn!(%tenant, code = %error.code(), operator = error.operator_line(), "schedules were not looked at");
            }
            service.schedules.set(tenant, Some(service.clock.now_ms().saturating_add(PAUSE_MS)));
            None
        }
    }
}
