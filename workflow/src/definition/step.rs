//! A step: when it runs, what it does, how it is retried.

use std::sync::Arc;

use crate::definition::flow::{self, ApproveAction, Foreach, SwitchAction, WaitAction, WorkflowAction};
use crate::definition::{Call, StatusRange};
use crate::expression::{Expression, ExpressionError, Scope, Template, ValueTemplate};
use crate::limits::MAX_DURATION_MS;
use crate::retry::RetryPolicy;
use crate::{context::Context, definition::render};

/// One step of a workflow.
#[derive(Debug)]
pub struct Step {
    /// Unique in the workflow; `step-3` where the text gives none to the third.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// Its place in [`crate::Workflow::steps`].
    pub index: usize,
    /// The group that it stands in: a `parallel` or a `switch`, by index.
    pub parent: Option<usize>,
    /// Whether it belongs to `finally`: it waits for every step that does not.
    pub finally: bool,
    /// It stands in a list of which no step says `needs`, so the steps run one after the other: its predecessor is in
    /// [`Step::needs`], but does not hold it up when it is skipped.
    pub sequential: bool,
    /// The steps of the same list that must have ended before it, by index.
    pub needs: Vec<usize>,
    /// Whether its action is done once for every item of a list.
    pub foreach: Option<Foreach>,
    /// Whether it runs; see [`crate::plan`] for what holds without one.
    pub condition: Option<Expression>,
    /// What it does.
    pub action: Action,
    /// When it is tried again.
    pub retry: RetryPolicy,
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: u64,
    /// What its failure means for the run.
    pub on_error: OnError,
    /// Never repeated after a crash: it becomes interrupted instead.
    pub at_most_once: bool,
    /// The names of the secrets its templates read, sorted, each once.
    pub(crate) secrets: Vec<String>,
}

/// What the failure of a step means for the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnError {
    /// The run fails.
    #[default]
    Fail,
    /// The run goes on as if it had succeeded.
    Continue,
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
    /// Sends an HTTP request.
    Http(Box<HttpAction>),
    /// Executes a command.
    Run(RunAction),
    /// Transforms JSON.
    Jq(JqAction),
    /// Emits an event.
    Emit(EmitAction),
    /// Waits for a moment or an event.
    Wait(WaitAction),
    /// Asks a person.
    Approve(ApproveAction),
    /// Runs another workflow.
    Workflow(WorkflowAction),
    /// A group: steps at the same time, by index.
    Parallel(Vec<usize>),
    /// A group: one of several lists of steps.
    Switch(SwitchAction),
}

impl Action {
    /// Its kind.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::Http(_) => ActionKind::Http,
            Self::Run(_) => ActionKind::Run,
            Self::Jq(_) => ActionKind::Jq,
            Self::Emit(_) => ActionKind::Emit,
            Self::Wait(_) => ActionKind::Wait,
            Self::Approve(_) => ActionKind::Approve,
            Self::Workflow(_) => ActionKind::Workflow,
            Self::Parallel(_) => ActionKind::Parallel,
            Self::Switch(_) => ActionKind::Switch,
        }
    }
}

/// The kind of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActionKind {
    /// `http`
    Http,
    /// `run`
    Run,
    /// `jq`
    Jq,
    /// `emit`
    Emit,
    /// `wait`
    Wait,
    /// `approve`
    Approve,
    /// `workflow`
    Workflow,
    /// `parallel`
    Parallel,
    /// `switch`
    Switch,
}

/// How long deciding about a wait, an approval or a sub-workflow may take, in milliseconds.
const DECISION_LIMIT_MS: u64 = 10_000;

