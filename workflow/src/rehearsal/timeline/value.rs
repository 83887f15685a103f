//! `run` and `steps.<id>` as expressions see them, in the form in which the daemon makes them.

use serde_json::{Map, Value, json};
use tenantry_protocol::state::StepState;

/// The id of every run here.
pub(super) const RUN: &str = "run_00000000000000000000000000000001";

/// `run` while the run goes on.
pub(super) fn run(begun: i64) -> Value {
    json!({
        "id": RUN,
        "state": null,
        "previous_state": null,
        "error": null,
        "failed_step": null,
        "created_at": begun,
        "started_at": begun,
        "ended_at": null,
        "duration_ms": null,
        "attempt": null,
        "idempotency_key": null,
    })
}

/// `output` of what an action has left behind.
pub(super) fn output(left: &Value) -> Value {
    ["output", "body", "stdout"].iter().find_map(|field| left.get(field)).cloned().unwrap_or_default()
}

/// `steps.<id>` of a step that has ended.
pub(super) fn step(
    state: StepState,
    left: &Value,
    error: Option<&str>,
    attempts: u32,
    begun: Option<i64>,
    now: i64,
) -> Value {
    let mut fields = match left {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    if !fields.contains_key("output") {
        let output = fields.get("body").or_else(|| fields.get("stdout")).cloned().unwrap_or_default();
        fields.insert("output".to_owned(), output);
    }
    for absent in ["status", "headers", "body", "exit_code", "stdout", "stderr"] {
        fields.entry(absent).or_insert(Value::Null);
    }
    fields.insert("state".to_owned(), json!(state));
    fields.insert("error".to_owned(), json!(error));
    fields.insert("attempts".to_owned(), json!(attempts));
    fields.insert("duration_ms".to_owned(), json!(begun.map(|begun| now - begun)));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{RUN_FIELDS, STEP_FIELDS};

    #[test]
    fn every_promised_field_is_there() {
        let value = step(StepState::Failed, &Value::Null, Some("x"), 2, Some(3), 5);
        assert!(STEP_FIELDS.iter().all(|field| value.get(field).is_some()), "{value}");
        assert!(RUN_FIELDS.iter().all(|field| run(0).get(field).is_some()));
    }
}
