//! The loop that every stage shares: take a leased job, gather what it needs, handle it, settle it.
//!
//! A worker is a task that does one job at a time; a stage has `concurrency` of them. A handler that panics or
//! overstays is a failed attempt, not a failed worker. When the settle cannot be written (disk full, file being
//! reopened), the outcome is kept in memory and written again until the lease ends: what the handler did outside
//! is then not repeated. If the lease ends first, or the daemon dies, the job is done again under the same
//! idempotency key.
//!
//! **Invariant:** no handler is called under a lease that was lost, or that would lapse while it works.
//! **Invariant:** a job leaves memory only settled, or with its lease left to lapse.
//! Go next to [`super::settle`] for what is written and to [`super::feeder`] for jobs that come from disk.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::state::{StageName, TenantState};

use super::lines::LineDrain;
use super::outcome::Outcome;
use super::{JobContext, LineSink, Stage, load, settle};
use crate::error::{Error, Result};
use crate::service::Service;
use crate::service::directory::Tenant;
use crate::service::handover::HandedJob;
use crate::service::material::Material;
use crate::store::tenant::jobs;
use crate::supervise::{Panicked, Stop, Supervisor, TaskSpec, catch_panic};

/// How much longer than its own time limit a handler is waited for before it is dropped.
const OVERSTAY: Duration = Duration::from_secs(5);
/// The first pause before a settle is written again; doubled each time up to [`SETTLE_PAUSE_LIMIT`].
const SETTLE_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a settle is written again.
const SETTLE_PAUSE_LIMIT: Duration = Duration::from_secs(5);

/// Starts the workers of a stage under the supervisor.
pub fn start<S: Stage>(stage: S, service: &Arc<Service>, supervisor: &Supervisor) {
    let stage = Arc::new(stage);
    for _ in 0..service.config.stages.of(S::NAME).concurrency {
        let (stage, service) = (Arc::clone(&stage), Arc::clone(service));
        supervisor.spawn(TaskSpec::on_panic(worker_name(S::NAME)), move |stop| {
            work(Arc::clone(&stage), Arc::clone(&service), stop)
        });
    }
}

const fn worker_name(stage: StageName) -> &'static str {
    match stage {
        StageName::Trigger => "trigger worker",
        StageName::Action => "action worker",
        StageName::Logging => "logging worker",
        StageName::Notification => "notification worker",
    }
}

async fn work<S: Stage>(stage: Arc<S>, service: Arc<Service>, stop: Stop) {
    loop {
        let job = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            job = service.handover.next(S::NAME) => job,
        };
        let _busy = Busy { service: &service, stage: S::NAME, job: &job };
        // Boxed so that an idle worker costs a few hundred bytes, not the sum of all handlers.
        Box::pin(serve(&*stage, &service, &job)).await;
    }
}

/// Frees the tenant's place in the stage, also when a worker panics.
struct Busy<'a> {
    service: &'a Service,
    stage: StageName,
    job: &'a HandedJob,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.service.handover.done(self.stage, self.job.tenant);
    }
}

async fn serve<S: Stage>(stage: &S, service: &Arc<Service>, job: &HandedJob) {
    let mut lease_until = job.lease_until;
    let Some(outcome) = attempt(stage, service, job, &mut lease_until).await else {
        tracing::warn!(stage = %S::NAME, job = %job.id, "lease lapsed before the job was begun");
        return;
    };
    settle_until_written(service, S::NAME, job, lease_until, Arc::new(outcome)).await;
}

/// Gathers the material and runs the handler. Whatever goes wrong becomes an outcome; none if somebody else has the
/// job by now, and then nothing was begun.
async fn attempt<S: Stage>(
    stage: &S,
    service: &Arc<Service>,
    job: &HandedJob,
    lease_until: &mut i64,
) -> Option<Outcome> {
    let Some(tenant) = service.directory.get(job.tenant) else { return Some(Outcome::Done(Vec::new())) };
    let payload = match prepare(stage, service, &tenant, job).await {
        Ok(payload) => payload,
        Err(outcome) => return Some(outcome),
    };
    let limit = stage.time_limit(&payload).saturating_add(OVERSTAY);
    match outlast(service, S::NAME, job, limit).await {
        Ok(Some(until)) => *lease_until = until,
        Ok(None) => return None,
        Err(error) => return Some(again(service, S::NAME, job, &error.to_string())),
    }
    Some(run(stage, service, tenant, job, payload, limit).await)
}

/// What the handler is given, or why it is not called.
async fn prepare<S: Stage>(
    stage: &S,
    service: &Arc<Service>,
    tenant: &Tenant,
    job: &HandedJob,
) -> std::result::Result<S::Payload, Outcome> {
    if tenant.state != TenantState::Active {
        // Suspended while the job was in memory: it goes back to disk and waits for the tenant to be resumed.
        return Err(Outcome::Snooze { until: service.clock.now_ms() });
    }
    let material = match gather(service, tenant, S::NAME, job).await {
        Ok(Some(material)) => material,
        // What the job was about is gone: a run that was purged, a channel that was deleted.
        Ok(None) => return Err(Outcome::Done(Vec::new())),
        Err(error) if is_transient(error.code()) => {
            return Err(again(service, S::NAME, job, &error.to_string()));
        }
        Err(error) => return Err(reject(error.to_string())),
    };
    stage.payload(material).ok_or_else(|| reject("its payload belongs to another stage"))
}

