//! A step as expressions see it: `steps.<id>`. Its fields are those of `tenantry_workflow::context::STEP_FIELDS`.
//!
//! What an action leaves behind is stored once, as the object that its handler made; `output`, the part that the
//! action is for, is derived from it here.

use serde_json::{Map, Value};
use tenantry_protocol::state::StepState;

use crate::store::tenant::steps::Step;

/// `steps` as expressions see it: those that have ended.
pub fn ended(rows: &[Step]) -> Value {
    let ended = rows.iter().filter(|row| row.state.is_terminal());
    Value::Object(ended.map(|row| (row.id.clone(), of(row))).collect())
}

/// `steps.<id>` of a stored step.
pub fn of(step: &Step) -> Value {
    let stored = step.output.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let took = step.started_at.zip(step.ended_at).map(|(from, to)| to - from);
    build(step.state, stored.unwrap_or(Value::Null), step.error.as_deref(), step.attempt, took)
}

/// `output` of what an action has left behind; null of nothing.
pub fn output_of(stored: Option<&str>) -> Value {
    let stored = stored.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(Value::Object(mut fields)) = stored else { return Value::Null };
    ["output", "body", "stdout"].iter().find_map(|field| fields.remove(*field)).unwrap_or_default()
}

fn build(
    state: StepState,
    stored: Value,
    error: Option<&str>,
    attempts: u32,
    duration_ms: Option<i64>,
) -> Value {
    let mut fields = match stored {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    if !fields.contains_key("output") {
        let output = fields.get("body").or_else(|| fields.get("stdout")).cloned().unwrap_or(Value::Null);
        fields.insert("output".to_owned(), output);
    }
    for absent in ["status", "headers", "body", "exit_code", "stdout", "stderr"] {
        fields.entry(absent).or_insert(Value::Null);
    }
    fields.insert("state".to_owned(), Value::from(state.as_str()));
    fields.insert("error".to_owned(), error.map_or(Value::Null, Value::from));
    fields.insert("attempts".to_owned(), attempts.into());
    fields.insert("duration_ms".to_owned(), duration_ms.map_or(Value::Null, Value::from));
    Value::Object(fields)
}

/// About the size of a value as JSON, without writing it.
pub fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 2,
        Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + 4 + weight(value)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_promised_field_is_there_and_output_is_what_the_action_is_for() {
        for (stored, output) in [
            (json!({"status": 200, "headers": {}, "body": {"a": 1}}), json!({"a": 1})),
            (json!({"exit_code": 0, "stdout": "x", "stderr": ""}), json!("x")),
            (json!({"output": [1]}), json!([1])),
            (Value::Null, Value::Null),
        ] {
            assert_eq!(output_of(Some(&stored.to_string())), output);
            let value = build(StepState::Succeeded, stored, None, 1, Some(3));
            assert_eq!(value["output"], output);
            for field in tenantry_workflow::context::STEP_FIELDS {
                assert!(value.get(field).is_some(), "{field}");
            }
        }
    }
}
