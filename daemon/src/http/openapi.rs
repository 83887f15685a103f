//! The OpenAPI 3.1 document, made from the table of operations and the types on the wire.
//!
//! OpenAPI 3.1 schemas are JSON Schema 2020-12, which is what the types derive.
//! Go next to `shapes` for what each operation takes and gives.

mod shapes;

use std::sync::Arc;

use axum::extract::State;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use tenantry_protocol::error::Problem;
use tenantry_protocol::path::{Access, Operation as O};

use self::shapes::{Shape, shape};
use super::Api;
use super::extract::Caller;
use super::reply::{Answer, Reply};

pub(super) async fn serve(State(_): State<Arc<Api>>, Caller(_): Caller) -> Reply<Value> {
    Ok(Answer(document()))
}

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for operation in O::ALL {
        let shape = shape(*operation, &mut generator);
        let described = describe(*operation, &shape, &problem);
        let path = paths.entry(operation.path()).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(methods) = path {
            methods.insert(operation.method().as_str().to_ascii_lowercase(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Tenantry",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The local API of a Tenantry daemon, over its unix socket.",
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [
            { "url": "http://tenantry", "description": "curl --unix-socket SOCKET http://tenantry/v1/…" },
        ],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
    })
}

fn describe(operation: O, shape: &Shape, problem: &Schema) -> Value {
    let mut parameters: Vec<Value> = parameters(operation.path()).collect();
    parameters.extend(shape.query.iter().flat_map(query_parameters));
    let content = shape.content.unwrap_or("application/json");
    let ok = match &shape.answer {
        Some(schema) => json!({ "description": "Done.", "content": { content: { "schema": schema } } }),
        None => json!({ "description": "Done." }),
    };
    let mut described = json!({
        "operationId": operation.name(),
        "summary": operation.summary(),
        "parameters": parameters,
        "responses": {
            "200": ok,
            "default": {
                "description": "A problem (RFC 9457) with a code of a closed list.",
                "content": { "application/problem+json": { "schema": problem } },
            },
        },
    });
    if let Some(body) = &shape.body {
        described["requestBody"] = json!({ "content": { "application/json": { "schema": body } } });
    }
    match operation.access() {
        Access::Public => {}
        Access::Token => described["security"] = json!([{ "token": [] }]),
        Access::Tenant(permission) | Access::Host(permission) => {
            described["security"] = json!([{ "token": [] }]);
            described["x-permission"] = json!(permission);
        }
    }
    described
}

fn parameters(path: &str) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let kind = if name == "revision" { "integer" } else { "string" };
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": kind } })
    })
}

/// The fields of a query's schema, each a parameter. Queries are inlined, so their fields are at hand.
fn query_parameters(schema: &Schema) -> Vec<Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let parameter = |(name, schema): (&String, &Value)| {
        let mut parameter = json!({ "name": name, "in": "query", "schema": schema });
        if let Some(description) = schema.get("description") {
            parameter["description"] = description.clone();
        }
        parameter
    };
    properties.into_iter().flatten().map(parameter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_described_and_every_reference_leads_somewhere() {
        let document = document();
        for operation in O::ALL {
            let described = &document["paths"][operation.path()][operation.method().as_str().to_lowercase()];
            assert_eq!(described["operationId"], operation.name());
            assert_eq!(described["security"].is_null(), operation.access() == Access::Public);
        }
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 50);
        for reference in references {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    fn collect(value: &Value, references: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    references.push(reference.clone());
                }
                fields.values().for_each(|value| collect(value, references));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
            _ => {}
        }
    }
}
