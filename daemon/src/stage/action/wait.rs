//! `wait`, `approve` and `workflow`: steps that are put aside until something comes.
//!
//! The first time, the handler says what is waited for and until when; the job goes back to disk with that, costs no
//! memory, and is claimed again when its time is over or when whoever brings what is waited for makes it due. The
//! second time, the handler says how the step ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_protocol::id::NotificationId;
use tenantry_protocol::state::RunState;
use tenantry_workflow::retry::FailureClass;
use tenantry_workflow::{Action as StepAction, ApproveCall, Call, OnTimeout, Step, WaitCall};

use super::attempt::{Done, Failure, redacted, render};
use super::{Action, Ending, conclude};
use crate::error::Error;
use crate::service::approvals::Question;
use crate::service::notifications::Notice;
use crate::service::step_job::{Came, Parked, StepJob};
use crate::stage::outcome::{Effect, NewWaiter, Outcome};
use crate::store::tenant::channels::Channel;
use crate::store::tenant::waiters::Awaited;

/// How long a job that waits without a limit is put aside at a time, in milliseconds: it is looked at about once a year.
const LONGEST_PARK_MS: u64 = 366 * 24 * 60 * 60 * 1_000;
/// The longest text of an approval that is sent to a channel, in bytes.
const QUESTION_LIMIT: usize = 8 * 1024;

/// A step that is put aside: until when, with what, and for whom.
struct Aside {
    due: Option<i64>,
    run: Option<tenantry_protocol::id::RunId>,
    waiter: Option<NewWaiter>,
    effects: Vec<Effect>,
}

impl Action {
    /// Begins to wait, or ends. `left` is how long the run may still take, in milliseconds.
    pub(super) async fn waiting(
        &self,
        ending: &Ending<'_>,
        step: &Step,
        job: &StepJob,
        left: u64,
    ) -> Outcome {
        // Also where a restart cut off the attempt that was to look at what has come.
        if let Some(parked) = job.parked.as_deref() {
            return go_on(ending, step, job, parked, left);
        }
        match self.begin(ending, step, job).await {
            Ok(Begun::Aside(aside)) => put_aside(ending, job, aside, left),
            Ok(Begun::Over(done, effects)) => {
                let mut outcome = conclude(step, Ok(done), ending, left);
                if let Outcome::Done(all) = &mut outcome {
                    all.extend(effects);
                }
                outcome
            }
            Err(failure) => conclude(step, Err(failure), ending, left),
        }
    }

    async fn begin(&self, ending: &Ending<'_>, step: &Step, job: &StepJob) -> Result<Begun, Failure> {
        let Ending { context, run, .. } = *ending;
        let fault = |error: Error| Failure::permanent(error.detail().to_owned());
        let key = super::attempt::key(run, step, job);
        // None of them may read a secret, but what they say may hold one that an earlier step let out.
        let redaction = self.secrets.open(context.tenant.id).await.map_err(fault)?.redaction.clone();
        let call = render(context, run, step, job, &BTreeMap::new(), &key);
        let call = call.map_err(|failure| redacted(Err(failure), &redaction).err().unwrap_or_else(lost))?;
        let now = context.clock.now_ms();
        let later = |ms: u64| now.saturating_add_unsigned(ms);
        match call {
            Call::Wait(WaitCall::For(ms)) => Ok(Begun::until(later(ms))),
            Call::Wait(WaitCall::Until(at)) if at <= now => {
                Ok(Begun::Over(Done::with(json!({ "output": null })), Vec::new()))
            }
            Call::Wait(WaitCall::Until(at)) => Ok(Begun::until(at)),
            Call::Wait(WaitCall::Event { name, filter, timeout_ms }) => {
                let detail = serde_json::to_string(&filter).map_err(|e| Failure::permanent(e.to_string()))?;
                let waiter = NewWaiter { kind: Awaited::Event, name: Some(name), detail };
                let due = timeout_ms.map(later);
                Ok(Begun::Aside(Aside { due, run: None, waiter: Some(waiter), effects: Vec::new() }))
            }
            Call::Approve(call) => {
                let call = ApproveCall {
                    message: call.message.map(|text| redaction.redact_text(&text).into_owned()),
                    ..call
                };
                self.ask(ending, step, call, now).await.map(Begun::Aside)
            }
            Call::Workflow(call) => {
                let child = self.child(ending, call).await?;
                let id = child.start.id;
                if child.start.parent.is_none() {
                    let done = Done::with(json!({ "output": { "run": id } }));
                    return Ok(Begun::Over(done, vec![Effect::StartChild(Box::new(child))]));
                }
                let limit = (step.timeout_ms < LONGEST_PARK_MS).then(|| later(step.timeout_ms));
                let waiter =
                    NewWaiter { kind: Awaited::Run, name: None, detail: json!({ "run": id }).to_string() };
                let effects = vec![Effect::StartChild(Box::new(child))];
                Ok(Begun::Aside(Aside { due: limit, run: Some(id), waiter: Some(waiter), effects }))
            }
            Call::Http(_) | Call::Run(_) | Call::Jq(_) | Call::Emit(_) => {
                Err(Failure::permanent("this step does not wait"))
            }
        }
    }

