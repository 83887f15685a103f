//! A run on a simulated clock: the real planner decides, mocks answer, and time jumps to whatever is due next.
//!
//! It follows what the daemon does (trigger, action and logging stage); where that has a random number, the delay of a
//! retry, this takes the longest delay.

mod items;
mod told;
mod value;

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use tenantry_protocol::state::{RunState, StepState};

pub(super) use self::told::{Row, Told};
use super::Filters;
use super::event::Started;
use super::file::{Test, TestFile};
use super::mock::Answer;
use crate::context::Context;
use crate::definition::{Call, Step, WaitCall, Workflow};
use crate::expression::{Expression, ExpressionError};
use crate::plan::{self, Plan};
use crate::retry::{self, FailureClass};
use crate::transition::{self, RunEvent, StepEvent};

/// Attempts that one run may take here: a test that needs more has lost its way.
const MAX_ATTEMPTS: usize = 100_000;

/// What happens at a moment.
enum Due {
    Begin { step: usize, attempt: u32 },
    End { step: usize, attempt: u32, answer: Answer },
}

/// Whether the conditions of trigger and workflow let the event start a run.
fn is_meant(
    workflow: &Workflow,
    filtered: bool,
    conditions: &[Option<&Expression>],
    context: &Context<'_>,
) -> Result<bool, ExpressionError> {
    let mut meant = false;
    for condition in conditions {
        meant = meant || condition.map_or(Ok(true), |condition| condition.truth(context))?;
    }
    match (&workflow.condition, filtered) {
        (Some(condition), true) => Ok(meant && condition.truth(context)?),
        (None, _) | (_, false) => Ok(meant),
    }
}

/// Plays a test to its end.
pub(super) fn tell(workflow: &Workflow, file: &TestFile, test: &Test, filters: &mut dyn Filters) -> Told {
    let tenant = json!({ "id": "ten_00000000000000000000000000000001", "name": file.tenant });
    let about = json!({ "id": "wfl_00000000000000000000000000000001", "name": workflow.name, "revision": 1 });
    let Started { event, at, inputs, filtered, conditions, dedupe } =
        match test.start.occur(workflow, test.now, &tenant) {
            Ok(started) => started,
            Err(refused) => return Told { refused: Some(refused), ..Told::default() },
        };
    let vars =
        file.vars.iter().chain(&test.vars).map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut told = Told::default();
    match dedupe {
        Some(Ok(key)) => told.dedupe = Some(key),
        Some(Err(error)) => told.trouble.push(format!("the dedupe key has no value: {error}")),
        None => {}
    }
    let context = Context {
        event: &event,
        inputs: &inputs,
        vars: &vars,
        tenant: &tenant,
        workflow: &about,
        ..Context::default()
    };
    match is_meant(workflow, filtered, &conditions, &context) {
        Ok(true) => {}
        Ok(false) => return told,
        Err(error) => {
            told.trouble.push(format!("the condition `if` has no value: {error}"));
            return told;
        }
    }
    told.started = true;
    let secrets =
        file.secrets.iter().chain(&test.secrets).map(|(name, value)| (name.clone(), text_of(value)));
    let play = Play {
        workflow,
        test,
        filters,
        event,
        inputs,
        vars,
        tenant,
        about,
        secrets: secrets.collect(),
        begun: at.unwrap_or(test.now),
        now: at.unwrap_or(test.now),
        rows: workflow.steps.iter().map(Row::of).collect(),
        failed: json!({ "step": null, "error": null }),
        due: BTreeMap::new(),
        told,
    };
    play.played()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

struct Play<'a> {
    workflow: &'a Workflow,
    test: &'a Test,
    filters: &'a mut dyn Filters,
    event: Value,
    inputs: Value,
    vars: Value,
    tenant: Value,
    about: Value,
    secrets: BTreeMap<String, String>,
    /// When the run begins.
    begun: i64,
    now: i64,
    rows: Vec<Row>,
    /// `failed`: the first step, in the order of the text, that has failed the run.
    failed: Value,
    /// By moment, in the order in which it was entered.
    due: BTreeMap<i64, VecDeque<Due>>,
    told: Told,
}

