//! Settle: turns what a handler decided into rows, in one transaction.
//!
//! The lease token is checked first; if it is stale, somebody else has the job and nothing is written. States move
//! only through `tenantry_workflow::transition`; whatever it refuses is a mistake of ours and fails the settle.
//! **Invariant:** the stage decides, settle records. No handler is called and nothing is waited for in here.

mod begin_run;
mod buried;
mod deliver;
mod end_attempt;
mod gather;
pub mod lines;
mod look_back;
mod park;
mod record;
mod start_run;
mod turn;

use std::sync::Arc;

use serde_json::json;
use tenantry_protocol::feed::Change;
use tenantry_protocol::id::{EventId, JobId, LeaseToken, RunId, TenantId};
use tenantry_protocol::state::StageName;

use self::buried::Ending;
use self::look_back::LookBack;
use super::outcome::{Effect, Outcome, Wake};
use crate::error::{Error, Result};
use crate::service::Service;
use crate::service::events::insert_event;
use crate::service::flow::{stop, wake};
use crate::service::handover::HandedJob;
use crate::service::ledger::Ledger;
use crate::service::step_job::StepJob;
use crate::service::trigger_job::TriggerJob;
use crate::service::{notifications, outputs};
use crate::store::tenant::jobs;

/// What names a job and proves the right to settle it.
struct Claim {
    stage: StageName,
    seq: i64,
    id: JobId,
    token: LeaseToken,
    run: Option<RunId>,
    /// It was put aside when it was claimed: its time was over, and it does not count among the jobs of the queue.
    was_aside: bool,
    /// What a step that is put aside finds there already.
    earlier: Option<LookBack>,
}

/// Writes an outcome. It may be called again with the same outcome if it fails.
pub async fn settle(
    service: &Arc<Service>,
    stage: StageName,
    job: &HandedJob,
    outcome: Arc<Outcome>,
) -> Result<()> {
    let Some(tenant) = service.directory.get(job.tenant) else { return Ok(()) };
    let ending = match &*outcome {
        // Boxed: what is rare shall not make every settle larger.
        Outcome::Reject { .. } => Box::pin(buried::ending(service, &tenant, stage, job, &outcome)).await,
        _ => Ending::Said,
    };
    write(service, stage, job, outcome, ending).await
}

async fn write(
    service: &Arc<Service>,
    stage: StageName,
    job: &HandedJob,
    outcome: Arc<Outcome>,
    ending: Ending,
) -> Result<()> {
    let Some(tenant) = service.directory.get(job.tenant) else { return Ok(()) };
    let file = service.store.tenant(job.tenant)?;
    let unstarted = unstarted(service, stage, job, &outcome);
    let earlier = look_back::look(service, tenant.id, job, &outcome).await?;
    let was_aside = stage == StageName::Action && StepJob::is_aside_in(&job.payload);
    let HandedJob { seq, id, token, run, .. } = *job;
    let claim = Claim { stage, seq, id, token, run, was_aside, earlier };
    let blobs = large(service, tenant.id, &outcome).await?;
    let service = Arc::clone(service);
    file.write_again(stage, move |tx| {
        let mut ledger = Ledger::new(Arc::clone(&service), Arc::clone(&tenant), tx);
        if move_job(&mut ledger, &claim, &outcome)? {
            for (effect, blob) in effects_of(&outcome).iter().zip(&blobs) {
                apply(&mut ledger, effect, *blob)?;
            }
            buried::write(&mut ledger, stage, &ending)?;
            if let Some(event) = unstarted {
                ledger.decided(event);
            }
            ledger.seal();
        } else {
            tracing::warn!(%stage, job = %claim.id, "lease was lost; the outcome is dropped");
        }
        Ok(())
    })
    .await
}

/// What is too large for a row becomes a payload in `blobs/` before the transaction that names it: one entry an effect.
async fn large(service: &Service, tenant: TenantId, outcome: &Outcome) -> Result<Vec<Option<[u8; 32]>>> {
    let mut blobs = Vec::new();
    for effect in effects_of(outcome) {
        let bytes = match effect {
            Effect::EndAttempt(end) => end.end.output().and_then(outputs::large),
            Effect::Emit(material) => outputs::large_body(&material.event.body),
            Effect::StartGathered(start) => {
                start.event.as_ref().and_then(|material| outputs::large_body(&material.event.body))
            }
            _ => None,
        };
        blobs.push(match bytes {
            Some(bytes) => Some(service.store.put_blob(tenant, bytes).await?),
            None => None,
        });
    }
    Ok(blobs)
}

/// The event of a trigger job that starts no run, where somebody waits for one.
fn unstarted(service: &Service, stage: StageName, job: &HandedJob, outcome: &Outcome) -> Option<EventId> {
    let starts = |effect: &Effect| matches!(effect, Effect::StartRun(_));
    let ended = matches!(outcome, Outcome::Done(_) | Outcome::Reject { .. });
    if stage != StageName::Trigger
        || !ended
        || !service.waiting.is_any()
        || effects_of(outcome).iter().any(starts)
    {
        return None;
    }
    serde_json::from_slice::<TriggerJob>(&job.payload).ok().and_then(|job| job.event)
}

