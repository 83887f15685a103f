//! A dotted path and how it is followed. The fast half of the expression language: no engine, no copies.

use std::fmt;

use serde_json::Value;
use tenantry_protocol::state::StepState;

use crate::context::{Context, Root};
use crate::definition::Workflow;
use crate::plan::may_follow;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// `.name` or `['name']`
    Key(Box<str>),
    /// `[0]` or `.0`; negative ones count from the end.
    Index(i64),
}

/// A question about the steps before this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Failure,
    Always,
    Cancelled,
}

impl Status {
    pub(crate) const ALL: &'static [Self] = &[Self::Success, Self::Failure, Self::Always, Self::Cancelled];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Always => "always",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.as_str() == name)
    }
}

/// What an expression reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Data { root: Root, segments: Box<[Segment]> },
    Status(Status),
}

/// What is behind a path.
pub(crate) enum Found<'a> {
    Value(&'a Value),
    Text(&'a str),
    Truth(bool),
    Missing,
}

/// How far the steps of a run are, for `success()` and its kin and for `steps.<id>.state`.
#[derive(Clone, Copy)]
pub(crate) struct Progress<'a> {
    pub(crate) workflow: &'a Workflow,
    pub(crate) states: &'a [StepState],
    /// The step whose condition is evaluated.
    pub(crate) step: usize,
}

/// What an evaluation sees.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) progress: Option<Progress<'a>>,
}

impl<'a> Scope<'a> {
    pub(crate) const fn of(context: &'a Context<'a>) -> Self {
        Self { context, progress: None }
    }
}

static NULL: Value = Value::Null;

impl Path {
    pub(crate) fn secret(&self) -> Option<&str> {
        match self {
            Self::Data { root: Root::Secrets, segments } => match &**segments {
                [Segment::Key(name)] => Some(name),
                _ => None,
            },
            Self::Data { .. } | Self::Status(_) => None,
        }
    }

    pub(crate) const fn root(&self) -> Option<Root> {
        match self {
            Self::Data { root, .. } => Some(*root),
            Self::Status(_) => None,
        }
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        match self {
            Self::Data { segments, .. } => segments,
            Self::Status(_) => &[],
        }
    }

    pub(crate) fn resolve<'a>(&self, scope: &Scope<'a>) -> Found<'a> {
        match self {
            Self::Status(status) => Found::Truth(status_holds(*status, scope)),
            Self::Data { root: Root::Secrets, .. } => self
                .secret()
                .and_then(|name| scope.context.secrets.get(name))
                .map_or(Found::Missing, |secret| Found::Text(secret)),
            Self::Data { root: Root::Steps, segments } => resolve_step(segments, scope),
            Self::Data { root, segments } => scope
                .context
                .root(*root)
                .and_then(|value| follow(value, segments))
                .map_or(Found::Missing, Found::Value),
        }
    }
}

/// `steps.<id>…`: what a step has not (yet) got is null, so that conditions may ask about skipped and failed
/// steps; a wrong key below an output that exists is missing.
fn resolve_step<'a>(segments: &[Segment], scope: &Scope<'a>) -> Found<'a> {
    let (Some(Segment::Key(id)), rest) = (segments.first(), segments.get(1..).unwrap_or_default()) else {
        return Found::Value(scope.context.steps);
    };
    if let ([Segment::Key(field)], Some(progress)) = (rest, &scope.progress)
        && &**field == "state"
        && let Some(step) = progress.workflow.step(id)
        && let Some(state) = progress.states.get(step.index)
    {
        return Found::Text(state.as_str());
    }
    let Some(entry) = scope.context.steps.get(&**id) else {
        return Found::Value(&NULL);
    };
    let Some((field, below)) = rest.split_first() else {
        return Found::Value(entry);
    };
    match follow(entry, std::slice::from_ref(field)) {
        None | Some(Value::Null) => Found::Value(&NULL),
        Some(value) => follow(value, below).map_or(Found::Missing, Found::Value),
    }
}

fn follow<'a>(mut value: &'a Value, segments: &[Segment]) -> Option<&'a Value> {
    for segment in segments {
        value = match (value, segment) {
            (Value::Object(fields), Segment::Key(key)) => fields.get(&**key)?,
            (Value::Array(items), Segment::Index(index)) => {
                let index = if *index < 0 {
                    items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?
                } else {
                    usize::try_from(*index).ok()?
                };
                items.get(index)?
            }
            _ => return None,
        };
    }
    Some(value)
}

fn status_holds(status: Status, scope: &Scope<'_>) -> bool {
    let Some(Progress { workflow, states, step }) = scope.progress else {
        return matches!(status, Status::Success | Status::Always);
    };
    let any = |wanted: &dyn Fn(usize, StepState) -> bool| {
        workflow
            .before(step)
            .into_iter()
            .any(|index| states.get(index).is_some_and(|state| wanted(index, *state)))
    };
    // What failed inside of a group that has ended is the group's failure, if it is one.
    let in_sight = |index: usize| {
        let parent = workflow.steps.get(index).and_then(|step| step.parent);
        parent.is_none_or(|parent| workflow.ancestors(step).any(|group| group.index == parent))
    };
    let failed = |index: usize, state: StepState| workflow.has_failed(index, state) && in_sight(index);
    match status {
        Status::Always => true,
        Status::Success if workflow.steps.get(step).is_some_and(|step| step.finally) => {
            !any(&|index, state| failed(index, state) || state == StepState::Cancelled)
        }
        Status::Success => may_follow(workflow, step, states),
        Status::Failure => any(&failed),
        Status::Cancelled => any(&|_, state| state == StepState::Cancelled),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{}()", status.as_str()),
            Self::Data { root, segments } => {
                f.write_str(root.as_str())?;
                for segment in segments {
                    match segment {
                        Segment::Index(index) => write!(f, "[{index}]")?,
                        Segment::Key(key) if crate::names::is_step_id(key) => write!(f, ".{key}")?,
                        Segment::Key(key) => write!(f, "[{key:?}]")?,
                    }
                }
                Ok(())
            }
        }
    }
}
