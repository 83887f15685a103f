//! The constructs that steer a run: groups, items, waits, approvals, sub-workflows.
//!
//! A group has no job of its own: it begins, its children run, it ends with them. A wait, an approval and a
//! sub-workflow are jobs that are put aside until something comes. Go next to [`crate::plan`].

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenantry_protocol::permission::Role;

use crate::context::{Context, Root};
use crate::duration;
use crate::expression::{Expression, ExpressionError, Scope, Segment, Template, ValueTemplate};
use crate::limits::MAX_WAIT_VALUES_BYTES;

/// `foreach`: the step's action once for every item of a list.
#[derive(Debug)]
pub struct Foreach {
    pub(crate) items: ValueTemplate,
    /// How many items are worked on at the same time.
    pub max_parallel: u32,
    /// After the first item that fails no other is begun.
    pub fail_fast: bool,
}

/// `switch`: of several lists of steps one is chosen.
#[derive(Debug)]
pub struct SwitchAction {
    pub(crate) on: ValueTemplate,
    /// By the word, the steps directly in it.
    pub(crate) cases: Vec<(String, Vec<usize>)>,
    pub(crate) default: Vec<usize>,
}

/// `wait`
#[derive(Debug)]
pub enum WaitAction {
    /// `for`: so long.
    For(Template),
    /// `until`: a moment.
    Until(Template),
    /// `event`: until an event comes.
    Event(Box<EventWait>),
}

/// `wait: { event: … }`
#[derive(Debug)]
pub struct EventWait {
    pub(crate) name: String,
    pub(crate) condition: Option<Expression>,
    pub(crate) timeout_ms: Option<u64>,
}

/// `approve`
#[derive(Debug)]
pub struct ApproveAction {
    pub(crate) by: Role,
    pub(crate) message: Option<Template>,
    pub(crate) channel: Option<String>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) on_timeout: OnTimeout,
    pub(crate) allow_starter: bool,
}

impl ApproveAction {
    /// What it becomes when nobody has decided in time.
    pub const fn on_timeout(&self) -> OnTimeout {
        self.on_timeout
    }

    /// The channel that is told about it.
    pub fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }
}

/// What an approval that nobody decides on becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTimeout {
    /// The step fails.
    #[default]
    Reject,
    /// The step succeeds.
    Approve,
}

/// `workflow`
#[derive(Debug)]
pub struct WorkflowAction {
    pub(crate) name: String,
    pub(crate) with: ValueTemplate,
    pub(crate) wait: bool,
}

impl WorkflowAction {
    /// The name of the workflow it runs.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A wait, ready to be begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitCall {
    /// So many milliseconds from now.
    For(u64),
    /// Until this moment, unix milliseconds.
    Until(i64),
    /// Until an event comes.
    Event {
        /// A name, or a beginning and `*`.
        name: String,
        /// Which of those events.
        filter: Option<EventFilter>,
        /// How long at most, in milliseconds.
        timeout_ms: Option<u64>,
    },
}

/// Which event a wait is for: an expression and what it reads of its run, so that whoever has an event can decide
/// without the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventFilter {
    /// The expression as written, without its delimiters.
    pub source: String,
    /// By root, what it reads besides `event`.
    pub values: Map<String, Value>,
}

impl EventFilter {
    /// Whether the event is meant. An expression that has no value for this event does not mean it.
    pub fn matches(&self, event: &Value) -> bool {
        let root = |name: &str| self.values.get(name).unwrap_or(&Value::Null);
        let context = Context {
            event,
            inputs: root("inputs"),
            steps: root("steps"),
            tenant: root("tenant"),
            workflow: root("workflow"),
            run: root("run"),
            ..Context::default()
        };
        let compiled = Expression::compile(&self.source, (1, 1));
        compiled.is_ok_and(|expression| expression.truth(&context).unwrap_or_default())
    }
}

/// An approval, ready to be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ApproveCall {
    /// The least role that may decide.
    pub by: Role,
    /// What is asked.
    pub message: Option<String>,
    /// The channel that is told.
    pub channel: Option<String>,
    /// How long at most, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// What it becomes then.
    pub on_timeout: OnTimeout,
    /// Whether whoever started the run may decide too.
    pub allow_starter: bool,
}

/// A sub-workflow, ready to be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowCall {
    /// Its name.
    pub name: String,
    /// Its inputs.
    pub with: Map<String, Value>,
    /// Whether the step waits for its end.
    pub wait: bool,
}

impl Foreach {
    /// The items.
    pub(crate) fn items(&self, scope: &Scope<'_>) -> Result<Vec<Value>, ExpressionError> {
        let items = match self.items.value_in(scope)? {
            Value::Array(items) => items,
            // A condition on a step that was skipped leaves nothing to do.
            Value::Null => Vec::new(),
            other => {
                let message = format!("`foreach` needs a list, not {}", noun(&other));
                return Err(ExpressionError::plain(message));
            }
        };
        let most = crate::limits::MAX_ITEMS;
        if items.len() > most {
            let message = format!("`foreach` has {} items; at most {most} are possible", items.len());
            return Err(ExpressionError::plain(message));
        }
        Ok(items)
    }
}

impl SwitchAction {
    /// The word of the case that is chosen, `default` if none fits and there is one, and the steps directly in it.
    pub(crate) fn choose(&self, scope: &Scope<'_>) -> Result<(Option<&str>, &[usize]), ExpressionError> {
        let word = match self.on.value_in(scope)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let chosen = self.cases.iter().find(|(case, _)| *case == word);
        Ok(match chosen {
            Some((case, steps)) => (Some(case), steps),
            None if self.default.is_empty() => (None, &[]),
            None => (Some("default"), &self.default),
        })
    }
}

