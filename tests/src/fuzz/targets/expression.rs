//! Expressions: what compiles is evaluated on values of every kind, in bounded time and size, without ever showing a
//! secret.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tenantry_workflow::limits::MAX_RENDERED_BYTES;
use tenantry_workflow::{Context, Format, check};

use super::{outline, shape};

const SECRET: &str = "the-value-of-the-secret";

struct World {
    event: Value,
    steps: Value,
    run: Value,
    named: Value,
    secrets: BTreeMap<String, String>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World {
        event: json!({
            "id": "evt_1", "kind": "webhook", "name": null, "method": "POST", "path": "a", "received_at": 1,
            "depth": 0, "workflow": null, "run": null, "state": null, "error": null,
            "headers": { "x-a": "1" }, "query": { "q": "" },
            "body": {
                "a": [1, 2.5, -3, { "b": "ü" }, null, true], "n": 9_007_199_254_740_993_u64, "s": "text",
                "o": { "k": [] }, "deep": [[[[[[1]]]]]],
            },
        }),
        steps: json!({
            "a": {
                "state": "succeeded", "output": { "x": [3, 1, 2] }, "status": 200, "headers": {}, "body": null,
                "exit_code": null, "stdout": null, "stderr": null, "error": null, "attempts": 1, "duration_ms": 5,
            },
        }),
        run: json!({ "id": "run_1", "state": "running", "error": null }),
        named: json!({ "id": "x_1", "name": "acme", "revision": 1 }),
        secrets: BTreeMap::from([("A".to_owned(), SECRET.to_owned())]),
    })
}

pub(super) fn try_input(input: &[u8]) -> Result<u64, String> {
    let expression = String::from_utf8_lossy(input);
    let wrapped = format!("${{{{ {expression} }}}}");
    let text = json!({
        "name": "f",
        "on": { "event": "e", "manual": { "inputs": { "x": { "type": "json" } } } },
        "if": wrapped,
        "steps": [
            { "id": "a", "jq": "." },
            { "id": "b", "jq": ".", "input": { "value": wrapped, "text": format!("<{wrapped}>") } },
            { "id": "c", "http": { "url": "https://a.example", "bearer": wrapped }, "if": wrapped },
        ],
    });
    // What one place refuses another may take, so each is asked alone.
    let mut shapes = Vec::new();
    for keep in ["if", "b", "c", "bearer"] {
        let mut text = text.clone();
        if keep != "if" {
            text["if"] = json!("true");
        }
        if keep != "b" {
            text["steps"][1]["input"] = json!(1);
        }
        if keep != "c" {
            text["steps"][2]["if"] = json!("true");
        }
        if keep != "bearer" {
            text["steps"][2]["http"]["bearer"] = json!("x");
        }
        shapes.push(one(keep, &text)?);
    }
    Ok(shape(shapes))
}

fn one(keep: &str, text: &Value) -> Result<Vec<String>, String> {
    // In lines, as people write: findings show the lines around them, and drawing long ones is slow.
    let checked = check("fuzz.json", &format!("{text:#}"), Format::Json);
    let Some(workflow) = checked.workflow else {
        let mut said: Vec<_> = checked.findings.iter().map(|finding| outline(&finding.message)).collect();
        said.dedup();
        return Ok(said);
    };
    let World { event, steps, run, named, secrets } = world();
    let inputs = json!({ "x": [1] });
    let values = Context {
        event,
        inputs: &inputs,
        steps,
        secrets,
        tenant: named,
        workflow: named,
        run,
        ..Context::default()
    };
    let mut said = Vec::new();
    let mut note = |what: Result<String, String>| -> Result<(), String> {
        let (Ok(text) | Err(text)) = &what;
        if text.len() > 2 * MAX_RENDERED_BYTES {
            return Err(format!("{} bytes came out", text.len()));
        }
        if keep != "bearer" && text.contains(SECRET) {
            return Err(format!("a secret came out of `{keep}`"));
        }
        said.push(match what {
            Ok(text) => {
                format!("{}{}", text.chars().next().unwrap_or(' '), text.len().checked_ilog2().unwrap_or(0))
            }
            Err(text) => outline(&text),
        });
        Ok(())
    };
    if let Some(condition) = &workflow.condition {
        note(condition.truth(&values).map(|truth| truth.to_string()).map_err(|error| error.to_string()))?;
    }
    for step in &workflow.steps {
        if let Some(condition) = &step.condition {
            note(condition.truth(&values).map(|truth| truth.to_string()).map_err(|error| error.to_string()))?;
        }
        let rendered = step.render(&values);
        note(rendered.map(|call| format!("{call:?}")).map_err(|error| error.to_string()))?;
    }
    Ok(said)
}
