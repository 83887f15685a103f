//! One attempt: what the file of a kind works with, and what leaves it.
//!
//! **Invariant:** what a kind returns passes [`redacted`] and [`bounded`] before anybody sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_protocol::run::LogStream;
use tenantry_workflow::plan::Slot;
use tenantry_workflow::retry::FailureClass;
use tenantry_workflow::{ActionKind, Call, Context, Step};

use super::{Action, emit};
use crate::service::material::{EventMaterial, Line, RunMaterial};
use crate::service::step_job::StepJob;
use crate::service::step_value;
use crate::stage::JobContext;
use crate::vault::redact::Secrets as Redaction;

/// The largest value that a step may leave behind, in bytes of JSON.
const OUTPUT_LIMIT: usize = 1 << 20;

/// What went wrong in an attempt.
pub(super) struct Failure {
    pub(super) class: FailureClass,
    pub(super) error: String,
    /// What expressions see of it.
    pub(super) output: Option<Value>,
    /// What the other side asked for.
    pub(super) retry_after_ms: Option<u64>,
}

impl Failure {
    pub(super) fn new(class: FailureClass, error: impl Into<String>) -> Self {
        Self { class, error: error.into(), output: None, retry_after_ms: None }
    }

    pub(super) fn permanent(error: impl Into<String>) -> Self {
        Self::new(FailureClass::Permanent, error)
    }
}

/// What a call left behind.
pub(super) struct Done {
    pub(super) output: Value,
    pub(super) emitted: Option<EventMaterial>,
}

impl Done {
    pub(super) const fn with(output: Value) -> Self {
        Self { output, emitted: None }
    }
}

/// What the file of a kind works with.
pub(super) struct Attempt<'a> {
    pub(super) context: &'a JobContext,
    pub(super) run: &'a RunMaterial,
    pub(super) step: &'a Step,
    /// For this attempt, the rest of the run's own limit considered.
    pub(super) time_limit: Duration,
    pub(super) redaction: &'a Redaction,
    pub(super) idempotency_key: &'a str,
}

impl Attempt<'_> {
    /// Sends a line to the run's log.
    pub(super) async fn say(&self, stream: LogStream, text: &str) {
        let line = Line {
            at: self.context.clock.now_ms(),
            stream,
            text: self.redaction.redact_text(text).into_owned(),
        };
        self.context.lines.push(line).await;
    }
}

impl Action {
    pub(super) async fn execute(
        &self,
        context: &JobContext,
        run: &RunMaterial,
        step: &Step,
        job: &StepJob,
        time_limit: Duration,
    ) -> Result<Done, Failure> {
        let fault = |error: crate::error::Error| {
            let hint = error.hint().map(|hint| format!("; try: {hint}")).unwrap_or_default();
            Failure::permanent(format!("{}: {}{hint}", error.code(), error.detail()))
        };
        let secrets = self.secrets.named(context.tenant.id, step.secrets()).await.map_err(fault)?;
        // Every secret of the tenant, not only those that the step reads: a step can hand one on to the next.
        let redaction = self.secrets.open(context.tenant.id).await.map_err(fault)?.redaction.clone();
        let key = key(run, step, job);
        let call = render(context, run, step, job, &secrets, &key)?;
        let attempt =
            Attempt { context, run, step, time_limit, redaction: &redaction, idempotency_key: &key };
        let result = match call {
            Call::Http(call) => self.http(&attempt, call).await,
            Call::Run(call) => self.run(&attempt, call).await,
            Call::Jq(call) => self.jq(&attempt, call).await,
            Call::Emit(call) => emit::emit(&attempt, call),
            Call::Wait(_) | Call::Approve(_) | Call::Workflow(_) => {
                Err(Failure::permanent("a step that waits has no call"))
            }
        };
        bounded(redacted(result, &redaction))
    }
}

/// The idempotency key, the same for every attempt of a step, and for those of a retried run: receivers use it to tell
/// repeats.
pub(super) fn key(run: &RunMaterial, step: &Step, job: &StepJob) -> String {
    match Slot::of(job.step, run.live.workflow.steps.len()).item {
        None => format!("{}-{}", run.key_run, step.id),
        Some(item) => format!("{}-{}-{item}", run.key_run, step.id),
    }
}

pub(super) fn render(
    context: &JobContext,
    run: &RunMaterial,
    step: &Step,
    job: &StepJob,
    secrets: &BTreeMap<String, String>,
    key: &str,
) -> Result<Call, Failure> {
    let mut run_value = run.run_value();
    if step.kind() == ActionKind::Wait {
        // The condition on an event that is waited for sees that event as `event`.
        run_value["event"] = Value::clone(&run.event);
    }
    run_value["attempt"] = json!(context.attempt);
    run_value["idempotency_key"] = json!(key);
    let values = Context {
        event: &run.event,
        inputs: &run.inputs,
        steps: &run.steps,
        secrets,
        vars: &run.vars,
        tenant: &context.tenant.value,
        workflow: &run.live.value,
        run: &run_value,
        item: job.item.as_deref().unwrap_or(&Value::Null),
        failed: &run.failed,
    };
    step.render(&values).map_err(|error| Failure::permanent(error.to_string()))
}

pub(super) fn redacted(mut result: Result<Done, Failure>, redaction: &Redaction) -> Result<Done, Failure> {
    match &mut result {
        Ok(done) => redaction.redact_json(&mut done.output),
        Err(failure) => {
            failure.error = redaction.redact_text(&failure.error).into_owned();
            if let Some(output) = &mut failure.output {
                redaction.redact_json(output);
            }
        }
    }
    result
}

/// Refuses an output that later steps and lists could not carry.
fn bounded(result: Result<Done, Failure>) -> Result<Done, Failure> {
    let Ok(done) = &result else { return result };
    if step_value::weight(&done.output) <= OUTPUT_LIMIT {
        return result;
    }
    Err(Failure::permanent(format!("the step's output is larger than {OUTPUT_LIMIT} bytes")))
}
