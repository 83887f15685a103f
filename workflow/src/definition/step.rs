//! A step: when it runs, what it does, how it is retried.

use std::sync::Arc;

use crate::definition::{Call, StatusRange};
use crate::expression::{Expression, ExpressionError, Scope, Template, ValueTemplate};
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
    /// The steps that must have ended before it, by index.
    pub needs: Vec<usize>,
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
}

impl ActionKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Http, Self::Run, Self::Jq, Self::Emit];

    /// The key of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Run => "run",
            Self::Jq => "jq",
            Self::Emit => "emit",
        }
    }

    /// How long an attempt may take where nothing is said, in milliseconds.
    pub const fn default_timeout_ms(self) -> u64 {
        match self {
            Self::Http => 30_000,
            Self::Run => 600_000,
            Self::Jq | Self::Emit => 10_000,
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
        match self.action {
            Action::Http(_) => ActionKind::Http,
            Action::Run(_) => ActionKind::Run,
            Action::Jq(_) => ActionKind::Jq,
            Action::Emit(_) => ActionKind::Emit,
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
        };
        call.map_err(|error| error.in_step(&self.id))
    }
}
