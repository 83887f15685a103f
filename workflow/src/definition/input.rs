//! The inputs of a run started by hand: types, defaults, and what is accepted.

use serde_json::{Map, Value};
use tenantry_protocol::error::{Finding, Severity};

use crate::suggest::closest;

/// A person or program with the permission starts the workflow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ManualTrigger {
    /// In the order of the text.
    pub inputs: Vec<Input>,
}

/// One input.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name, readable as `inputs.<name>`.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What is accepted.
    pub kind: InputType,
    /// Whether a run without it is refused.
    pub required: bool,
    /// What it is when nothing is given; null without a default.
    pub default: Option<Value>,
}

/// What an input accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputType {
    /// Text.
    Text,
    /// A number, whole or not.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Any JSON.
    Json,
    /// One of these words.
    Choice(Vec<String>),
}

impl InputType {
    /// The word of the language.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Json => "json",
            Self::Choice(_) => "choice",
        }
    }

    /// The value as the workflow will see it, always of the declared type; the error says what is accepted. Text that
    /// reads as the wanted type is taken, because command lines know nothing else; and a number where text is wanted
    /// is its text, because `5` and `"5"` differ in nothing that the caller can be expected to mind.
    pub fn accept(&self, given: &Value) -> Result<Value, String> {
        match (self, given) {
            (Self::Json, Value::String(text)) => {
                Ok(serde_json::from_str(text).unwrap_or_else(|_| given.clone()))
            }
            (Self::Text, Value::String(_))
            | (Self::Number, Value::Number(_))
            | (Self::Boolean, Value::Bool(_))
            | (Self::Json, _) => Ok(given.clone()),
            (Self::Text, Value::Number(_) | Value::Bool(_)) => Ok(Value::String(given.to_string())),
            (Self::Number, Value::String(text)) => match serde_json::from_str(text.trim()) {
                Ok(number @ Value::Number(_)) => Ok(number),
                _ => Err("a number".to_owned()),
            },
            (Self::Number, _) => Err("a number".to_owned()),
            (Self::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(given.clone()),
            (Self::Integer, Value::String(text)) => match serde_json::from_str(text.trim()) {
                Ok(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Value::Number(number)),
                _ => Err("a whole number".to_owned()),
            },
            (Self::Integer, _) => Err("a whole number".to_owned()),
            (Self::Boolean, Value::String(text)) => {
                text.trim().parse().map(Value::Bool).map_err(|_| "true or false".to_owned())
            }
            (Self::Boolean, _) => Err("true or false".to_owned()),
            (Self::Text, _) => Err("text".to_owned()),
            (Self::Choice(words), Value::String(text)) if words.contains(text) => Ok(given.clone()),
            (Self::Choice(words), Value::Number(_) | Value::Bool(_))
                if words.contains(&given.to_string()) =>
            {
                Ok(Value::String(given.to_string()))
            }
            (Self::Choice(words), _) => Err(format!("one of {}", words.join(", "))),
        }
    }
}

impl ManualTrigger {
    /// The inputs of a run that was not started by hand: the defaults, null where there is none.
    pub fn defaults(&self) -> Map<String, Value> {
        self.inputs
            .iter()
            .map(|input| (input.name.clone(), input.default.clone().unwrap_or_default()))
            .collect()
    }

