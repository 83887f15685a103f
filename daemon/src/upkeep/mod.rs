//! Upkeep: periodic work that is idempotent, takes no input and may be late: the condition of files, lapsed leases,
//! signed checkpoints, refused calls, expired keys of deduplication, sessions and tokens, key rotation, retention.
//!
//! **Invariant:** nothing here decides about a run. What upkeep forgets for a day, the daemon survives for a day.

mod checkpoints;
mod conditions;
mod forget;
mod leases;
mod retention;
mod rotation;

use std::sync::Arc;
use std::time::Duration;

use crate::egress::Egress;
use crate::error::Result;
use crate::service::Service;
use crate::supervise::{Stop, Supervisor, TaskSpec};

/// How often an audit log that has grown is signed.
const CHECKPOINT_EVERY: Duration = Duration::from_mins(1);
/// How often lapsed leases are looked for.
const LEASES_EVERY: Duration = Duration::from_mins(1);
/// How often it is looked for refused calls that were only counted.
const REFUSALS_EVERY: Duration = Duration::from_secs(10);
/// How often expired rows are deleted.
const FORGET_EVERY: Duration = Duration::from_mins(5);
/// How often what was kept long enough is forgotten.
const RETENTION_EVERY: Duration = Duration::from_mins(10);
/// How often the age of the token key is looked at.
const ROTATION_EVERY: Duration = Duration::from_mins(10);

/// Starts all of it under the supervisor.
pub fn start(service: &Arc<Service>, egress: &Arc<Egress>, supervisor: &Supervisor) {
    conditions::start(service, supervisor);
    every("upkeep checkpoints", CHECKPOINT_EVERY, service, supervisor, checkpoints::sign);
    every("upkeep leases", LEASES_EVERY, service, supervisor, leases::reclaim);
    every("upkeep refusals", REFUSALS_EVERY, service, supervisor, |service| async move {
        service.tell_refused_calls().await;
        Ok(())
    });
    every("upkeep rotation", ROTATION_EVERY, service, supervisor, rotation::rotate);
    let sweeper = Arc::new(retention::Sweeper::new(service));
    every("upkeep retention", RETENTION_EVERY, service, supervisor, move |service| {
        Arc::clone(&sweeper).sweep(service)
    });
    let egress = Arc::clone(egress);
    every("upkeep forget", FORGET_EVERY, service, supervisor, move |service| {
        egress.sweep();
        forget::forget(service)
    });
}

fn every<W, F>(name: &'static str, pause: Duration, service: &Arc<Service>, supervisor: &Supervisor, work: W)
where
    W: Fn(Arc<Service>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let service = Arc::clone(service);
    supervisor.spawn(TaskSpec::always(name), move |stop| {
        repeat(name, pause, Arc::clone(&service), work.clone(), stop)
    });
}

async fn repeat<W, F>(name: &'static str, pause: Duration, service: Arc<Service>, work: W, stop: Stop)
where
    W: Fn(Arc<Service>) -> F,
    F: Future<Output = Result<()>>,
{
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = service.clock.sleep(pause) => {}
        }
        if let Err(error) = work(Arc::clone(&service)).await {
            tracing::warn!(task = name, code = %error.code(), operator = error.operator_line(), "upkeep failed");
        }
    }
}

/// The last checkpoints, on the way out: what is signed then, a restart can prove.
pub async fn last_checkpoints(service: &Arc<Service>) -> Result<()> {
    checkpoints::sign(Arc::clone(service)).await
}
