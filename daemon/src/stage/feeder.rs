//! Brings jobs from disk into memory: overflow, retries that have come due, and whatever a nudge failed to tell.
//!
//! One feeder a stage. It wakes when a lane runs low, when the next job is due, and for a periodic scan that makes
//! the queues independent of any nudge. **Invariant:** a claim is one write transaction: the lease is on disk before
//! the job is in memory.

use std::sync::Arc;

use futures_util::future::join_all;
use tenantry_protocol::id::TenantId;
use tenantry_protocol::state::{StageName, StepState, TenantState};

use crate::error::Result;
use crate::service::Service;
use crate::service::event::Event;
use crate::service::handover::HandedJob;
use crate::service::material::Material;
use crate::service::step_job::StepJob;
use crate::service::trigger_job::TriggerJob;
use crate::store::WriteTx;
use crate::store::tenant::jobs::{self, Job};
use crate::store::tenant::{events, steps};
use crate::supervise::{Stop, Supervisor, TaskSpec};

/// How long a tenant whose file cannot be written is left alone, in milliseconds.
const PAUSE_MS: i64 = 1_000;
/// Bytes of events that are read along with one claim.
const READ_AHEAD: usize = 256 * 1024;

/// Starts the feeder of a stage under the supervisor.
pub fn start(stage: StageName, service: &Arc<Service>, supervisor: &Supervisor) {
    let service = Arc::clone(service);
    let name = format!("{stage} feeder");
    supervisor.spawn(TaskSpec::always(name), move |stop| feed(stage, Arc::clone(&service), stop));
}

async fn feed(stage: StageName, service: Arc<Service>, stop: Stop) {
    let scan = service.config.stages.of(stage).scan_interval;
    let mut next_scan = service.clock.instant() + scan;
    loop {
        let refills = service.handover.refills(stage, service.clock.now_ms());
        join_all(refills.into_iter().map(|(tenant, count)| refill(&service, stage, tenant, count))).await;
        let due = service.handover.next_due(stage);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = service.handover.feeder_nudged(stage) => {}
            () = sleep_until(&service, due) => {}
            () = service.clock.sleep(next_scan.since(service.clock.instant())) => {
                next_scan = service.clock.instant() + scan;
                for tenant in service.directory.all() {
                    if tenant.state == TenantState::Active && service.store.is_open(tenant.id) {
                        service.handover.set_behind(stage, tenant.id);
                    }
                }
            }
        }
    }
}

async fn sleep_until(service: &Service, due: Option<i64>) {
    match due {
        Some(at) => service.clock.sleep_until_ms(at).await,
        None => std::future::pending().await,
    }
}

/// The slots that were reserved for a refill; given back if the feeder is torn down in between.
struct Reservation<'a> {
    service: &'a Service,
    stage: StageName,
    tenant: TenantId,
    count: usize,
    used: bool,
}

impl Reservation<'_> {
    fn fill(mut self, jobs: Vec<HandedJob>, caught_up: bool) {
        self.used = true;
        self.service.handover.refill(self.stage, self.tenant, self.count, jobs, caught_up);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.used {
            self.service.handover.refill(self.stage, self.tenant, self.count, Vec::new(), false);
        }
    }
}

/// Claims up to `count` due jobs of one tenant.
async fn refill(service: &Arc<Service>, stage: StageName, tenant: TenantId, count: usize) {
    let reservation = Reservation { service, stage, tenant, count, used: false };
    let served = service.directory.get(tenant).is_some_and(|tenant| tenant.state == TenantState::Active);
    if !served || count == 0 {
        // A suspended tenant's jobs stay on disk until it is resumed.
        if !served {
            service.handover.caught_up(stage, tenant);
        }
        reservation.fill(Vec::new(), !served);
        return;
    }
    match claim(service, stage, tenant, count).await {
        Ok((jobs, caught_up)) => reservation.fill(jobs, caught_up),
        Err(error) => {
            tracing::warn!(%stage, %tenant, code = %error.code(), operator = error.operator_line(), "claim failed");
            service.handover.caught_up(stage, tenant);
            reservation.fill(Vec::new(), true);
            service.handover.due_at(stage, tenant, service.clock.now_ms() + PAUSE_MS);
        }
    }
}

async fn claim(
    service: &Arc<Service>,
    stage: StageName,
    tenant: TenantId,
    count: usize,
) -> Result<(Vec<HandedJob>, bool)> {
    let file = service.store.tenant(tenant)?;
    let now = service.clock.now_ms();
    let until = now + service.lease_ms(stage);
    let handover = service.handover.clone();
    let limit = u32::try_from(count).unwrap_or(u32::MAX);
    file.write(stage, move |tx| {
        let jobs = jobs::claim(tx, stage, now, limit, until)?;
        let caught_up = jobs.len() < count;
        if caught_up {
            handover.caught_up(stage, tenant);
            if let Some(at) = jobs::next_due(tx, stage)? {
                handover.due_at(stage, tenant, at);
            }
        }
        if stage == StageName::Action {
            restart_steps(tx, &jobs, now)?;
        }
        let mut room = READ_AHEAD;
        let mut hand = |job| {
            let material = if stage == StageName::Trigger { arrived(tx, &job, &mut room)? } else { None };
            Ok(handed(tenant, job, material))
        };
        let jobs = jobs.into_iter().map(&mut hand).collect::<Result<_>>()?;
        Ok((jobs, caught_up))
    })
    .await
}

/// Steps whose next attempt is claimed go from `retrying` to `running`. Those that a crash cut off are running already.
fn restart_steps(tx: &WriteTx<'_>, jobs: &[Job], now: i64) -> Result<()> {
    for job in jobs {
        if let (Some(run), Ok(payload)) = (job.run_id, StepJob::decode(&job.payload))
            && !payload.stop
        {
            steps::start(tx, run, payload.step, StepState::Retrying, now)?;
        }
    }
    Ok(())
}

/// The event of a trigger job, read along with the claim: a flood's events would else be fetched one by one. One that
/// is larger than `room` is read when its turn comes.
fn arrived(tx: &WriteTx<'_>, job: &Job, room: &mut usize) -> Result<Option<Material>> {
    let Ok(TriggerJob { event: Some(id), .. }) = TriggerJob::decode(&job.payload) else { return Ok(None) };
    if *room == 0 {
        return Ok(None);
    }
    let Some(event) = events::get(tx, id)?.and_then(Event::inline) else { return Ok(None) };
    let bytes = event.body.len() + event.headers.len();
    let fits = bytes <= *room;
    *room = room.saturating_sub(bytes);
    Ok(fits.then(|| Material::Unread(Arc::new(event))))
}

fn handed(tenant: TenantId, job: Job, material: Option<Material>) -> HandedJob {
    HandedJob {
        tenant,
        seq: job.seq,
        id: job.id,
        token: job.lease.token,
        lease_until: job.lease.until,
        attempt: job.attempt,
        run: job.run_id,
        payload: job.payload.into(),
        material,
    }
}
