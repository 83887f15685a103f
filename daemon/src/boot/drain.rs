//! The way down: nothing new is accepted, what is under way settles, what has not begun is given back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tenantry_protocol::id::TenantId;
use tenantry_protocol::state::StageName;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{House, Parts, machine, ready};
use crate::error::Result;
use crate::service::Service;
use crate::service::handover::HandedJob;
use crate::store::Lane;
use crate::store::tenant::jobs;
use crate::supervise::Drained;
use crate::upkeep;

/// The time for files to be closed; a commit takes milliseconds.
pub(super) const STORE_DEADLINE: Duration = Duration::from_secs(10);
/// The time for upkeep to end.
const UPKEEP_DEADLINE: Duration = Duration::from_secs(5);

/// What ends the daemon.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        let of = |kind| signal(kind).map_err(|error| machine("listen for signals", error));
        Ok(Self { terminate: of(SignalKind::terminate())?, interrupt: of(SignalKind::interrupt())? })
    }

    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Drains the house.
pub(super) async fn drain(house: House, parts: Parts) -> Result<()> {
    let House { service, ready, _socket } = house;
    let deadline = service.config.drain.deadline;
    tracing::info!("daemon drains");
    ready::tell(&[NotifyState::Stopping]);
    service.begin_drain();
    drop(ready);
    let started = service.clock.instant();
    report("doors", &parts.doors.drain(deadline).await);
    let left = deadline.saturating_sub(service.clock.elapsed(started)).max(Duration::from_millis(100));
    report("stages", &parts.stages.drain(left).await);
    report("upkeep", &parts.upkeep.drain(UPKEEP_DEADLINE).await);
    give_back(&service).await;
    service.tell_all_refused_calls().await;
    if let Err(error) = upkeep::last_checkpoints(&service).await {
        tracing::warn!(code = %error.code(), "audit logs were not signed on the way out");
    }
    report("runner", &parts.runner.drain(UPKEEP_DEADLINE).await);
    report("store", &parts.store.drain(STORE_DEADLINE).await);
    tracing::info!("daemon has stopped");
    Ok(())
}

fn report(part: &str, drained: &Drained) {
    if !drained.is_complete() {
        tracing::warn!(part, leftovers = ?drained.leftovers, "did not stop in time; its jobs will be done again");
    }
}

/// Jobs that were handed over but not begun become ready again, as if they had never been claimed.
async fn give_back(service: &Arc<Service>) {
    let mut by_tenant: HashMap<TenantId, Vec<HandedJob>> = HashMap::new();
    for stage in StageName::ALL {
        while let Some(job) = service.handover.take_back(*stage) {
            by_tenant.entry(job.tenant).or_default().push(job);
        }
    }
    for (tenant, handed) in by_tenant {
        let Ok(file) = service.store.tenant(tenant) else { continue };
        let now = service.clock.now_ms();
        let write = file.write(Lane::Api, move |tx| {
            for job in &handed {
                jobs::release(tx, job.seq, job.token, now)?;
            }
            Ok(())
        });
        if let Err(error) = write.await {
            // The next start takes them up again all the same; only their attempts stay counted.
            tracing::warn!(%tenant, code = %error.code(), "jobs were not given back");
        }
    }
}
