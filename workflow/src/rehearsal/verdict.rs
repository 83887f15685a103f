//! What came of a test beside what was expected. A mapping that is expected may have more keys than are named; lists
//! and everything else must be the same. `{ $contains: … }`, `{ $starts: … }`, `{ $ends: … }` ask for a part of a text or list.

use serde::Serialize;
use serde_json::{Map, Value, json};
use tenantry_protocol::state::{RunState, StepState};

use super::file::Test;
use super::timeline::{Row, Told};
use crate::definition::{Call, HttpCall, Workflow};
use crate::suggest::closest;

/// The result of one test.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The test's name.
    pub name: String,
    /// Where it begins in its file, from 1.
    pub line: u32,
    /// How the run ended; absent if none started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunState>,
    /// How long the run took on the simulated clock.
    pub took_ms: u64,
    /// By step, its end.
    pub steps: Vec<StepEnd>,
    /// Empty if the test passed.
    pub mismatches: Vec<Mismatch>,
}

impl Report {
    /// Whether everything is as expected.
    pub const fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepEnd {
    /// The step.
    pub id: String,
    /// Its last state.
    pub state: StepState,
    /// How many attempts it took.
    pub attempts: u32,
}

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mismatch {
    /// What, such as `steps.charge.attempts`.
    pub what: String,
    /// What was expected; absent where the test itself does not hold together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Value>,
    /// What came, or why there is nothing.
    pub got: Value,
}

/// Compares.
pub(super) fn judge(workflow: &Workflow, test: &Test, told: &Told) -> Report {
    let mut judge = Judge(Vec::new());
    judge.all(workflow, test, told);
    Report {
        name: test.name.clone(),
        line: test.line,
        run: told.state,
        took_ms: told.took_ms,
        steps: told
            .steps
            .iter()
            .map(|row| StepEnd { id: row.id.clone(), state: row.state, attempts: row.attempts })
            .collect(),
        mismatches: judge.0,
    }
}

struct Judge(Vec<Mismatch>);

impl Judge {
    fn all(&mut self, workflow: &Workflow, test: &Test, told: &Told) {
        let expect = &test.expect;
        if let Some(refused) = &told.refused {
            return self.trouble("on", refused.clone());
        }
        for trouble in &told.trouble {
            self.trouble("test", trouble.clone());
        }
        for id in test.mocks.iter().map(|(id, _)| id).chain(expect.steps.iter().map(|(id, _)| id)) {
            if workflow.step(id).is_none() {
                let known = closest(id, workflow.steps.iter().map(|step| step.id.as_str()));
                let help = known.map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
                self.trouble("test", format!("the workflow has no step `{id}`{help}"));
            }
        }
        self.same("starts", &json!(expect.starts), &json!(told.started));
        if let Some(dedupe) = &expect.dedupe {
            self.same("dedupe", dedupe, &json!(told.dedupe));
        }
        if !told.started {
            return;
        }
        if let Some(run) = &expect.run {
            let state = told.state.map(RunState::as_str);
            if state != Some(run) {
                let got = match (&told.error, state) {
                    (Some(error), Some(state)) => format!("{state}: {error}"),
                    (_, state) => state.unwrap_or("no end").to_owned(),
                };
                self.differs("run", json!(run), json!(got));
            }
        }
        if let Some(error) = &expect.error {
            self.same("error", error, &json!(told.error));
        }
        if let Some(took) = expect.took_ms.filter(|took| *took != told.took_ms) {
            self.differs("took", json!(format!("{took} ms")), json!(format!("{} ms", told.took_ms)));
        }
        for (id, wanted) in &expect.steps {
            if let Some(row) = told.steps.iter().find(|row| row.id == *id) {
                self.step(row, wanted);
            }
        }
        if let Some(emits) = &expect.emits {
            let got: Value =
                told.emits.iter().map(|call| json!({ "name": call.name, "data": call.data })).collect();
            self.same("emits", &json!(emits), &got);
        }
        if let Some(notifications) = &expect.notifications {
            let got = told.notifications.iter().map(|(channel, message)| {
                json!({ "channel": channel, "title": message.title, "message": message.body })
            });
            self.same("notifications", &json!(notifications), &got.collect());
        }
    }