    /// Puts the question to the channel that is named, or to the tenant's inboxes.
    async fn ask(
        &self,
        ending: &Ending<'_>,
        step: &Step,
        call: ApproveCall,
        now: i64,
    ) -> Result<Aside, Failure> {
        let Ending { context, run, .. } = *ending;
        let catalog = self.catalog.of(context.tenant.id).await;
        let catalog = catalog.map_err(|error| Failure::permanent(error.to_string()))?;
        let channels: Vec<Arc<Channel>> = match &call.channel {
            Some(name) => catalog.channels.get(name).cloned().into_iter().collect(),
            None => catalog.channels.values().filter(|channel| channel.kind == "inbox").cloned().collect(),
        };
        if let (Some(name), true) = (&call.channel, channels.is_empty()) {
            tracing::warn!(tenant = %context.tenant.id, channel = %name, "no such channel");
        }
        let title = format!("{}: approval of {}", run.live.name, step.name.as_deref().unwrap_or(&step.id));
        let mut body = call.message.clone().unwrap_or_default();
        if body.len() > QUESTION_LIMIT {
            let end = (0..=QUESTION_LIMIT).rev().find(|at| body.is_char_boundary(*at)).unwrap_or_default();
            body.truncate(end);
        }
        let command = format!("tenantry run approve {} {}", run.id, step.id);
        let body = if body.is_empty() { command } else { format!("{body}\n\n{command}") };
        let notice = |channel: Arc<Channel>| Notice {
            id: NotificationId::new(now),
            channel,
            run: Some(run.id),
            title: title.clone(),
            body: body.clone(),
        };
        let effects = channels.into_iter().map(notice).map(Effect::Notify).collect();
        let due = call.timeout_ms.map(|ms| now.saturating_add_unsigned(ms));
        let question = Question {
            by: call.by,
            message: call.message,
            allow_starter: call.allow_starter,
            due,
            on_timeout: call.on_timeout,
        };
        let detail = serde_json::to_string(&question).map_err(|e| Failure::permanent(e.to_string()))?;
        let waiter = NewWaiter { kind: Awaited::Approval, name: None, detail };
        Ok(Aside { due, run: None, waiter: Some(waiter), effects })
    }
}

/// How the first look at a step that waits went.
enum Begun {
    Aside(Aside),
    /// There is nothing to wait for.
    Over(Done, Vec<Effect>),
}

impl Begun {
    const fn until(due: i64) -> Self {
        Self::Aside(Aside { due: Some(due), run: None, waiter: None, effects: Vec::new() })
    }
}

fn lost() -> Failure {
    Failure::permanent("the step could not be begun")
}