impl Play<'_> {
    fn played(mut self) -> Told {
        let deadline = self.workflow.timeout_ms.map(|limit| self.begun.saturating_add_unsigned(limit));
        let mut ending = self.advance();
        for _ in 0..MAX_ATTEMPTS {
            if ending.is_some() {
                break;
            }
            let Some((at, due)) = self.next() else { break };
            if let Some(deadline) = deadline.filter(|deadline| at > *deadline) {
                self.now = deadline;
                self.cancel();
                ending = Some(RunEvent::TimeOut);
                break;
            }
            self.now = at;
            match due {
                Due::Begin { step, attempt } => self.begin(step, attempt),
                Due::End { step, attempt, answer } => {
                    if self.end(step, attempt, answer) {
                        ending = self.advance();
                    }
                }
            }
        }
        match ending {
            Some(event) => self.close(event),
            None => self.told.trouble.push("the run does not end".to_owned()),
        }
        self.told.took_ms = u64::try_from(self.now - self.begun).unwrap_or_default();
        self.told.steps = self.rows;
        self.told
    }

    fn next(&mut self) -> Option<(i64, Due)> {
        let mut first = self.due.first_entry()?;
        let at = *first.key();
        let due = first.get_mut().pop_front();
        if first.get().is_empty() {
            first.remove();
        }
        due.map(|due| (at, due))
    }

    fn at(&mut self, moment: i64, due: Due) {
        self.due.entry(moment).or_default().push_back(due);
    }

    /// Plans and writes what comes next. Says how the run ends, if it does.
    fn advance(&mut self) -> Option<RunEvent> {
        loop {
            let (ending, pauses) = self.advance_once();
            if ending.is_some() || !pauses {
                return ending;
            }
        }
    }

    fn advance_once(&mut self) -> (Option<RunEvent>, bool) {
        let states: Vec<StepState> = self.rows.iter().map(|row| row.state).collect();
        let (steps, run) = (self.steps(), self.run_value());
        let plan = plan::advance(self.workflow, &states, &self.context(&steps, &run));
        let pauses = plan.pauses();
        let chosen: Vec<_> = plan
            .close
            .iter()
            .map(|close| plan::chosen(self.workflow, close.step, &self.context(&steps, &run)))
            .collect();
        let Plan { dispatch, open, expand, close, skip, fail, run: ending } = plan;
        for index in skip {
            self.move_step(index, StepEvent::Skip);
        }
        for (index, error) in fail {
            if let Some(row) = self.rows.get_mut(index) {
                row.error = Some(error.to_string());
            }
            self.move_step(index, StepEvent::Fail);
        }
        for index in open {
            self.start(index);
            self.move_step(index, StepEvent::Dispatch);
        }
        for (close, chosen) in close.into_iter().zip(chosen) {
            if let Some(row) = self.rows.get_mut(close.step) {
                row.left = json!({ "output": chosen });
            }
            self.move_step(close.step, close.event);
        }
        for (index, items) in expand {
            let over = items.is_empty();
            if let Some(row) = self.rows.get_mut(index) {
                (row.items, row.left) = (items, json!({ "output": [] }));
            }
            self.move_step(index, StepEvent::Dispatch);
            if over {
                self.start(index);
                self.move_step(index, StepEvent::Succeed);
            } else {
                self.at(self.now, Due::Begin { step: index, attempt: 1 });
            }
        }
        for index in dispatch {
            self.move_step(index, StepEvent::Dispatch);
            self.at(self.now, Due::Begin { step: index, attempt: 1 });
        }
        (ending, pauses)
    }

    fn start(&mut self, index: usize) {
        let now = self.now;
        if let Some(row) = self.rows.get_mut(index) {
            row.begun = row.begun.or(Some(now));
            row.attempts = 1;
        }
    }

    fn begin(&mut self, index: usize, attempt: u32) {
        let Some(step) = self.workflow.steps.get(index) else { return };
        if attempt > 1 {
            self.move_step(index, StepEvent::Redispatch);
        }
        let now = self.now;
        if let Some(row) = self.rows.get_mut(index) {
            row.attempts = attempt;
            row.begun = row.begun.or(Some(now));
        }
        let (answer, took) = if step.foreach.is_some() {
            self.items(step, attempt)
        } else {
            self.one(step, attempt, attempt, &Value::Null)
        };
        let limit = step.timeout_ms;
        let (answer, took) = if took > limit {
            let error = format!("it ran longer than {limit} ms");
            let left = Value::Null;
            (Answer::Failed { class: FailureClass::Timeout, error, left, retry_after_ms: None }, limit)
        } else {
            (answer, took)
        };
        self.at(now.saturating_add_unsigned(took), Due::End { step: index, attempt, answer });
    }

    /// The answer of an attempt, and how long it takes. `number` says which of the step's mocks answers, from 1.
    fn one(&mut self, step: &Step, attempt: u32, number: u32, item: &Value) -> (Answer, u64) {
        let call = match self.render(step, attempt, item) {
            Ok(call) => call,
            Err(error) => return (Answer::permanent(error), 0),
        };
        if let Some(row) = self.rows.get_mut(step.index) {
            row.call = Some(call.clone());
        }
        let mocks = self.test.mocks.iter().find(|(id, _)| *id == step.id).map(|(_, mocks)| mocks);
        let place = usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
        let mock = mocks.and_then(|mocks| mocks.get(place).or_else(|| mocks.last()));
        let Some(mock) = mock else {
            let took = self.wait_of(&call);
            return (self.unmocked(step, call), took);
        };
        let answer = mock.answer(&call).unwrap_or_else(|why| {
            self.told.trouble.push(format!("step `{}`: {why}", step.id));
            Answer::permanent(why)
        });
        if let (Call::Emit(call), Answer::Done(_)) = (call, &answer) {
            self.told.emits.push(call);
        }
        (answer, mock.took_ms)
    }

    /// How long a step waits that waits for a time.
    fn wait_of(&self, call: &Call) -> u64 {
        match call {
            Call::Wait(WaitCall::For(ms)) => *ms,
            Call::Wait(WaitCall::Until(at)) => u64::try_from(at - self.now).unwrap_or_default(),
            _ => 0,
        }
    }

    /// What needs nothing from outside is done; the rest needs a mock.
    fn unmocked(&mut self, step: &Step, call: Call) -> Answer {
        match call {
            Call::Jq(call) => match self.filters.evaluate(&call.filter, &call.input) {
                Ok(output) => Answer::Done(json!({ "output": output })),
                Err(error) => Answer::permanent(error),
            },
            Call::Emit(call) => {
                let output = json!({ "event": "evt_00000000000000000000000000000002", "name": call.name });
                self.told.emits.push(call);
                Answer::Done(json!({ "output": output }))
            }
            Call::Wait(WaitCall::For(_) | WaitCall::Until(_)) => Answer::Done(json!({ "output": null })),
            Call::Http(_) | Call::Run(_) | Call::Wait(_) | Call::Approve(_) | Call::Workflow(_) => {
                let why = "it was reached and has no mock";
                self.told.trouble.push(format!("step `{}` was reached and has no mock", step.id));
                Answer::permanent(why.to_owned())
            }
        }
    }

    fn render(&self, step: &Step, attempt: u32, item: &Value) -> Result<Call, String> {
        let mut secrets = BTreeMap::new();
        for name in step.secrets() {
            let value = self.secrets.get(name).cloned().unwrap_or_else(|| format!("secret-{name}"));
            secrets.insert(name.clone(), value);
        }
        let (steps, mut run) = (self.steps(), self.run_value());
        run["attempt"] = json!(attempt);
        run["idempotency_key"] = json!(format!("{}-{}", value::RUN, step.id));
        let context = Context { secrets: &secrets, item, ..self.context(&steps, &run) };
        step.render(&context).map_err(|error| error.to_string())
    }

    /// Writes the end of an attempt. Says whether the step has ended with it.
    fn end(&mut self, index: usize, attempt: u32, answer: Answer) -> bool {
        let Some(step) = self.workflow.steps.get(index) else { return false };
        let (event, error, left) = match answer {
            Answer::Done(left) => (StepEvent::Succeed, None, left),
            Answer::Failed { class, error, left, retry_after_ms } => {
                // The longest delay that jitter can choose.
                let delay = retry::next_delay_ms(&step.retry, attempt, &class, retry_after_ms, 1.0);
                if let Some(delay) = delay.filter(|_| !step.at_most_once) {
                    self.move_step(index, StepEvent::RetryLater);
                    let moment = self.now.saturating_add_unsigned(delay);
                    self.at(moment, Due::Begin { step: index, attempt: attempt + 1 });
                    return false;
                }
                (StepEvent::Fail, Some(error), left)
            }
        };
        if let Some(row) = self.rows.get_mut(index) {
            row.error = error;
            row.left = left;
        }
        self.move_step(index, event);
        true
    }

    fn move_step(&mut self, index: usize, event: StepEvent) {
        let now = self.now;
        let Some(row) = self.rows.get_mut(index) else { return };
        match transition::step(row.state, event) {
            Ok(state) => row.state = state,
            Err(illegal) => self.told.trouble.push(illegal.to_string()),
        }
        if row.state.is_terminal() {
            row.value = value::step(row.state, &row.left, row.error.as_deref(), row.attempts, row.begun, now);
        }
        let failed = |(index, row): &(usize, &Row)| self.workflow.fails_run(*index, row.state);
        if let Some((_, row)) = self.rows.iter().enumerate().find(failed) {
            self.failed = json!({ "step": row.id, "error": row.error });
        }
    }

    fn cancel(&mut self) {
        for index in 0..self.rows.len() {
            if self.rows.get(index).is_some_and(|row| !row.state.is_terminal()) {
                self.move_step(index, StepEvent::Cancel);
            }
        }
    }

    /// Ends the run and tells whom the rules name.
    fn close(&mut self, event: RunEvent) {
        let from = if self.rows.iter().any(|row| row.begun.is_some()) {
            RunState::Running
        } else {
            RunState::Queued
        };
        let state = match transition::run(from, event) {
            Ok(state) => state,
            Err(illegal) => return self.told.trouble.push(illegal.to_string()),
        };
        let failed = |(index, row): &(usize, &Row)| self.workflow.fails_run(*index, row.state);
        let failed = self.rows.iter().enumerate().find(failed).map(|(_, row)| row);
        let failed = failed.filter(|_| state == RunState::Failed);
        let error = match failed {
            Some(row) => Some(format!("step {}: {}", row.id, row.error.as_deref().unwrap_or_default())),
            None if state == RunState::TimedOut => Some("the run's time limit passed".to_owned()),
            None => None,
        };
        let mut run = self.run_value();
        run["state"] = json!(state);
        run["previous_state"] = json!(self.test.previous);
        run["error"] = json!(error);
        run["failed_step"] = json!(failed.map(|row| row.id.clone()));
        run["ended_at"] = json!(self.now);
        run["duration_ms"] = json!(self.now - self.begun);
        let steps = self.steps();
        let rules = self.workflow.notify.iter().filter(|rule| rule.matches(state, self.test.previous));
        let mut notifications = Vec::new();
        let mut trouble = Vec::new();
        for rule in rules {
            match rule.render(&self.context(&steps, &run)) {
                Ok(message) => notifications.push((rule.channel.clone(), message)),
                Err(error) => {
                    trouble.push(format!("the message to `{}` has no value: {error}", rule.channel));
                }
            }
        }
        self.told.trouble.extend(trouble);
        self.told.notifications = notifications;
        self.told.state = Some(state);
        self.told.error = error;
    }

    fn context<'c>(&'c self, steps: &'c Value, run: &'c Value) -> Context<'c> {
        Context {
            event: &self.event,
            inputs: &self.inputs,
            steps,
            vars: &self.vars,
            tenant: &self.tenant,
            workflow: &self.about,
            run,
            failed: &self.failed,
            ..Context::default()
        }
    }

    fn steps(&self) -> Value {
        let ended = self.rows.iter().filter(|row| row.state.is_terminal());
        Value::Object(ended.map(|row| (row.id.clone(), row.value.clone())).collect())
    }

    fn run_value(&self) -> Value {
        value::run(self.begun)
    }
}
