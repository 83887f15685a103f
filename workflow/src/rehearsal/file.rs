//! A test file into tests, or into everything that is wrong with it.

use serde_json::{Map, Value};
use tenantry_protocol::error::Finding;
use tenantry_protocol::state::RunState;

use super::event::{Start, instant};
use super::mock::Mock;
use crate::duration;
use crate::findings::Findings;
use crate::format::Format;
use crate::language::Shape;
use crate::language::rehearsal::{EXPECTED_STEP, TEST_FILE};
use crate::language::structure;
use crate::limits::MAX_TEXT_BYTES;
use crate::source::{self, Kind, Node, Source};

/// When a test starts that says nothing: 2026-01-01T00:00:00Z.
const USUAL_NOW: i64 = 1_767_225_600_000;

/// The tests of one workflow.
#[derive(Debug)]
pub struct TestFile {
    /// The workflow's file, relative to this one, if it is said.
    pub workflow: Option<String>,
    pub(super) tenant: String,
    pub(super) secrets: Map<String, Value>,
    pub(super) vars: Map<String, Value>,
    pub(super) tests: Vec<Test>,
}

/// One test.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) name: String,
    /// Where it begins in the file, from 1.
    pub(super) line: u32,
    pub(super) start: Start,
    pub(super) now: i64,
    pub(super) previous: Option<RunState>,
    pub(super) secrets: Map<String, Value>,
    pub(super) vars: Map<String, Value>,
    /// By step, attempt by attempt; the last one stands for all that follow.
    pub(super) mocks: Vec<(String, Vec<Mock>)>,
    pub(super) expect: Expect,
}

/// What must come of a test.
#[derive(Debug, Default)]
pub(super) struct Expect {
    pub(super) starts: bool,
    pub(super) run: Option<String>,
    pub(super) error: Option<Value>,
    pub(super) took_ms: Option<u64>,
    pub(super) dedupe: Option<Value>,
    pub(super) steps: Vec<(String, Map<String, Value>)>,
    pub(super) emits: Option<Vec<Value>>,
    pub(super) notifications: Option<Vec<Value>>,
}

/// Reads a test file. `file` is only a name for the findings, its extension says the notation.
pub fn read(file: &str, text: &str) -> Result<TestFile, Vec<Finding>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Source::new(file, text);
    let mut findings = Findings::new(&source);
    if text.len() > MAX_TEXT_BYTES {
        findings.error("too-large", 0..0, format!("the text is larger than {MAX_TEXT_BYTES} bytes"), None);
        return Err(findings.finish());
    }
    let root = source::parse(text, Format::of_path(file), &mut findings);
    let built = match &root {
        Some(root) => {
            structure::check(root, &Shape::Object(&TEST_FILE), "the test file", &mut findings);
            Some(build(root, &mut findings))
        }
        None if findings.has_errors() => None,
        None => {
            findings.error("empty", 0..0, "there is no test in the text", None);
            None
        }
    };
    match built {
        Some(built) if !findings.has_errors() => Ok(built),
        _ => Err(findings.finish()),
    }
}

fn build(root: &Node, findings: &mut Findings<'_>) -> TestFile {
    let tests = root.get("tests").map(Node::items).unwrap_or_default();
    TestFile {
        workflow: text(root, "workflow"),
        tenant: text(root, "tenant").unwrap_or_else(|| "acme".to_owned()),
        secrets: object(root.get("secrets")),
        vars: object(root.get("vars")),
        tests: tests.iter().map(|node| test(node, findings)).collect(),
    }
}

fn test(node: &Node, findings: &mut Findings<'_>) -> Test {
    let now = node.get("now").and_then(|now| moment(now, findings)).unwrap_or(USUAL_NOW);
    if let Some(at) = node.get("on").and_then(|on| on.get("schedule")) {
        moment(at, findings);
    }
    let mocks = node.get("mock").map(Node::fields).unwrap_or_default();
    Test {
        name: text(node, "name").unwrap_or_default(),
        line: findings.source().place(node.span.start).0,
        start: Start::of(node.get("on")),
        now,
        previous: text(node, "previous").and_then(|word| word.parse().ok()),
        secrets: object(node.get("secrets")),
        vars: object(node.get("vars")),
        mocks: mocks
            .iter()
            .map(|(key, value)| (key.text.to_string(), value.one_or_many().iter().map(Mock::of).collect()))
            .collect(),
        expect: node.get("expect").map(|node| expect(node, findings)).unwrap_or_default(),
    }
}

fn expect(node: &Node, findings: &mut Findings<'_>) -> Expect {
    let steps = node.get("steps").map(Node::fields).unwrap_or_default();
    Expect {
        starts: node.get("starts").is_none_or(|starts| starts.to_json() == Value::Bool(true)),
        run: text(node, "run"),
        error: node.get("error").map(Node::to_json),
        took_ms: text(node, "took").and_then(|text| duration::parse_ms(&text).ok()),
        dedupe: node.get("dedupe").map(Node::to_json),
        steps: steps.iter().map(|(key, value)| (key.text.to_string(), step(value, findings))).collect(),
        emits: node.get("emits").map(|list| list.one_or_many().iter().map(Node::to_json).collect()),
        notifications: node
            .get("notifications")
            .map(|list| list.one_or_many().iter().map(Node::to_json).collect()),
    }
}

/// A state, or a mapping.
fn step(node: &Node, findings: &mut Findings<'_>) -> Map<String, Value> {
    if let Kind::Scalar { .. } = node.kind {
        let state = &EXPECTED_STEP.keys[0];
        structure::check(node, &state.shape, state.name, findings);
        return std::iter::once(("state".to_owned(), node.to_json())).collect();
    }
    structure::check(node, &Shape::Object(&EXPECTED_STEP), "the step", findings);
    object(Some(node))
}

fn moment(node: &Node, findings: &mut Findings<'_>) -> Option<i64> {
    let text = node.text()?;
    let Some(moment) = instant(text) else {
        let help = "write it as 2026-11-24T08:00:00Z or with an offset such as +01:00".to_owned();
        findings.error("bad-time", node.span.clone(), format!("`{text}` is not a moment"), Some(help));
        return None;
    };
    Some(moment)
}

pub(super) fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::text).map(str::to_owned)
}

/// A mapping as JSON; empty where there is none.
pub(super) fn object(node: Option<&Node>) -> Map<String, Value> {
    match node.map(Node::to_json) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}
