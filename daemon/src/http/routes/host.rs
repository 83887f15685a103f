//! Health for everyone; status and stats for the host's admin.

use axum::extract::State;
use tenantry_protocol::health::{API_VERSION, Health, HostStats, Status, TaskView};
use tenantry_protocol::permission::Permission;

use super::Shared;
use crate::http::Api;
use crate::http::extract::{Anonymous, Caller};
use crate::http::reply::{Answer, Reply};
use crate::supervise::TaskState;

pub(in crate::http) async fn health(State(api): Shared, _: Anonymous) -> Reply<Health> {
    Ok(Answer(Health { state: api.service.health(), api: API_VERSION }))
}

pub(in crate::http) async fn stats(State(api): Shared, Caller(by): Caller) -> Reply<HostStats> {
    Ok(Answer(api.service.host_stats(&by).await?))
}

pub(in crate::http) async fn status(State(api): Shared, Caller(by): Caller) -> Reply<Status> {
    by.require_host(Permission::HostAdmin)?;
    Ok(Answer(status_of(&api)))
}

fn status_of(api: &Api) -> Status {
    let health = api.supervisor.health();
    let unwell = health.iter().filter(|task| task.state == TaskState::Degraded);
    let sandbox = api.runner.ready().map(|ready| ready.sandbox.in_force).unwrap_or_default();
    Status {
        state: api.service.health(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_at: api.service.started_at,
        data: api.service.store.folder().display().to_string(),
        socket: api.addresses.socket.clone(),
        ingress: api.addresses.ingress.clone(),
        public_url: api.addresses.public_url.clone(),
        tenants: api.service.tenant_counts(),
        memory_bytes: resident_bytes(),
        degraded_tasks: unwell
            .map(|task| TaskView {
                name: task.name.clone(),
                restarts: task.restarts,
                last_error: task.last_failure.clone(),
            })
            .collect(),
        tasks: health.len() as u64,
        downtime: api.service.downtime.get(),
        sandbox,
    }
}

/// The second field of /proc/self/statm, in pages (proc(5)); 0 where there is no /proc.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|field| field.parse::<u64>().ok());
    pages.unwrap_or_default() * rustix::param::page_size() as u64
}
