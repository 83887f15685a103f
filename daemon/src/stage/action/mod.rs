//! The action stage: executes one attempt of one step.
//!
//! A handler renders the step's templates into a call, executes it, and says how the attempt ended. What a call does
//! outside happens at least once, under an idempotency key that is the same for every attempt.
//! **Invariant:** secrets are redacted from everything that leaves this stage.
//! Go next to [`attempt`] for what a kind works with, then to the file of a kind.

mod attempt;
mod emit;
mod http;
mod jq;
pub mod payload;
mod run;
pub mod runner_link;

use std::sync::Arc;
use std::time::Duration;

use tenantry_protocol::state::StageName;
use tenantry_workflow::Step;
use tenantry_workflow::retry::{self, FailureClass};

use self::attempt::{Done, Failure};
use self::runner_link::RunnerLink;
use super::outcome::{AttemptEnd, Effect, EndAttempt, Outcome};
use super::{JobContext, Stage};
use crate::config;
use crate::egress::Egress;
use crate::service::material::{Material, RunMaterial};
use crate::service::secrets::Secrets;

/// The stage with what it may touch.
pub struct Action {
    /// The way out.
    pub egress: Arc<Egress>,
    /// Executes what is untrusted.
    pub runner: RunnerLink,
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
    /// The step's position.
    step: usize,
}

impl Stage for Action {
    const NAME: StageName = StageName::Action;
    const IS_LONG: bool = true;
    type Payload = StepPayload;

    fn payload(&self, material: Material) -> Option<StepPayload> {
        match material {
            Material::Step(run, step) => Some(StepPayload { run, step }),
            Material::Event(_)
            | Material::Turn(..)
            | Material::Gathered(_)
            | Material::Record(..)
            | Material::Notification(_) => None,
        }
    }

    fn time_limit(&self, payload: &StepPayload) -> Duration {
        let step = payload.run.live.workflow.steps.get(payload.step);
        Duration::from_millis(step.map_or(0, |step| step.timeout_ms))
    }

    async fn handle(&self, context: &JobContext, payload: StepPayload) -> Outcome {
        let StepPayload { run, step: position } = payload;
        let Some(step) = run.live.workflow.steps.get(position) else {
            let error = format!("revision {} has no step {position}", run.live.revision);
            return Outcome::Reject { error, effects: Vec::new() };
        };
        let ending = Ending { context, run: &run, position, started_at: context.clock.now_ms() };
        // An earlier claim may have begun the attempt; whether it did, nobody knows.
        if step.at_most_once && context.attempt > 1 {
            return ending.done(AttemptEnd::Interrupted);
        }
        let default = u64::try_from(self.run_timeout.as_millis()).unwrap_or(u64::MAX);
        let left = u64::try_from(run.deadline(default) - ending.started_at).unwrap_or_default();
        if left == 0 {
            return ending.run_timed_out();
        }
        if context.attempt > step.retry.attempts.saturating_add(self.crash_attempts) {
            let error = format!("given up after {} attempts that a restart cut off", context.attempt - 1);
            let end = AttemptEnd::Failed { error: error.clone(), output: None };
            return Outcome::Reject { error, effects: vec![ending.effect(end, false)] };
        }
        let limit = Duration::from_millis(step.timeout_ms.min(left));
        let result = tokio::select! {
            biased;
            result = self.execute(context, &run, step, limit) => result,
            () = context.cancel.cancelled() => return ending.done(AttemptEnd::Cancelled),
        };
        let timed_out = matches!(&result, Err(failure) if failure.class == FailureClass::Timeout);
        if timed_out && left <= step.timeout_ms {
            return ending.run_timed_out();
        }
        conclude(step, result, &ending)
    }
}

/// Builds the effects with which an attempt ends.
struct Ending<'a> {
    context: &'a JobContext,
    run: &'a Arc<RunMaterial>,
    position: usize,
    started_at: i64,
}

impl Ending<'_> {
    fn effect(&self, end: AttemptEnd, run_timed_out: bool) -> Effect {
        Effect::EndAttempt(Box::new(EndAttempt {
            material: Arc::clone(self.run),
            step: self.position,
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

fn conclude(step: &Step, result: Result<Done, Failure>, ending: &Ending<'_>) -> Outcome {
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
