//! A job becomes a dead letter, and nobody has said what becomes of what waits for it: the handler made a mistake, or
//! was never called. The dead letter stays for a person; the run goes on without it.
//!
//! A step fails as if its handler had said so: `on-error`, `finally` and `notify` hold, and the run is retried rather
//! than the letter. **Invariant:** nothing waits for a dead letter alone.

use std::sync::Arc;

use tenantry_protocol::id::RunId;
use tenantry_protocol::state::StageName;
use tenantry_workflow::plan::Slot;

use super::apply;
use crate::error::Result;
use crate::service::Service;
use crate::service::directory::Tenant;
use crate::service::end_run;
use crate::service::flow::given_up::{self, Waits};
use crate::service::handover::HandedJob;
use crate::service::ledger::Ledger;
use crate::service::material::{Material, RunMaterial};
use crate::service::step_job::StepJob;
use crate::service::trigger_job::TriggerJob;
use crate::stage::outcome::{AttemptEnd, Effect, EndAttempt, Outcome};

/// What becomes of what waits for the job.
pub(super) enum Ending {
    /// Nothing waits, or its handler has said what becomes of it.
    Said,
    /// It is known how it goes on.
    Effects(Vec<Effect>),
    /// Its run does not begin.
    Never(Arc<RunMaterial>, String),
    /// Its run cannot be read, and ends.
    GivenUp(RunId, String),
}

/// Decides what becomes of what waits for a job that is buried.
pub(super) async fn ending(
    service: &Service,
    tenant: &Tenant,
    stage: StageName,
    job: &HandedJob,
    outcome: &Outcome,
) -> Ending {
    let Outcome::Reject { error, effects } = outcome else { return Ending::Said };
    let says = |effect: &Effect| {
        matches!(effect, Effect::EndAttempt(_) | Effect::CloseGathered(_) | Effect::StartGathered(_))
    };
    if effects.iter().any(says) {
        return Ending::Said;
    }
    if stage == StageName::Trigger
        && let Ok(TriggerJob { gathering: Some(id), .. }) = TriggerJob::decode(&job.payload)
    {
        return Ending::Effects(vec![Effect::CloseGathered(id)]);
    }
    let (Some(run), Some(waits)) = (job.run, given_up::waits_for(stage, &job.payload)) else {
        return Ending::Said;
    };
    let material = match &job.material {
        Some(Material::Step(material, _)) => Some(Arc::clone(material)),
        _ => service.material_of(tenant, run).await.unwrap_or_else(|error| {
            tracing::error!(%run, code = %error.code(), operator = error.operator_line(), "run cannot be read");
            None
        }),
    };
    let known = match (waits, material) {
        (Waits::Begin, Some(material)) => Some(Ending::Never(material, error.clone())),
        (Waits::Step(_), Some(material)) => failed(service, job, material, error).map(Ending::Effects),
        (Waits::Unread, _) | (_, None) => None,
    };
    known.unwrap_or_else(|| Ending::GivenUp(run, error.clone()))
}

/// The same when that could not be written either: the run ends.
pub(super) fn bluntly(stage: StageName, job: &HandedJob, error: &str) -> Ending {
    match job.run.filter(|_| given_up::waits_for(stage, &job.payload).is_some()) {
        Some(run) => Ending::GivenUp(run, error.to_owned()),
        None => Ending::Said,
    }
}

/// The step fails; none if the run has no such step.
fn failed(
    service: &Service,
    job: &HandedJob,
    material: Arc<RunMaterial>,
    error: &str,
) -> Option<Vec<Effect>> {
    let asked = StepJob::decode(&job.payload).ok()?;
    let steps = material.live.workflow.steps.len();
    let slot = Slot::of(asked.step, steps);
    if slot.step >= steps {
        return None;
    }
    let now = service.clock.now_ms();
    let end = EndAttempt {
        material,
        slot,
        attempt: job.attempt,
        end: AttemptEnd::Failed { error: error.to_owned(), output: None },
        started_at: now,
        ended_at: now,
        lines: Vec::new(),
        run_timed_out: false,
    };
    let mut effects = vec![Effect::EndAttempt(Box::new(end))];
    // It would go on, and nobody would wait for it.
    effects.extend(asked.parked.and_then(|parked| parked.run).map(Effect::StopRun));
    Some(effects)
}

/// Writes it, in the transaction that buries the job.
pub(super) fn write(ledger: &mut Ledger<'_>, stage: StageName, ending: &Ending) -> Result<()> {
    match ending {
        Ending::Effects(effects) => effects.iter().try_for_each(|effect| apply(ledger, effect, None)),
        Ending::Never(material, error) if given_up::is_waiting(ledger, material.id, Waits::Begin)? => {
            end_run::fail_queued(ledger, material, error.clone())
        }
        Ending::Said | Ending::Never(..) => Ok(()),
        Ending::GivenUp(run, error) => given_up::give_up(ledger, stage, *run, error),
    }
}
