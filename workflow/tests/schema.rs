//! The JSON Schema agrees with the parser: it accepts what the parser accepts and refuses the same unknown
//! keys. `UPDATE_SCHEMA=1 cargo test -p tenantry-workflow --test schema` writes it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a file that cannot be read fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Map, Value};
use tenantry_workflow::Format;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_shipped_schemas_are_the_present_ones() {
    for (file, schema) in [
        ("workflow.schema.json", tenantry_workflow::schema()),
        ("workflow-test.schema.json", tenantry_workflow::test_schema()),
    ] {
        let path = folder("../config").join(file);
        let text = format!("{schema:#}\n");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let shipped = fs::read_to_string(&path).unwrap_or_default();
        assert!(shipped == text, "config/{file} is stale: run the test with UPDATE_SCHEMA=1");
    }
}

/// What a file holds, as JSON; `None` where the notation itself is broken.
fn read(name: &str, text: &str) -> Option<Value> {
    match Format::of_path(name) {
        Format::Yaml => {
            let options = serde_saphyr::options! { strict_booleans: true };
            serde_saphyr::from_str_with_options(text, options).ok()
        }
        Format::Toml => {
            let table: toml::Table = toml::from_str(text).ok()?;
            serde_json::to_value(table).ok()
        }
        Format::Json => serde_json::from_str(text).ok(),
    }
}

fn files(name: &str) -> Vec<(String, Value)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder(name)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(value) = read(&name, &fs::read_to_string(&path).unwrap()) {
            files.push((name, value));
        }
    }
    files
}

/// The part of JSON Schema 2020-12 that the schema uses; an unknown keyword fails the test. Patterns are not
/// evaluated, only required to be text.
fn errors(value: &Value, schema: &Value, at: &str, out: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                static WHOLE: OnceLock<Value> = OnceLock::new();
                let whole = WHOLE.get_or_init(tenantry_workflow::schema);
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                errors(value, whole.pointer(pointer).unwrap(), at, out);
            }
            "pattern" => assert!(rule.is_string()),
            "properties" => properties(value, schema, at, out),
            "additionalProperties" if schema.get("properties").is_some() => {}
            "additionalProperties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    errors(field, rule, &format!("{at}.{name}"), out);
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    errors(item, rule, &format!("{at}[{index}]"), out);
                }
            }
            _ if !holds(keyword, rule, value) => out.push(format!("{at}: {keyword} {rule}")),
            _ => {}
        }
    }
}

/// Whether a keyword that looks at the value alone is satisfied.
fn holds(keyword: &str, rule: &Value, value: &Value) -> bool {
    let rules = || rule.as_array().unwrap().iter();
    let has = |name: &Value| value.get(name.as_str().unwrap()).is_some();
    let count = value.as_array().map(|items| items.len() as u64);
    match keyword {
        "type" if rule.is_array() => rules().any(|kind| is(value, kind.as_str().unwrap())),
        "type" => is(value, rule.as_str().unwrap()),
        "enum" => rules().any(|word| word == value),
        "minimum" => value.as_u64().is_none_or(|number| number >= rule.as_u64().unwrap()),
        "maximum" => value.as_u64().is_none_or(|number| number <= rule.as_u64().unwrap()),
        "minItems" => count.is_none_or(|count| count >= rule.as_u64().unwrap()),
        "maxItems" => count.is_none_or(|count| count <= rule.as_u64().unwrap()),
        "required" => !value.is_object() || rules().all(has),
        "anyOf" => rules().any(|rule| fits(value, rule)),
        "oneOf" => rules().filter(|rule| fits(value, rule)).count() == 1,
        "not" => !fits(value, rule),
        "dependentRequired" => {
            let needs = rule.as_object().unwrap();
            needs
                .iter()
                .all(|(name, needed)| value.get(name).is_none() || needed.as_array().unwrap().iter().all(has))
        }
        other => panic!("the checker does not know {other}"),
    }
}

fn properties(value: &Value, schema: &Value, at: &str, out: &mut Vec<String>) {
    assert_eq!(schema["additionalProperties"], Value::Bool(false), "{at} is open");
    let known: &Map<String, Value> = schema["properties"].as_object().unwrap();
    for (name, field) in value.as_object().into_iter().flatten() {
        match known.get(name) {
            Some(rule) => errors(field, rule, &format!("{at}.{name}"), out),
            None => out.push(format!("{at}: unknown key {name}")),
        }
    }
}

fn fits(value: &Value, schema: &Value) -> bool {
    let mut out = Vec::new();
    errors(value, schema, "", &mut out);
    out.is_empty()
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the checker does not know the type {other}"),
    }
}

#[test]
fn what_the_parser_accepts_fits_the_schema() {
    let (schema, test_schema) = (tenantry_workflow::schema(), tenantry_workflow::test_schema());
    let mut count = 0;
    for name in ["tests/valid", "../config/workflows"] {
        for (name, value) in files(name) {
            let schema = if name.contains(".test.") { &test_schema } else { &schema };
            let mut out = Vec::new();
            errors(&value, schema, "", &mut out);
            assert!(out.is_empty(), "{name}: {out:?}");
            count += 1;
        }
    }
    assert!(count >= 12, "only {count} files");
}

/// Findings about keys and types; the rest (names, references, expressions) no schema can say.
const STRUCTURAL: &[&str] = &[
    "unknown-key",
    "not-supported",
    "missing-key",
    "wrong-type",
    "misplaced-key",
    "conflicting-keys",
    "unknown-word",
    "empty-list",
];
/// Structural findings that depend on a value or on text around, not on keys.
const BEYOND: &[&str] = &[
    "foreach-a-group",
    "foreach-a-mapping",
    "foreach-a-word",
    "foreach-an-approval",
    "parallel-retry",
    "switch-without-cases",
    "wait-retry",
    "wait-step-timeout",
    "bad-status",
    "bearer-twice",
    "body-with-get",
    "choice-without-options",
    "input-default-type",
    "max-delay-shorter",
    "planned-vars",
    "input-integer-default",
    "respond-timeout-with-ack",
    "retry-at-most-once",
    "schedule-catchup-window",
    "secret-missing",
    "unknown-failure",
    "verify-no-header",
    "verify-tolerance-without-time",
    "verify-unfit-key",
    "verify-unfit-tolerance",
];

#[test]
fn what_the_parser_refuses_by_its_keys_does_not_fit_the_schema() {
    let schema = tenantry_workflow::schema();
    let mut count = 0;
    for (name, value) in files("tests/invalid") {
        let text = fs::read_to_string(folder("tests/invalid").join(&name)).unwrap();
        let code = text.strip_prefix("# expect: ").unwrap().split(' ').next().unwrap();
        let stem = name.strip_suffix(".yaml").unwrap();
        if STRUCTURAL.contains(&code) && !BEYOND.contains(&stem) {
            assert!(!fits(&value, &schema), "{name} fits the schema");
            count += 1;
        }
    }
    assert!(count >= 25, "only {count} files");
}