fn put_aside(ending: &Ending<'_>, job: &StepJob, aside: Aside, left: u64) -> Outcome {
    let Aside { due, run, waiter, effects } = aside;
    let context = ending.context;
    let parked = Parked { attempt: context.attempt, since: ending.started_at, due, run, came: None };
    let job = StepJob { parked: Some(Box::new(parked)), ..job.clone() };
    Outcome::Park { until: until(ending, due, left), job, waiter, effects }
}

/// When a job that waits is looked at again: when its time or the run's is over.
fn until(ending: &Ending<'_>, due: Option<i64>, left: u64) -> i64 {
    let now = ending.context.clock.now_ms();
    let longest = now.saturating_add_unsigned(left.min(LONGEST_PARK_MS));
    due.unwrap_or(i64::MAX).min(longest)
}

/// Looks at a step that was put aside: something has come, or its time is over, or neither.
fn go_on(ending: &Ending<'_>, step: &Step, job: &StepJob, parked: &Parked, left: u64) -> Outcome {
    let ending = Ending { started_at: parked.since, ..*ending };
    let now = ending.context.clock.now_ms();
    let over = parked.due.is_some_and(|due| due <= now);
    let (result, effects) = match (&parked.came, over) {
        (Some(came), _) => (came_to(came), Vec::new()),
        (None, true) => timed_out(step, parked, now),
        (None, false) => {
            // The longest time that anything is put aside at once has passed.
            let until = until(&ending, parked.due, left);
            return Outcome::Park { until, job: job.clone(), waiter: None, effects: Vec::new() };
        }
    };
    let mut outcome = conclude(step, result, &ending, left);
    if let Outcome::Done(all) | Outcome::Retry { effects: all, .. } = &mut outcome {
        all.extend(effects);
    }
    outcome
}

fn came_to(came: &Came) -> Result<Done, Failure> {
    match came {
        Came::Event(event) => Ok(Done::with(json!({ "output": event }))),
        Came::Decision { approved, by, comment, at } => {
            let output =
                json!({ "output": { "approved": approved, "by": by, "comment": comment, "at": at } });
            if *approved {
                return Ok(Done::with(output));
            }
            let why = comment.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
            let failure = Failure::permanent(format!("rejected by {by}{why}"));
            Err(Failure { output: Some(output), ..failure })
        }
        Came::End { state: RunState::Succeeded, outputs, .. } => {
            let output = outputs.clone().map_or(Value::Null, Value::Object);
            Ok(Done::with(json!({ "output": output })))
        }
        Came::End { run, state, error, .. } => {
            let why = error.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
            // As a command that ends with 1: a policy can try it again.
            Err(Failure::new(FailureClass::Exit(1), format!("{run} has {state}{why}")))
        }
    }
}

/// The time of a step that waits is over.
fn timed_out(step: &Step, parked: &Parked, now: i64) -> (Result<Done, Failure>, Vec<Effect>) {
    let seconds = (now - parked.since) / 1_000;
    let failed = |what: String| Err(Failure::new(FailureClass::Timeout, what));
    match &step.action {
        StepAction::Wait(tenantry_workflow::WaitAction::Event(_)) => {
            (failed(format!("no such event has come within {seconds} s")), Vec::new())
        }
        StepAction::Approve(approve) if approve.on_timeout() == OnTimeout::Approve => {
            let output = json!({ "output": { "approved": true, "by": null, "comment": null, "at": now } });
            (Ok(Done::with(output)), Vec::new())
        }
        StepAction::Approve(_) => {
            let output = json!({ "output": { "approved": false, "by": null, "comment": null, "at": now } });
            let failure = Failure::permanent(format!("nobody has decided within {seconds} s"));
            (Err(Failure { output: Some(output), ..failure }), Vec::new())
        }
        StepAction::Workflow(_) => {
            let stop = parked.run.map(Effect::StopRun).into_iter().collect();
            (failed(format!("the run that it has started took longer than {seconds} s")), stop)
        }
        _ => (Ok(Done::with(json!({ "output": null }))), Vec::new()),
    }
}
