//! A checked workflow: everything compiled, every reference resolved. Read-only, shared behind an `Arc`.
//!
//! Only [`crate::check`] makes these values, so whoever holds one need not check again. Nothing in here does
//! I/O. Go next to [`crate::plan`] for when steps run and to [`Step::render`] for what they do.

mod call;
mod file;
mod flow;
mod input;
mod notify;
mod pace;
mod render;
mod respond;
mod step;
mod trigger;
mod webhook;

pub use call::{Call, EmitCall, HttpCall, JqCall, RunCall, StatusRange};
pub use file::{FileTrigger, INBOX};
pub(crate) use flow::moment;
pub use flow::{
    ApproveAction, ApproveCall, EventFilter, EventWait, Foreach, OnTimeout, SwitchAction, WaitAction,
    WaitCall, WorkflowAction, WorkflowCall,
};
pub use input::{Input, InputType, ManualTrigger};
pub use notify::{Message, NotifyOn, NotifyRule};
pub use pace::{Batch, Concurrency, Debounce, OnConflict, Pace, Retention, Throttle};
pub(crate) use respond::status_of;
pub use respond::{Reply, Respond, RespondMode};
pub use step::{Action, ActionKind, EmitAction, HttpAction, HttpBody, JqAction, OnError, RunAction, Step};
pub(crate) use trigger::matches;
pub use trigger::{EventTrigger, RunEnding, Triggers, WorkflowTrigger};
pub use webhook::{Algorithm, Dedupe, Encoding, Method, Scheme, Signed, Verify, WebhookTrigger};

use serde_json::{Map, Value};
use tenantry_protocol::state::StepState;

use crate::context::Context;
use crate::expression::{Expression, ExpressionError, ValueTemplate};
use crate::limits::MAX_OUTPUTS_BYTES;

/// A checked workflow.
#[derive(Debug)]
pub struct Workflow {
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What starts it.
    pub triggers: Triggers,
    /// Whether an event starts it; the top-level `if`.
    pub condition: Option<Expression>,
    /// How long a run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Its steps in the order of the text, those inside of a group after the group, those of `finally` at the end.
    pub steps: Vec<Step>,
    /// What a run that succeeded leaves behind.
    pub outputs: Outputs,
    /// Which outcomes are told to whom.
    pub notify: Vec<NotifyRule>,
    /// No step of the outermost list says `needs`, so its steps run one after the other.
    pub sequential: bool,
    /// What holds its runs back.
    pub pace: Pace,
    /// How long its ended runs are kept.
    pub retention: Retention,
    /// The names of the tenant's variables that its expressions read, sorted, each once.
    pub vars: Vec<String>,
}

/// `outputs`
#[derive(Debug, Default)]
pub struct Outputs(pub(crate) Vec<(String, ValueTemplate)>);

impl Outputs {
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their names, in the order of the text.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The values, as one object.
    pub fn values(&self, context: &Context<'_>) -> Result<Map<String, Value>, ExpressionError> {
        let mut values = Map::new();
        for (name, template) in &self.0 {
            values.insert(name.clone(), template.value(context)?);
        }
        if serde_json::to_vec(&values).map_or(usize::MAX, |text| text.len()) > MAX_OUTPUTS_BYTES {
            let message = format!("the workflow's outputs are larger than {MAX_OUTPUTS_BYTES} bytes");
            return Err(ExpressionError::plain(message));
        }
        Ok(values)
    }
}

impl Workflow {
    /// What `inputs` is in a run that was not started by hand: the defaults; null without `on.manual`.
    pub fn default_inputs(&self) -> Value {
        let manual = self.triggers.manual.as_ref();
        manual.map_or(Value::Null, |manual| Value::Object(manual.defaults()))
    }

    /// The step of that id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The names of the secrets that verify webhooks, sorted, each once.
    pub fn trigger_secrets(&self) -> Vec<&str> {
        let mut names: Vec<_> = self
            .triggers
            .webhooks
            .iter()
            .flat_map(|webhook| webhook.verify.secrets.iter().map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The names of all secrets it reads, sorted, each once.
    pub fn secrets(&self) -> Vec<&str> {
        let mut names = self.trigger_secrets();
        names.extend(self.steps.iter().flat_map(|step| step.secrets().iter().map(String::as_str)));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether a run of it may wait for something outside: for a moment, an event, a person, another run. Only its own
    /// `timeout` limits such a run.
    pub fn may_wait(&self) -> bool {
        self.steps.iter().any(|step| step.kind().is_waiting())
    }

    /// The groups that a step stands in, from the inside to the outside.
    pub(crate) fn ancestors(&self, index: usize) -> impl Iterator<Item = &Step> {
        let parent = |step: &&Step| step.parent.and_then(|parent| self.steps.get(parent));
        std::iter::successors(self.steps.get(index).and_then(|step| parent(&step)), move |step| parent(step))
    }

    /// The steps that have ended before a step begins, directly or not.
    pub(crate) fn before(&self, index: usize) -> Vec<usize> {
        let mut seen = vec![false; self.steps.len()];
        let mut open = Vec::new();
        if let Some(step) = self.steps.get(index) {
            open.extend(&step.needs);
            open.extend(self.ancestors(index).flat_map(|group| &group.needs).copied());
            if step.finally {
                open.extend(self.steps.iter().filter(|step| !step.finally).map(|step| step.index));
            }
        }
        let mut before = Vec::new();
        while let Some(next) = open.pop() {
            if let Some(mark) = seen.get_mut(next).filter(|mark| !**mark) {
                *mark = true;
                before.push(next);
                if let Some(step) = self.steps.get(next) {
                    open.extend(&step.needs);
                    open.extend(step.children());
                    open.extend(self.ancestors(next).flat_map(|group| &group.needs).copied());
                }
            }
        }
        before
    }

    /// Whether a step in that state has failed and nothing says that this is no matter.
    pub(crate) fn has_failed(&self, index: usize, state: StepState) -> bool {
        matches!(state, StepState::Failed | StepState::Interrupted)
            && self.steps.get(index).is_none_or(|step| step.on_error == OnError::Fail)
    }

    /// Whether a step in that state makes the run fail: one inside of a group makes the group fail.
    pub fn fails_run(&self, index: usize, state: StepState) -> bool {
        self.has_failed(index, state) && self.steps.get(index).is_none_or(|step| step.parent.is_none())
    }
}