impl ActionKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Http,
        Self::Run,
        Self::Jq,
        Self::Emit,
        Self::Wait,
        Self::Approve,
        Self::Workflow,
        Self::Parallel,
        Self::Switch,
    ];

    /// The key of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Run => "run",
            Self::Jq => "jq",
            Self::Emit => "emit",
            Self::Wait => "wait",
            Self::Approve => "approve",
            Self::Workflow => "workflow",
            Self::Parallel => "parallel",
            Self::Switch => "switch",
        }
    }

    /// Whether it is a group: it has no job, it begins and ends with its children.
    pub const fn is_group(self) -> bool {
        matches!(self, Self::Parallel | Self::Switch)
    }

    /// Whether its job is put aside until something comes.
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Wait | Self::Approve | Self::Workflow)
    }

    /// How long an attempt may take where nothing is said, in milliseconds.
    pub const fn default_timeout_ms(self) -> u64 {
        match self {
            Self::Http => 30_000,
            Self::Run => 600_000,
            Self::Jq | Self::Emit => 10_000,
            Self::Wait | Self::Approve | Self::Workflow | Self::Parallel | Self::Switch => MAX_DURATION_MS,
        }
    }
}

/// `http`
#[derive(Debug)]
pub struct HttpAction {
    pub(crate) method: String,
    pub(crate) url: Template,
    pub(crate) query: Vec<(String, Template)>,
    pub(crate) headers: Vec<(String, Template)>,
    pub(crate) bearer: Option<Template>,
    /// Name and password.
    pub(crate) basic: Option<(Template, Template)>,
    pub(crate) body: HttpBody,
    pub(crate) expect: Vec<StatusRange>,
}

/// The body of a request.
#[derive(Debug)]
pub enum HttpBody {
    /// None.
    Empty,
    /// `body`: text as it is.
    Text(Template),
    /// `json`
    Json(ValueTemplate),
    /// `form`: `application/x-www-form-urlencoded`.
    Form(Vec<(String, Template)>),
}

/// `run`
#[derive(Debug)]
pub struct RunAction {
    pub(crate) script: Template,
    pub(crate) shell: String,
    pub(crate) env: Vec<(String, Arc<Template>)>,
    pub(crate) stdin: Option<Template>,
}

/// `jq`
#[derive(Debug)]
pub struct JqAction {
    pub(crate) filter: String,
    pub(crate) input: Option<ValueTemplate>,
}

/// `emit`
#[derive(Debug)]
pub struct EmitAction {
    pub(crate) name: String,
    pub(crate) data: ValueTemplate,
}

impl EmitAction {
    /// The name of the event.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Step {
    /// The kind of its action.
    pub const fn kind(&self) -> ActionKind {
        self.action.kind()
    }

    /// How long the handler of one attempt may take, in milliseconds. What a step waits for takes no handler.
    pub const fn handler_limit_ms(&self) -> u64 {
        if self.kind().is_waiting() { DECISION_LIMIT_MS } else { self.timeout_ms }
    }

    /// The steps directly in it, if it is a group.
    pub fn children(&self) -> Vec<usize> {
        match &self.action {
            Action::Parallel(children) => children.clone(),
            Action::Switch(switch) => {
                let lists = switch.cases.iter().map(|(_, steps)| steps).chain([&switch.default]);
                lists.flatten().copied().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The names of the secrets that [`Step::render`] reads, sorted, each once.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// What the action stage shall do: every template filled in.
    pub fn render(&self, context: &Context<'_>) -> Result<Call, ExpressionError> {
        let scope = Scope::of(context);
        let call = match &self.action {
            Action::Http(action) => render::http(action, &scope).map(Call::Http),
            Action::Run(action) => render::run(action, &scope).map(Call::Run),
            Action::Jq(action) => render::jq(action, &scope).map(Call::Jq),
            Action::Emit(action) => render::emit(action, &scope).map(Call::Emit),
            Action::Wait(action) => flow::wait(action, &scope).map(Call::Wait),
            Action::Approve(action) => flow::approve(action, &scope).map(Call::Approve),
            Action::Workflow(action) => flow::workflow(action, &scope).map(Call::Workflow),
            Action::Parallel(_) | Action::Switch(_) => {
                Err(ExpressionError::plain("a group of steps has nothing to do itself"))
            }
        };
        call.map_err(|error| error.in_step(&self.id))
    }
}
