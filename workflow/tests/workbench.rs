//! The workbench's guide: its tables are those of the language, its snippets are valid.
#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

const BEGIN: &str =
    "<!-- generated from the schema: UPDATE_SCHEMA=1 cargo test -p tenantry-workflow --test workbench -->\n";
const END: &str = "<!-- end -->";

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/workbench.md")
}

/// The tables of test files, from their schema.
fn tables() -> String {
    let schema = tenantry_workflow::test_schema();
    let test = &schema["properties"]["tests"]["items"]["properties"];
    let mock = &test["mock"]["additionalProperties"]["anyOf"][0];
    let mut out = String::new();
    for (title, table) in [
        ("Of the file", &schema),
        ("Of a test", &schema["properties"]["tests"]["items"]),
        ("Of `on`", &test["on"]),
        ("Of a mock", mock),
        ("Of `expect`", &test["expect"]),
        (
            "Of a step in `expect.steps`; a word alone is its state",
            &tenantry_workflow::expected_step_schema(),
        ),
    ] {
        write!(out, "\n{title}:\n\n| key | what it is |\n|---|---|\n").unwrap();
        for (key, field) in table["properties"].as_object().unwrap() {
            if key != "$schema" {
                writeln!(out, "| `{key}` | {} |", field["description"].as_str().unwrap()).unwrap();
            }
        }
    }
    out.push('\n');
    out
}

#[test]
fn the_tables_are_those_of_the_language() {
    let text = std::fs::read_to_string(guide()).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let wanted = format!("{before}{BEGIN}{}{END}{after}", tables());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(guide(), &wanted).unwrap();
    }
    let text = std::fs::read_to_string(guide()).unwrap();
    assert!(text == wanted, "docs/workbench.md is stale: run the test with UPDATE_SCHEMA=1");
}

#[test]
fn the_schema_of_tests_says_what_every_key_is_for() {
    fn walk(schema: &Value, at: &str, bare: &mut Vec<String>) {
        for (key, field) in schema["properties"].as_object().into_iter().flatten() {
            if field["description"].as_str().is_none_or(str::is_empty) {
                bare.push(format!("{at}.{key}"));
            }
            walk(field, &format!("{at}.{key}"), bare);
            walk(&field["items"], &format!("{at}.{key}"), bare);
        }
    }
    let mut bare = Vec::new();
    walk(&tenantry_workflow::test_schema(), "", &mut bare);
    assert_eq!(bare, Vec::<String>::new());
}
