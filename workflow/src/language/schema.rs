//! The table as JSON Schema 2020-12, for editors.

use serde_json::{Map, Value, json};

use super::rehearsal::{EXPECTED_STEP, TEST_FILE};
use super::{Object, STEP, Shape, WORKFLOW};

/// The JSON Schema of the language.
pub(crate) fn schema() -> Value {
    let mut root = object(&WORKFLOW);
    if let Some(fields) = root.as_object_mut() {
        fields.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        fields.insert("title".to_owned(), json!("Tenantry workflow"));
        fields.insert("$defs".to_owned(), json!({ "step": object(&STEP) }));
    }
    root
}

/// The JSON Schema of test files.
pub(crate) fn test_schema() -> Value {
    let mut root = object(&TEST_FILE);
    if let Some(fields) = root.as_object_mut() {
        fields.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        fields.insert("title".to_owned(), json!("Test of a Tenantry workflow"));
    }
    root
}

/// The JSON Schema of what can be expected of a step.
pub(crate) fn expected_step_schema() -> Value {
    object(&EXPECTED_STEP)
}

fn object(table: &Object) -> Value {
    let properties: Map<_, _> = table
        .keys
        .iter()
        .map(|key| {
            let mut value = shape(&key.shape);
            if let Some(fields) = value.as_object_mut() {
                fields.insert("description".to_owned(), json!(key.doc));
            }
            (key.name.to_owned(), value)
        })
        .collect();
    let required: Vec<_> = table.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let Some(fields) = schema.as_object_mut() else {
        return schema;
    };
    if !required.is_empty() {
        fields.insert("required".to_owned(), json!(required));
    }
    if !table.exactly_one.is_empty() {
        let alternatives: Vec<_> =
            table.exactly_one.iter().map(|name| json!({ "required": [name] })).collect();
        fields.insert("oneOf".to_owned(), json!(alternatives));
    }
    if !table.at_least_one.is_empty() {
        let alternatives: Vec<_> =
            table.at_least_one.iter().map(|name| json!({ "required": [name] })).collect();
        fields.insert("anyOf".to_owned(), json!(alternatives));
    }
    if !table.at_most_one.is_empty() {
        let mut pairs = Vec::new();
        for group in table.at_most_one {
            for (index, first) in group.iter().enumerate() {
                for second in group.iter().skip(index + 1) {
                    pairs.push(json!({ "required": [first, second] }));
                }
            }
        }
        fields.insert("not".to_owned(), json!({ "anyOf": pairs }));
    }
    if !table.only_with.is_empty() {
        let dependent: Map<_, _> =
            table.only_with.iter().map(|(name, with)| ((*name).to_owned(), json!([with]))).collect();
        fields.insert("dependentRequired".to_owned(), Value::Object(dependent));
    }
    schema
}

fn shape(what: &Shape) -> Value {
    match what {
        Shape::Text => json!({ "type": "string" }),
        Shape::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
        Shape::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Duration => json!({ "type": "string", "pattern": "^([0-9]+(w|d|h|ms|m|s))+$" }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Json => json!({}),
        Shape::List(item, most) => list(item, *most),
        Shape::OneOrMany(item, most) => json!({ "anyOf": [shape(item), list(item, *most)] }),
        Shape::NoneOrMany(item, most) => {
            json!({ "anyOf": [shape(item), { "type": "array", "items": shape(item), "maxItems": most }] })
        }
        Shape::Map(value) => json!({ "type": "object", "additionalProperties": shape(value) }),
        // Steps stand inside of steps.
        Shape::Object(table) if std::ptr::eq(*table, &raw const STEP) => json!({ "$ref": "#/$defs/step" }),
        Shape::Object(table) => object(table),
        Shape::Either(inner, table) => json!({ "anyOf": [shape(inner), object(table)] }),
        Shape::Optional(inner) => json!({ "anyOf": [{ "type": "null" }, shape(inner)] }),
    }
}

fn list(item: &Shape, most: usize) -> Value {
    json!({ "type": "array", "items": shape(item), "minItems": 1, "maxItems": most })
}