    /// The inputs of a run: what was given, checked, with defaults filled in. Every finding at once; they
    /// have no place, because what is given has no file.
    pub fn accept(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, Vec<Finding>> {
        let mut findings = Vec::new();
        let mut accepted = Map::new();
        for input in &self.inputs {
            match given.get(&input.name).filter(|value| !value.is_null()) {
                Some(value) => match input.kind.accept(value) {
                    Ok(value) => drop(accepted.insert(input.name.clone(), value)),
                    Err(wanted) => findings.push(finding(
                        "input-type",
                        format!("input `{}` must be {wanted}", input.name),
                        None,
                    )),
                },
                None if input.required && input.default.is_none() => findings.push(finding(
                    "input-missing",
                    format!("input `{}` is required", input.name),
                    Some(format!("give it: --input {}=…", input.name)),
                )),
                None => drop(accepted.insert(input.name.clone(), input.default.clone().unwrap_or_default())),
            }
        }
        for name in given.keys().filter(|name| self.inputs.iter().all(|input| input.name != **name)) {
            let known = self.inputs.iter().map(|input| input.name.as_str());
            let shown: String = name.chars().take(80).collect();
            findings.push(finding(
                "input-unknown",
                format!("the workflow has no input `{shown}`"),
                closest(name, known).map(|name| format!("did you mean `{name}`?")),
            ));
        }
        if findings.is_empty() { Ok(accepted) } else { Err(findings) }
    }
}

/// What is given has no file.
fn finding(code: &str, message: String, suggestion: Option<String>) -> Finding {
    Finding::unplaced(Severity::Error, code, "", message, suggestion)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trigger() -> ManualTrigger {
        let input = |name: &str, kind, required, default| Input {
            name: name.to_owned(),
            description: None,
            kind,
            required,
            default,
        };
        ManualTrigger {
            inputs: vec![
                input("since", InputType::Text, false, Some(json!("yesterday"))),
                input("count", InputType::Number, true, None),
                input("dry", InputType::Boolean, false, None),
                input(
                    "level",
                    InputType::Choice(vec!["low".into(), "high".into()]),
                    false,
                    Some(json!("low")),
                ),
                input("extra", InputType::Json, false, None),
                input("port", InputType::Integer, false, Some(json!(80))),
            ],
        }
    }

    fn accept(given: &Value) -> Result<Value, Vec<String>> {
        let given = given.as_object().cloned().unwrap_or_default();
        trigger()
            .accept(&given)
            .map(Value::Object)
            .map_err(|findings| findings.into_iter().map(|finding| finding.code).collect())
    }

    #[test]
    fn defaults_are_filled_in_and_text_is_read() {
        let accepted = accept(&json!({ "count": "3.5", "dry": "true", "extra": "{\"a\": [1]}" })).unwrap();
        let wanted = json!({ "since": "yesterday", "count": 3.5, "dry": true, "level": "low", "extra": { "a": [1] }, "port": 80 });
        assert_eq!(accepted, wanted);
        assert_eq!(accept(&json!({ "count": 1, "port": " 443" })).unwrap()["port"], 443);
        for port in [json!(1.5), json!("1.0"), json!(1e2), json!("x"), json!(true)] {
            assert_eq!(accept(&json!({ "count": 1, "port": port })).unwrap_err(), ["input-type"], "{port}");
        }
    }

    #[test]
    fn a_value_has_the_declared_type_however_it_was_written() {
        let of = |kind: InputType, given: Value| kind.accept(&given);
        assert_eq!(of(InputType::Text, json!(5)), Ok(json!("5")));
        assert_eq!(of(InputType::Text, json!(-1.5)), Ok(json!("-1.5")));
        assert_eq!(of(InputType::Text, json!(true)), Ok(json!("true")));
        assert_eq!(of(InputType::Text, json!("5")), Ok(json!("5")), "text is never read as a number");
        assert_eq!(of(InputType::Number, json!("5")), Ok(json!(5)));
        assert_eq!(of(InputType::Json, json!("5")), Ok(json!(5)));
        let levels = || InputType::Choice(vec!["1".into(), "2".into()]);
        assert_eq!(of(levels(), json!(2)), Ok(json!("2")));
        assert_eq!(of(levels(), json!(3)), Err("one of 1, 2".to_owned()));
        assert!(of(InputType::Text, json!({})).is_err());
        assert!(of(InputType::Number, json!("5 apples")).is_err());
    }

    #[test]
    fn all_findings_at_once() {
        let refused = accept(&json!({ "since": [], "level": "mid", "cuont": 1, "dry": 1 })).unwrap_err();
        assert_eq!(refused, ["input-type", "input-missing", "input-type", "input-type", "input-unknown"]);
    }

    #[test]
    fn an_unknown_input_suggests_a_known_one() {
        let given = json!({ "cuont": 1, "count": 2 });
        let findings = trigger().accept(given.as_object().unwrap()).unwrap_err();
        assert_eq!(findings[0].suggestion.as_deref(), Some("did you mean `count`?"));
    }
}
