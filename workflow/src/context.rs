//! What an expression can read: the roots, their fields, and the values behind them.
//!
//! Values are borrowed and never copied as a whole. The tables of fields are the language's promise: the
//! daemon fills in what they name, `check` refuses what they do not. Secrets are reachable by name only and
//! never as a collection. Go next to [`crate::expression`].

use std::collections::BTreeMap;

use serde_json::Value;

static NOTHING: Value = Value::Null;
static NO_SECRETS: BTreeMap<String, String> = BTreeMap::new();

/// The values that expressions are evaluated on. Roots that do not exist yet, such as `run` while an event is
/// being matched, are `null`: `Context { event: &event, ..Context::default() }`.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The event that started the run, see [`EVENT_FIELDS`].
    pub event: &'a Value,
    /// The inputs of a run started by hand, defaults filled in.
    pub inputs: &'a Value,
    /// One entry a step that has ended: `{id: {state, output, …}}`, see [`STEP_FIELDS`].
    pub steps: &'a Value,
    /// The secrets that the templates read, by name.
    pub secrets: &'a BTreeMap<String, String>,
    /// The tenant's variables, by name.
    pub vars: &'a Value,
    /// See [`TENANT_FIELDS`].
    pub tenant: &'a Value,
    /// See [`WORKFLOW_FIELDS`].
    pub workflow: &'a Value,
    /// See [`RUN_FIELDS`].
    pub run: &'a Value,
    /// The item of a `foreach` that is worked on.
    pub item: &'a Value,
    /// See [`FAILED_FIELDS`].
    pub failed: &'a Value,
}

impl Default for Context<'_> {
    fn default() -> Self {
        Self {
            event: &NOTHING,
            inputs: &NOTHING,
            steps: &NOTHING,
            secrets: &NO_SECRETS,
            vars: &NOTHING,
            tenant: &NOTHING,
            workflow: &NOTHING,
            run: &NOTHING,
            item: &NOTHING,
            failed: &NOTHING,
        }
    }
}

/// The fields of `event`; what an event does not have is null. Header names are lower case. `depth` counts the events
/// that it follows from. `workflow`, `run`, `state`, `error` and `outputs` are of the run whose end it is.
/// `scheduled_at` is of schedules, `size` of files, `items` (its events) of a batch.
pub const EVENT_FIELDS: &[&str] = &[
    "id",
    "kind",
    "name",
    "body",
    "headers",
    "query",
    "method",
    "path",
    "size",
    "received_at",
    "scheduled_at",
    "items",
    "depth",
    "workflow",
    "run",
    "state",
    "error",
    "outputs",
];
/// The fields of `tenant`.
pub const TENANT_FIELDS: &[&str] = &["id", "name"];
/// The fields of `workflow`.
pub const WORKFLOW_FIELDS: &[&str] = &["id", "name", "revision"];
/// The fields of `run`. `error` and `failed_step` are null unless a step failed; `state` and `previous_state`
/// are known to `notify` only, `attempt` and `idempotency_key` (stable across attempts) to steps only.
pub const RUN_FIELDS: &[&str] = &[
    "id",
    "state",
    "previous_state",
    "error",
    "failed_step",
    "created_at",
    "started_at",
    "ended_at",
    "duration_ms",
    "attempt",
    "idempotency_key",
];
/// The fields of `failed`: the first step, in the order of the text, that has failed the run so far. Both are null
/// while there is none.
pub const FAILED_FIELDS: &[&str] = &["step", "error"];
/// The fields of `steps.<id>`: `output` is what the action is for (the parsed body of `http`, standard output
/// of `run`, the result of `jq`); `status`, `headers` and `body` exist for `http`, `exit_code`, `stdout` and
/// `stderr` for `run`. What a step does not have is null.
pub const STEP_FIELDS: &[&str] = &[
    "state",
    "output",
    "status",
    "headers",
    "body",
    "exit_code",
    "stdout",
    "stderr",
    "error",
    "attempts",
    "duration_ms",
];

/// A name at which a path may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// `event`
    Event,
    /// `inputs`
    Inputs,
    /// `steps`
    Steps,
    /// `secrets`
    Secrets,
    /// `vars`
    Vars,
    /// `tenant`
    Tenant,
    /// `workflow`
    Workflow,
    /// `run`
    Run,
    /// `item`
    Item,
    /// `failed`
    Failed,
}

impl Root {
    /// Every root.
    pub const ALL: &'static [Self] = &[
        Self::Event,
        Self::Inputs,
        Self::Steps,
        Self::Secrets,
        Self::Vars,
        Self::Tenant,
        Self::Workflow,
        Self::Run,
        Self::Item,
        Self::Failed,
    ];

    /// The name in the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Inputs => "inputs",
            Self::Steps => "steps",
            Self::Secrets => "secrets",
            Self::Vars => "vars",
            Self::Tenant => "tenant",
            Self::Workflow => "workflow",
            Self::Run => "run",
            Self::Item => "item",
            Self::Failed => "failed",
        }
    }

    /// The root of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|root| root.as_str() == name)
    }

    /// The fields directly below it, where they are known beforehand.
    pub const fn fields(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Event => Some(EVENT_FIELDS),
            Self::Tenant => Some(TENANT_FIELDS),
            Self::Workflow => Some(WORKFLOW_FIELDS),
            Self::Run => Some(RUN_FIELDS),
            Self::Failed => Some(FAILED_FIELDS),
            Self::Inputs | Self::Steps | Self::Secrets | Self::Vars | Self::Item => None,
        }
    }
}

impl<'a> Context<'a> {
    /// The value of a root; `None` for secrets, which are no value.
    pub(crate) const fn root(&self, root: Root) -> Option<&'a Value> {
        match root {
            Root::Event => Some(self.event),
            Root::Inputs => Some(self.inputs),
            Root::Steps => Some(self.steps),
            Root::Secrets => None,
            Root::Vars => Some(self.vars),
            Root::Tenant => Some(self.tenant),
            Root::Workflow => Some(self.workflow),
            Root::Run => Some(self.run),
            Root::Item => Some(self.item),
            Root::Failed => Some(self.failed),
        }
    }
}