    fn step(&mut self, row: &Row, wanted: &Map<String, Value>) {
        for (key, wanted) in wanted {
            let what = format!("steps.{}.{key}", row.id);
            match (key.as_str(), &row.call) {
                ("state", _) if *wanted != json!(row.state) && row.error.is_some() => {
                    let error = row.error.as_deref().unwrap_or_default();
                    self.differs(&what, wanted.clone(), json!(format!("{}: {error}", row.state)));
                }
                ("state", _) => self.same(&what, wanted, &json!(row.state)),
                ("attempts", _) => self.same(&what, wanted, &json!(row.attempts)),
                ("error", _) => self.same(&what, wanted, &json!(row.error)),
                ("output", _) => self.same(&what, wanted, row.value.get("output").unwrap_or(&Value::Null)),
                (_, None) => self.differs(&what, wanted.clone(), json!("the step did nothing")),
                ("request", Some(Call::Http(call))) => self.same(&what, wanted, &request(call)),
                ("env", Some(Call::Run(call))) => {
                    let env: Map<String, Value> =
                        call.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                    self.same(&what, wanted, &Value::Object(env));
                }
                ("stdin", Some(Call::Run(call))) => self.same(&what, wanted, &json!(call.stdin)),
                ("input", Some(Call::Jq(call))) => self.same(&what, wanted, &call.input),
                ("data", Some(Call::Emit(call))) => self.same(&what, wanted, &call.data),
                (_, Some(_)) => self.trouble(&what, format!("step `{}` is of another kind", row.id)),
            }
        }
    }

    fn same(&mut self, what: &str, wanted: &Value, got: &Value) {
        match (wanted, got) {
            (Value::Object(wanted), _) if wanted.keys().any(|key| key.starts_with('$')) => {
                if !wanted.iter().all(|(word, part)| holds(word, part, got)) {
                    self.differs(what, Value::Object(wanted.clone()), got.clone());
                }
            }
            (Value::Object(wanted), Value::Object(got)) => {
                for (key, wanted) in wanted {
                    self.same(&format!("{what}.{key}"), wanted, got.get(key).unwrap_or(&Value::Null));
                }
            }
            (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
                for (index, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                    self.same(&format!("{what}[{index}]"), wanted, got);
                }
            }
            (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
            _ if wanted == got => {}
            _ => self.differs(what, wanted.clone(), got.clone()),
        }
    }

    fn differs(&mut self, what: &str, wanted: Value, got: Value) {
        self.0.push(Mismatch { what: what.to_owned(), wanted: Some(wanted), got });
    }

    fn trouble(&mut self, what: &str, why: String) {
        self.0.push(Mismatch { what: what.to_owned(), wanted: None, got: Value::String(why) });
    }
}

/// Whether a part is there.
fn holds(word: &str, part: &Value, got: &Value) -> bool {
    match (word, got) {
        ("$contains", Value::Array(items)) => items.contains(part),
        (_, Value::String(got)) => {
            let part = part.as_str().map_or_else(|| part.to_string(), str::to_owned);
            match word {
                "$contains" => got.contains(&part),
                "$starts" => got.starts_with(&part),
                "$ends" => got.ends_with(&part),
                _ => false,
            }
        }
        _ => false,
    }
}

/// A request as tests see it: header names in lower case, a JSON body as JSON.
fn request(call: &HttpCall) -> Value {
    let headers: Map<String, Value> =
        call.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), json!(value))).collect();
    let is_json =
        headers.get("content-type").and_then(Value::as_str).is_some_and(|kind| kind.contains("json"));
    let body = call.body.as_ref().map(|body| match serde_json::from_str(body) {
        Ok(value) if is_json => value,
        _ => json!(body),
    });
    json!({ "method": call.method, "url": call.url, "headers": headers, "body": body })
}