pub(crate) fn wait(action: &WaitAction, scope: &Scope<'_>) -> Result<WaitCall, ExpressionError> {
    match action {
        WaitAction::For(template) => {
            let text = template.text_in(scope)?;
            let ms = duration::parse_ms(text.trim()).map_err(|e| ExpressionError::plain(e.to_string()))?;
            Ok(WaitCall::For(ms))
        }
        WaitAction::Until(template) => {
            let text = template.text_in(scope)?;
            moment(text.trim()).map(WaitCall::Until).ok_or_else(|| {
                let shown: String = text.chars().take(60).collect();
                ExpressionError::plain(format!("`{shown}` is no moment, such as 2027-03-01T09:00:00Z"))
            })
        }
        WaitAction::Event(wait) => {
            let EventWait { name, condition, timeout_ms } = &**wait;
            let filter = condition.as_ref().map(|condition| filter(condition, scope)).transpose()?;
            Ok(WaitCall::Event { name: name.clone(), filter, timeout_ms: *timeout_ms })
        }
    }
}

/// Unix milliseconds of a moment: RFC 3339, with a zone's name in brackets (RFC 9557), or unix milliseconds.
pub(crate) fn moment(text: &str) -> Option<i64> {
    if let Ok(ms) = text.parse::<i64>() {
        return Some(ms);
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond());
    }
    text.parse::<jiff::Zoned>().ok().map(|at| at.timestamp().as_millisecond())
}

/// What a condition on an event takes along from its run.
fn filter(condition: &Expression, scope: &Scope<'_>) -> Result<EventFilter, ExpressionError> {
    let mut values = Map::new();
    for path in condition.paths() {
        let Some(root) = path.root().filter(|root| *root != Root::Event) else { continue };
        let Some(value) = scope.context.root(root) else { continue };
        match (root, path.segments().first()) {
            (Root::Steps, Some(Segment::Key(id))) => {
                let steps = values.entry("steps").or_insert_with(|| Value::Object(Map::new()));
                if let (Some(steps), Some(step)) = (steps.as_object_mut(), value.get(&**id)) {
                    steps.insert(id.to_string(), step.clone());
                }
            }
            _ => {
                values.insert(root.as_str().to_owned(), value.clone());
            }
        }
    }
    let size: usize = values.values().map(|value| value.to_string().len()).sum();
    if size > MAX_WAIT_VALUES_BYTES {
        let message = format!("what it reads of the run is larger than {MAX_WAIT_VALUES_BYTES} bytes");
        return Err(condition.failure(message));
    }
    Ok(EventFilter { source: condition.source().to_owned(), values })
}

pub(crate) fn approve(action: &ApproveAction, scope: &Scope<'_>) -> Result<ApproveCall, ExpressionError> {
    Ok(ApproveCall {
        by: action.by,
        message: action.message.as_ref().map(|message| message.text_in(scope)).transpose()?,
        channel: action.channel.clone(),
        timeout_ms: action.timeout_ms,
        on_timeout: action.on_timeout,
        allow_starter: action.allow_starter,
    })
}

pub(crate) fn workflow(action: &WorkflowAction, scope: &Scope<'_>) -> Result<WorkflowCall, ExpressionError> {
    let with = match action.with.value_in(scope)? {
        Value::Object(with) => with,
        other => {
            let message = format!("`with` must be a mapping, not {}", noun(&other));
            return Err(ExpressionError::plain(message));
        }
    };
    Ok(WorkflowCall { name: action.name.clone(), with, wait: action.wait })
}

const fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments() {
        assert_eq!(moment("2027-03-01T09:00:00Z"), Some(1_803_891_600_000));
        assert_eq!(moment("2027-03-01T10:00:00+01:00"), Some(1_803_891_600_000));
        assert_eq!(moment("2027-03-01T10:00:00[Europe/Berlin]"), Some(1_803_891_600_000));
        assert_eq!(moment("1803891600000"), Some(1_803_891_600_000));
        for bad in ["", "tomorrow", "2027-03-01", "09:00", "2027-13-01T09:00:00Z"] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_filter_decides_without_its_run() {
        let condition = "event.body.id == steps.order.output.id and event.body.ok";
        let condition = Expression::compile(condition, (1, 1)).unwrap();
        let steps = json!({ "order": { "output": { "id": 7 } }, "other": { "output": "x" } });
        let context = Context { steps: &steps, ..Context::default() };
        let filter = filter(&condition, &Scope::of(&context)).unwrap();
        assert_eq!(
            Value::Object(filter.values.clone()),
            json!({ "steps": { "order": { "output": { "id": 7 } } } })
        );
        let text = serde_json::to_string(&filter).unwrap();
        let filter: EventFilter = serde_json::from_str(&text).unwrap();
        assert!(filter.matches(&json!({ "body": { "id": 7, "ok": true } })));
        assert!(!filter.matches(&json!({ "body": { "id": 7, "ok": false } })));
        assert!(!filter.matches(&json!({ "body": { "id": 8, "ok": true } })));
        assert!(!filter.matches(&json!({ "body": null })));
    }

    #[test]
    fn a_filter_takes_only_so_much_along() {
        let condition = Expression::compile("event.body == steps.big.output", (1, 1)).unwrap();
        let steps = json!({ "big": { "output": "x".repeat(MAX_WAIT_VALUES_BYTES) } });
        let context = Context { steps: &steps, ..Context::default() };
        assert!(filter(&condition, &Scope::of(&context)).unwrap_err().message.contains("larger"));
    }
}
