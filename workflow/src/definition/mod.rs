//! A checked workflow: everything compiled, every reference resolved. Read-only, shared behind an `Arc`.
//!
//! Only [`crate::check`] makes these values, so whoever holds one need not check again. Nothing in here does
//! I/O. Go next to [`crate::plan`] for when steps run and to [`Step::render`] for what they do.

mod call;
mod file;
mod input;
mod notify;
mod pace;
mod render;
mod step;
mod trigger;

pub use call::{Call, EmitCall, HttpCall, JqCall, RunCall, StatusRange};
pub use file::{FileTrigger, INBOX};
pub use input::{Input, InputType, ManualTrigger};
pub use notify::{Message, NotifyOn, NotifyRule};
pub use pace::{Batch, Concurrency, Debounce, OnConflict, Pace, Retention, Throttle};
pub use step::{Action, ActionKind, EmitAction, HttpAction, HttpBody, JqAction, OnError, RunAction, Step};
pub use trigger::{Algorithm, Dedupe, Encoding, EventTrigger, Scheme, Triggers, Verify, WebhookTrigger};

use tenantry_protocol::state::StepState;

use crate::expression::Expression;

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
    /// Its steps, in the order of the text.
    pub steps: Vec<Step>,
    /// Which outcomes are told to whom.
    pub notify: Vec<NotifyRule>,
    /// No step says `needs`, so the steps run one after the other. Each has its predecessor in
    /// [`Step::needs`], but a skipped predecessor does not hold it up.
    pub sequential: bool,
    /// What holds its runs back.
    pub pace: Pace,
    /// How long its ended runs are kept.
    pub retention: Retention,
    /// The names of the tenant's variables that its expressions read, sorted, each once.
    pub vars: Vec<String>,
}

impl Workflow {
    /// What `inputs` is in a run that was not started by hand: the defaults; null without `on.manual`.
    pub fn default_inputs(&self) -> serde_json::Value {
        let manual = self.triggers.manual.as_ref();
        manual.map_or(serde_json::Value::Null, |manual| serde_json::Value::Object(manual.defaults()))
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

    /// The steps that a step comes after, directly or not.
    pub(crate) fn before(&self, index: usize) -> Vec<usize> {
        if self.sequential {
            return (0..index).collect();
        }
        let mut seen = vec![false; self.steps.len()];
        let mut open = self.steps.get(index).map(|step| step.needs.clone()).unwrap_or_default();
        let mut before = Vec::new();
        while let Some(next) = open.pop() {
            if let Some(mark) = seen.get_mut(next).filter(|mark| !**mark) {
                *mark = true;
                before.push(next);
                open.extend(self.steps.get(next).into_iter().flat_map(|step| &step.needs));
            }
        }
        before
    }

    /// Whether a step in that state makes the run fail.
    pub(crate) fn fails_run(&self, index: usize, state: StepState) -> bool {
        matches!(state, StepState::Failed | StepState::Interrupted)
            && self.steps.get(index).is_none_or(|step| step.on_error == OnError::Fail)
    }
}