/// Calls the handler. The lease holds.
async fn run<S: Stage>(
    stage: &S,
    service: &Arc<Service>,
    tenant: Arc<Tenant>,
    job: &HandedJob,
    payload: S::Payload,
    limit: Duration,
) -> Outcome {
    let (sink, drain) = if S::IS_LONG { LineSink::new() } else { LineSink::closed() };
    let watch = service.running.watch(job.run.zip(stage.row(&payload)));
    let context = JobContext {
        tenant,
        job: job.id,
        attempt: job.attempt,
        clock: service.clock.clone(),
        cancel: watch.token(),
        lines: sink,
    };
    // Pinned here: passed on by value, it would be there once more in each future around it.
    let handler = pin!(stage.handle(&context, payload));
    let handler = service.clock.timeout(limit, handler);
    match relay(service, job, catch_panic(handler), drain).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => again(service, S::NAME, job, "the handler overstayed its time limit"),
        Err(panicked) => {
            let (place, panic) = (panicked.place(), panicked.message());
            tracing::error!(stage = %S::NAME, job = %job.id, place, panic, "handler panicked");
            again(service, S::NAME, job, "the handler made a mistake; the telemetry has the detail")
        }
    }
}

/// The material of a job: as it was handed over, else read. Reading is rare and its future large, so it is boxed.
async fn gather(
    service: &Service,
    tenant: &Tenant,
    stage: StageName,
    job: &HandedJob,
) -> Result<Option<Material>> {
    match &job.material {
        Some(material) if !load::is_incomplete(tenant, material) => Ok(Some(material.clone())),
        _ => Box::pin(load::material(service, tenant, stage, job)).await,
    }
}

/// Makes the lease hold for as long as the handler may take: a job that came from disk was claimed without knowing, and
/// one that has waited in memory may have lost its lease there. Answers until when it holds; none if it is lost.
async fn outlast(
    service: &Service,
    stage: StageName,
    job: &HandedJob,
    limit: Duration,
) -> Result<Option<i64>> {
    let needed = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
    let until = service.clock.now_ms().saturating_add(needed);
    if until <= job.lease_until {
        return Ok(Some(job.lease_until));
    }
    let until = until.saturating_add(service.handover.lease_margin_ms(stage));
    let (seq, token) = (job.seq, job.token);
    let file = service.store.tenant(job.tenant)?;
    file.write(stage, move |tx| jobs::extend(tx, seq, token, until)).await.map(|held| held.then_some(until))
}

/// How a handler ended: with an outcome, too late, or with a panic.
type Handled<T> = std::result::Result<std::result::Result<Outcome, T>, Panicked>;

/// Sends lines on while the handler works, and adds what is left to its outcome.
async fn relay<T>(
    service: &Arc<Service>,
    job: &HandedJob,
    handler: impl Future<Output = Handled<T>>,
    mut drain: LineDrain,
) -> Handled<T> {
    tokio::pin!(handler);
    loop {
        let lines = tokio::select! {
            biased;
            mut handled = &mut handler => {
                if let Ok(Ok(outcome)) = &mut handled {
                    outcome.add_lines(drain.rest());
                }
                return handled;
            }
            lines = drain.next(&service.clock) => lines,
        };
        let mut send = Box::pin(settle::lines::send_on(service, job, lines));
        // The handler goes on while its lines are written.
        tokio::select! {
            biased;
            mut handled = &mut handler => {
                send.await;
                if let Ok(Ok(outcome)) = &mut handled {
                    outcome.add_lines(drain.rest());
                }
                return handled;
            }
            () = &mut send => {}
        }
    }
}

fn reject(error: impl Into<String>) -> Outcome {
    Outcome::Reject { error: error.into(), effects: Vec::new() }
}

/// The stage's own retry, for failures that the handler said nothing about.
fn again(service: &Service, name: StageName, job: &HandedJob, error: &str) -> Outcome {
    let stage = service.config.stages.of(name);
    if job.attempt >= stage.attempts {
        return reject(format!("{error} (attempt {} of {})", job.attempt, stage.attempts));
    }
    let pause = stage.backoff.saturating_mul(1 << job.attempt.min(16)).min(stage.backoff_limit);
    let after_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    Outcome::Retry { after_ms, error: error.to_owned(), effects: Vec::new() }
}

/// Whether the store may be able to do later what it cannot do now.
const fn is_transient(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::StoreBusy
            | ErrorCode::StoreFull
            | ErrorCode::StoreReadOnly
            | ErrorCode::TenantDegraded
            | ErrorCode::Draining
            | ErrorCode::Timeout
    )
}

async fn settle_until_written(
    service: &Arc<Service>,
    stage: StageName,
    job: &HandedJob,
    lease_until: i64,
    outcome: Arc<Outcome>,
) {
    let mut pause = SETTLE_PAUSE;
    loop {
        let Err(error) = settle::settle(service, stage, job, Arc::clone(&outcome)).await else { return };
        let left = lease_until - service.clock.now_ms();
        if !is_transient(error.code()) || left <= 0 {
            abandon(service, stage, job, &error).await;
            return;
        }
        service.clock.sleep(pause).await;
        pause = pause.saturating_mul(2).min(SETTLE_PAUSE_LIMIT);
    }
}

/// The outcome cannot be written. The job stays leased on disk; upkeep takes the lease back when it has lapsed.
async fn abandon(service: &Arc<Service>, stage: StageName, job: &HandedJob, error: &Error) {
    tracing::error!(
        %stage, tenant = %job.tenant, job = %job.id, code = %error.code(),
        detail = error.detail(), operator = error.operator_line(), "outcome could not be settled"
    );
    if error.code() == ErrorCode::Internal {
        // A mistake of ours in this very outcome: writing it again would fail again, so a person must look.
        settle::bury(service, stage, job, error).await;
    }
}
