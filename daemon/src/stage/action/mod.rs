//! The action stage: executes one attempt of one step.
//!
//! A handler renders the step's templates into a call, executes it, and says how the attempt ended. What a call does
//! outside happens at least once, under an idempotency key that is the same for every attempt.
//! **Invariant:** secrets are redacted from everything that leaves this stage.
//! Go next to [`attempt`] for what a kind works with, then to the file of a kind.

mod attempt;
mod child;
mod emit;
mod http;
mod jq;
mod run;
pub mod runner_link;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use tenantry_protocol::state::StageName;
use tenantry_workflow::Step;
use tenantry_workflow::plan::Slot;
use tenantry_workflow::retry::{self, FailureClass};

use self::attempt::{Done, Failure};
use self::runner_link::RunnerLink;
use super::outcome::{AttemptEnd, Effect, EndAttempt, Outcome};
use super::{JobContext, Stage};
use crate::config;
use crate::egress::Egress;
use crate::service::catalog::Catalog;
use crate::service::material::{Material, RunMaterial};
use crate::service::secrets::Secrets;
use crate::service::step_job::StepJob;

/// The stage with what it may touch.
pub struct Action {
    /// The way out.
    pub egress: Arc<Egress>,
    /// Executes what is untrusted.
    pub runner: RunnerLink,
    /// The tenants' workflows and channels.
    pub catalog: Catalog,
    /// The tenants' secrets.
    pub secrets: Secrets,
    /// What the runner may use for a call.
    pub limits: config::Runner,
    /// The time limit of a run that has none.
    pub run_timeout: Duration,
    /// Attempts beyond a step's own policy, used up by crashes, after which the step is given up.
    pub crash_attempts: u32,
}

/// One step of a run.
#[derive(Clone, Debug)]
pub struct StepPayload {
    /// The run.
    run: Arc<RunMaterial>,
    /// What is asked for.
    job: StepJob,
}

impl StepPayload {
    fn slot(&self) -> Slot {
        Slot::of(self.job.step, self.run.live.workflow.steps.len())
    }
}

impl Stage for Action {
    const NAME: StageName = StageName::Action;
    const IS_LONG: bool = true;
    type Payload = StepPayload;

    fn payload(&self, material: Material) -> Option<StepPayload> {
        match material {
            Material::Step(run, job) => Some(StepPayload { run, job }),
            Material::Event(_)
            | Material::Unread(_)
            | Material::Awaited(..)
            | Material::Turn(..)
            | Material::Gathered(_)
            | Material::Record(..)
            | Material::Notification(_) => None,
        }
    }

    fn time_limit(&self, payload: &StepPayload) -> Duration {
        let step = payload.run.live.workflow.steps.get(payload.slot().step);
        Duration::from_millis(step.map_or(0, Step::handler_limit_ms))
    }

    fn row(&self, payload: &StepPayload) -> Option<u32> {
        Some(payload.job.step)
    }

    async fn handle(&self, context: &JobContext, payload: StepPayload) -> Outcome {
        let slot = payload.slot();
        let StepPayload { run, job } = payload;
        if job.stop {
            return Outcome::Done(vec![Effect::Stop(run)]);
        }
        let Some(step) = run.live.workflow.steps.get(slot.step) else {
            let error = format!("revision {} has no step {}", run.live.revision, slot.step);
            return Outcome::Reject { error, effects: Vec::new() };
        };
        let ending = Ending { context, run: &run, slot, started_at: context.clock.now_ms() };
        // An earlier claim may have begun the attempt; whether it did, nobody knows.
        if step.at_most_once && context.attempt > 1 {
            return ending.done(AttemptEnd::Interrupted);
        }
        let default = u64::try_from(self.run_timeout.as_millis()).unwrap_or(u64::MAX);
        // What `finally` does belongs to a run whose time may be over.
        let deadline = if step.finally { i64::MAX } else { run.deadline(default) };
        let left = u64::try_from(deadline.saturating_sub(ending.started_at)).unwrap_or_default();
        if left == 0 {
            return ending.run_timed_out();
        }
        if context.attempt > step.retry.attempts.saturating_add(self.crash_attempts) {
            let error = format!("given up after {} attempts that a restart cut off", context.attempt - 1);
            let end = AttemptEnd::Failed { error: error.clone(), output: None };
            return Outcome::Reject { error, effects: vec![ending.effect(end, false)] };
        }
        if step.kind().is_waiting() {
            return tokio::select! {
                biased;
                outcome = self.waiting(&ending, step, &job, left) => outcome,
                () = context.cancel.cancelled() => ending.done(AttemptEnd::Cancelled),
            };
        }
        let limit = Duration::from_millis(step.timeout_ms.min(left));
        let result = tokio::select! {
            biased;
            result = self.execute(context, &run, step, &job, limit) => result,
            () = context.cancel.cancelled() => return ending.done(AttemptEnd::Cancelled),
        };
        let timed_out = matches!(&result, Err(failure) if failure.class == FailureClass::Timeout);
        if timed_out && left <= step.timeout_ms {
            return ending.run_timed_out();
        }
        conclude(step, result, &ending, left)
    }
}

/// Builds the effects with which an attempt ends.
struct Ending<'a> {
    context: &'a JobContext,
    run: &'a Arc<RunMaterial>,
    slot: Slot,
    started_at: i64,
}

impl Ending<'_> {
    fn effect(&self, end: AttemptEnd, run_timed_out: bool) -> Effect {
        Effect::EndAttempt(Box::new(EndAttempt {
            material: Arc::clone(self.run),
            slot: self.slot,
            attempt: self.context.attempt,
            end,
            started_at: self.started_at,
            ended_at: self.context.clock.now_ms(),
            lines: Vec::new(),
            run_timed_out,
        }))
    }

    fn done(&self, end: AttemptEnd) -> Outcome {
        Outcome::Done(vec![self.effect(end, false)])
    }

    fn run_timed_out(&self) -> Outcome {
        Outcome::Done(vec![self.effect(AttemptEnd::Cancelled, true)])
    }
}

/// `left` is how long the run may still take.
fn conclude(step: &Step, result: Result<Done, Failure>, ending: &Ending<'_>, left: u64) -> Outcome {
    let Failure { class, error, output, retry_after_ms } = match result {
        Ok(Done { output, emitted }) => {
            let mut effects = vec![ending.effect(AttemptEnd::Succeeded(output), false)];
            effects.extend(emitted.map(Effect::Emit));
            return Outcome::Done(effects);
        }
        Err(failure) => failure,
    };
    let context = ending.context;
    let delay = retry::next_delay_ms(&step.retry, context.attempt, &class, retry_after_ms, random(context));
    match delay.filter(|_| !step.at_most_once) {
        Some(after_ms) => {
            let end = AttemptEnd::Retrying { error: error.clone() };
            // Not later than the run's own end, so that it ends when it should.
            let after_ms = after_ms.min(left);
            Outcome::Retry { after_ms, error, effects: vec![ending.effect(end, false)] }
        }
        None => ending.done(AttemptEnd::Failed { error, output }),
    }
}

/// A number in `0..1` that differs between jobs and attempts: jitter needs no more.
fn random(context: &JobContext) -> f64 {
    let mut seed = u64::from(context.attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in context.job.as_bytes().iter().rev().take(8) {
        seed = seed.rotate_left(8) ^ u64::from(*byte);
    }
    (seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
}
