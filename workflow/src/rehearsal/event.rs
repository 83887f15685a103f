//! The event of a test as expressions see it, and whether the workflow starts on it.

use serde_json::{Map, Value, json};

use tenantry_protocol::state::RunState;

use super::file::{object, text};
use crate::context::{Context, EVENT_FIELDS};
use crate::definition::{WebhookTrigger, Workflow};
use crate::expression::Expression;
use crate::language::structure::whole;
use crate::schedule::{Schedule, next_fires};
use crate::source::Node;

/// What starts the workflow.
#[derive(Debug)]
pub(super) enum Start {
    Webhook {
        path: Option<String>,
        method: String,
        body: Value,
        headers: Map<String, Value>,
        query: Map<String, Value>,
    },
    Emitted {
        name: String,
        data: Value,
    },
    Manual {
        inputs: Map<String, Value>,
    },
    /// At that moment, or whenever a schedule fires next.
    Schedule {
        at: Option<i64>,
    },
    File {
        name: String,
        body: Value,
        size: Option<u64>,
    },
    Ended {
        workflow: String,
        state: RunState,
        error: Option<String>,
    },
}

/// The event, and what a run on it would have as inputs.
pub(super) struct Started<'w> {
    pub(super) event: Value,
    /// When the run starts, if the event says it.
    pub(super) at: Option<i64>,
    pub(super) inputs: Value,
    /// Whether the workflow's `if` is asked.
    pub(super) filtered: bool,
    /// The conditions of the triggers that fit, of which one must be true; a trigger without one is enough.
    pub(super) conditions: Vec<Option<&'w Expression>>,
    /// The key by which a repeated request is recognised.
    pub(super) dedupe: Option<Result<String, String>>,
}

impl Start {
    pub(super) fn of(node: Option<&Node>) -> Self {
        let get = |key: &str| node.and_then(|node| node.get(key));
        if let Some(event) = get("event") {
            let data = event.get("data").map(Node::to_json).unwrap_or_default();
            return Self::Emitted { name: text(event, "name").unwrap_or_default(), data };
        }
        if let Some(inputs) = get("manual") {
            return Self::Manual { inputs: object(Some(inputs)) };
        }
        if let Some(at) = get("schedule") {
            return Self::Schedule { at: at.text().and_then(instant) };
        }
        if let Some(file) = get("file") {
            let body = file.get("body").map(Node::to_json).unwrap_or_default();
            let name = text(file, "name").unwrap_or_default();
            return Self::File { name, body, size: file.get("size").and_then(whole) };
        }
        if let Some(ended) = get("workflow") {
            let state = text(ended, "state").and_then(|state| state.parse().ok());
            return Self::Ended {
                workflow: text(ended, "name").unwrap_or_default(),
                state: state.unwrap_or(RunState::Succeeded),
                error: text(ended, "error"),
            };
        }
        let webhook = get("webhook");
        let word = |key: &str| webhook.and_then(|webhook| text(webhook, key));
        let part = |key: &str| webhook.and_then(|webhook| webhook.get(key));
        // Header names are lower case in expressions; values are always text.
        let headers = object(part("headers")).into_iter();
        Self::Webhook {
            path: word("path"),
            method: word("method").unwrap_or_else(|| "POST".to_owned()),
            body: part("body").map(Node::to_json).unwrap_or_default(),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), as_text(value))).collect(),
            query: object(part("query")).into_iter().map(|(name, value)| (name, as_text(value))).collect(),
        }
    }

    /// The event at that moment; the error says why no trigger of the workflow fits it.
    pub(super) fn occur<'w>(
        &self,
        workflow: &'w Workflow,
        now: i64,
        tenant: &Value,
    ) -> Result<Started<'w>, String> {
        let fields = |kind: &str| fields(kind, now);
        let inputs = workflow.default_inputs();
        let started =
            |event| Started { event, at: None, inputs, filtered: true, conditions: vec![None], dedupe: None };
        match self {
            Self::Webhook { path, method, body, headers, query } => {
                let hook = hook(workflow, path.as_deref())?;
                let mut event = fields("webhook");
                event["path"] = json!(hook.path);
                event["method"] = json!(method);
                event["headers"] = json!(headers);
                event["body"] = body.clone();
                if !query.is_empty() {
                    event["query"] = json!(query);
                }
                let dedupe = hook.dedupe.as_ref().map(|dedupe| {
                    let context = Context { event: &event, tenant, ..Context::default() };
                    dedupe.key.text(&context).map_err(|error| error.to_string())
                });
                Ok(Started { dedupe, ..started(event) })
            }
            Self::Emitted { name, data } => {
                let (event, conditions) = emitted(workflow, name, data, fields("emitted"))?;
                Ok(Started { conditions, ..started(event) })
            }
            Self::Ended { workflow: name, state, error } => {
                let (event, conditions) =
                    ended(workflow, name, *state, error.as_deref(), fields("workflow"))?;
                Ok(Started { conditions, ..started(event) })
            }
            Self::Schedule { at } => {
                let (schedule, at) = fire(&workflow.triggers.schedules, *at, now)?;
                let mut event = fields("schedule");
                let local = schedule.zone.local_text(at);
                event["received_at"] = json!(at);
                event["scheduled_at"] = json!(local);
                event["body"] = json!({
                    "schedule": schedule.text(),
                    "timezone": schedule.zone.name(),
                    "scheduled_at": local,
                    "scheduled_at_ms": at,
                });
                Ok(Started { at: Some(at), ..started(event) })
            }
            Self::File { name, body, size } => {
                if !workflow.triggers.files.iter().any(|file| file.matches(name)) {
                    return Err(format!("the workflow does not start on the file `{name}`"));
                }
                let mut event = fields("file");
                event["name"] = json!(name);
                event["path"] = json!(format!("inbox/{name}"));
                event["size"] = json!(size.unwrap_or_else(|| length(body)));
                event["body"] = body.clone();
                Ok(started(event))
            }
            Self::Manual { inputs } => {
                let Some(manual) = &workflow.triggers.manual else {
                    return Err("the workflow cannot be started by hand".to_owned());
                };
                let inputs = manual.accept(inputs).map_err(|findings| {
                    findings.into_iter().map(|finding| finding.message).collect::<Vec<_>>().join("; ")
                })?;
                let mut event = fields("manual");
                event["body"] = Value::Object(inputs.clone());
                Ok(Started { inputs: Value::Object(inputs), filtered: false, ..started(event) })
            }
        }
    }
}