fn effects_of(outcome: &Outcome) -> &[Effect] {
    match outcome {
        Outcome::Done(effects)
        | Outcome::Retry { effects, .. }
        | Outcome::Reject { effects, .. }
        | Outcome::Park { effects, .. } => effects,
        Outcome::Snooze { .. } => &[],
    }
}

/// Deletes, reschedules or buries the job. False if the lease is stale.
fn move_job(ledger: &mut Ledger<'_>, claim: &Claim, outcome: &Outcome) -> Result<bool> {
    let Claim { stage, seq, token, .. } = *claim;
    let held = match outcome {
        Outcome::Done(_) => jobs::settle(ledger.tx, seq, token)?,
        Outcome::Retry { after_ms, error, .. } => {
            let at = ledger.now.saturating_add_unsigned(*after_ms);
            ledger.due_at(stage, at);
            let held = jobs::reschedule(ledger.tx, seq, token, at, Some(error))?;
            if let (true, StageName::Action, Some(run)) = (held, stage, claim.run) {
                park::begin_anew(ledger, seq, run, at)?;
            }
            held
        }
        Outcome::Snooze { until } => {
            ledger.due_at(stage, *until);
            jobs::release(ledger.tx, seq, token, *until)?
        }
        Outcome::Park { until, job, waiter, .. } => {
            ledger.due_at(stage, *until);
            let held = jobs::park(ledger.tx, seq, token, *until, &job.encode()?)?;
            if let (true, Some(run)) = (held, claim.run) {
                if let Some(waiter) = waiter {
                    park::apply(ledger, waiter, run, job.step, seq)?;
                }
                if let Some(earlier) = &claim.earlier {
                    earlier.wake(ledger, run, job.step)?;
                }
            }
            held
        }
        Outcome::Reject { error, .. } => {
            let held = jobs::bury(ledger.tx, seq, token, error)?;
            if held {
                dead_letter(ledger, claim, error)?;
            }
            held
        }
    };
    let leaves = matches!(outcome, Outcome::Done(_) | Outcome::Reject { .. } | Outcome::Park { .. });
    if held && leaves && !claim.was_aside {
        ledger.ended(stage, 1);
    }
    Ok(held)
}

fn dead_letter(ledger: &mut Ledger<'_>, claim: &Claim, error: &str) -> Result<()> {
    let (job, stage) = (claim.id, claim.stage);
    ledger.count(|tally| &tally.dead_letters);
    ledger.change(|| Change::Dead { job, stage, error: error.to_owned() });
    let detail = json!({ "stage": stage, "error": error });
    ledger.audit(&format!("system:{stage}"), "job.bury", &job.to_string(), "ok", &detail)
}

/// Writes one effect; `blob` names what of it was too large for a row.
pub(super) fn apply(ledger: &mut Ledger<'_>, effect: &Effect, blob: Option<[u8; 32]>) -> Result<()> {
    match effect {
        Effect::StartRun(start) => start_run::apply(ledger, start),
        Effect::BeginRun(begin) => begin_run::apply(ledger, begin),
        Effect::Gather(gather) => gather::apply(ledger, gather),
        Effect::StartGathered(start) => gather::start(ledger, start, blob),
        Effect::CloseGathered(id) => gather::close_dead(ledger, *id),
        Effect::EndAttempt(end) => end_attempt::apply(ledger, end, blob),
        Effect::Emit(material) => insert_event(ledger, material, blob),
        Effect::StartChild(child) => start_run::child(ledger, child),
        Effect::StopRun(run) => stop::order(ledger, *run),
        Effect::Stop(material) => park::stop(ledger, material),
        Effect::Supersede(material) => park::supersede(ledger, material),
        Effect::Wake(woken) => {
            let Wake { run, row, kind, came } = &**woken;
            wake::wake(ledger, *run, *row, *kind, came.clone()).map(drop)
        }
        Effect::Record(record, run) => record::apply(ledger, record, run),
        Effect::Notify(notice) => notifications::enqueue(ledger, notice),
        Effect::Deliver(delivery) => deliver::apply(ledger, delivery),
    }
}

/// Makes a dead letter of a job whose outcome cannot be written. Best effort: the lease lapses otherwise.
pub(super) async fn bury(service: &Arc<Service>, stage: StageName, job: &HandedJob, error: &Error) {
    let error = format!("{}: {}", error.code(), error.operator_line());
    let outcome = Arc::new(Outcome::Reject { error: error.clone(), effects: Vec::new() });
    let Err(refused) = settle(service, stage, job, Arc::clone(&outcome)).await else { return };
    tracing::error!(%stage, job = %job.id, code = %refused.code(), "the run of a buried job cannot go on");
    let ending = buried::bluntly(stage, job, &error);
    if let Err(error) = write(service, stage, job, outcome, ending).await {
        tracing::error!(%stage, job = %job.id, code = %error.code(), "job could not be buried");
    }
}