/// An event and the conditions of the triggers that fit it.
type Fitting<'w> = (Value, Vec<Option<&'w Expression>>);

fn emitted<'w>(
    workflow: &'w Workflow,
    name: &str,
    data: &Value,
    mut event: Value,
) -> Result<Fitting<'w>, String> {
    let fitting = workflow.triggers.events.iter().filter(|trigger| trigger.matches(name));
    let conditions: Vec<_> = fitting.map(|trigger| trigger.condition.as_ref()).collect();
    if conditions.is_empty() {
        return Err(format!("the workflow does not start on the event `{name}`"));
    }
    event["name"] = json!(name);
    event["body"] = data.clone();
    Ok((event, conditions))
}

fn ended<'w>(
    workflow: &'w Workflow,
    name: &str,
    state: RunState,
    error: Option<&str>,
    mut event: Value,
) -> Result<Fitting<'w>, String> {
    let fitting = workflow.triggers.workflows.iter().filter(|trigger| trigger.matches(name, state));
    let conditions: Vec<_> = fitting.map(|trigger| trigger.condition.as_ref()).collect();
    if conditions.is_empty() || name == workflow.name {
        return Err(format!("the workflow does not start when a run of `{name}` has {state}"));
    }
    event["workflow"] = json!(name);
    event["run"] = json!("run_00000000000000000000000000000002");
    event["state"] = json!(state);
    event["error"] = json!(error);
    event["depth"] = json!(1);
    event["body"] = json!({ "workflow": name, "run": event["run"], "state": state, "error": error });
    Ok((event, conditions))
}

/// An event of that kind without what is its own.
fn fields(kind: &str, now: i64) -> Value {
    let mut event: Map<_, _> = EVENT_FIELDS.iter().map(|field| ((*field).to_owned(), Value::Null)).collect();
    event.insert("id".to_owned(), json!("evt_00000000000000000000000000000001"));
    event.insert("kind".to_owned(), json!(kind));
    event.insert("headers".to_owned(), json!({}));
    event.insert("received_at".to_owned(), json!(now));
    event.insert("depth".to_owned(), json!(0));
    Value::Object(event)
}

/// Unix milliseconds of a moment.
pub(super) fn instant(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

fn length(body: &Value) -> u64 {
    let bytes = body.as_str().map_or_else(|| body.to_string().len(), str::len);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The schedule that fires at the moment, or the one that fires next after `now`.
fn fire(schedules: &[Schedule], at: Option<i64>, now: i64) -> Result<(&Schedule, i64), String> {
    let next = |after| next_fires(schedules, after, 1).first().copied();
    // A moment is found as what comes next after the millisecond before it.
    let found = next(at.map_or(now, |at| at.saturating_sub(1)));
    let Some(fire) = found else { return Err("the workflow has no schedule that fires then".to_owned()) };
    let Some(schedule) = schedules.get(fire.entry) else {
        return Err("the workflow has no schedule".to_owned());
    };
    if at.is_some_and(|at| at != fire.at) {
        let local = schedule.zone.local_text(fire.at);
        return Err(format!("no schedule fires at that moment; the next one does at {local}"));
    }
    Ok((schedule, fire.at))
}

fn hook<'w>(workflow: &'w Workflow, path: Option<&str>) -> Result<&'w WebhookTrigger, String> {
    let hooks = &workflow.triggers.webhooks;
    match (path, hooks.as_slice()) {
        (_, []) => Err("the workflow has no webhook".to_owned()),
        (None, [only]) => Ok(only),
        (None, _) => Err("the workflow has several webhooks: say which by `path`".to_owned()),
        (Some(path), _) => hooks
            .iter()
            .find(|hook| hook.path == path)
            .ok_or_else(|| format!("the workflow has no webhook with the path `{path}`")),
    }
}

fn as_text(value: Value) -> Value {
    match value {
        Value::String(_) => value,
        other => Value::String(other.to_string()),
    }
}
