//! The table of test files: `*.test.yaml`, read by [`crate::rehearsal`].

use super::{Key, Object, Shape};

/// Tests in one file.
const MAX_TESTS: usize = 200;
/// Attempts of one step that are mocked one by one.
const MAX_MOCKED: usize = 100;
/// Events or notifications that one test expects.
const MAX_EXPECTED: usize = 100;

const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, required: false, doc }
}

const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, required: true, doc }
}

const PLAIN: Object = Object {
    noun: "",
    keys: &[],
    exactly_one: &[],
    at_least_one: &[],
    at_most_one: &[],
    only_with: &[],
    planned: &[],
    habits: &[],
};

/// A whole test file.
pub(crate) static TEST_FILE: Object = Object {
    noun: "a test file",
    keys: &[
        key("$schema", Shape::Text, "The JSON Schema that editors check the file with; ignored."),
        key(
            "workflow",
            Shape::Text,
            "The workflow's file, relative to this one; X.yaml for X.test.yaml if left out.",
        ),
        key("tenant", Shape::Text, "What `tenant.name` is; acme if left out."),
        key(
            "secrets",
            Shape::Map(&Shape::Scalar),
            "Values of secrets; one that is not named is `secret-NAME`.",
        ),
        key("vars", Shape::Map(&Shape::Json), "The tenant's variables; there are no others."),
        required(
            "tests",
            Shape::List(&Shape::Object(&TEST), MAX_TESTS),
            "Each is one event and what comes of it.",
        ),
    ],
    habits: &[("cases", "tests"), ("test", "tests"), ("file", "workflow"), ("variables", "vars")],
    ..PLAIN
};

static TEST: Object = Object {
    noun: "a test",
    keys: &[
        required("name", Shape::Text, "What is tested, in words."),
        required("on", Shape::Object(&STARTS), "The event that starts the workflow."),
        key("now", Shape::Text, "When it starts, RFC 3339; 2026-01-01T00:00:00Z if left out."),
        key(
            "previous",
            Shape::Word(&["succeeded", "failed", "cancelled", "timed-out"]),
            "How the run before ended, for `recovery`.",
        ),
        key("secrets", Shape::Map(&Shape::Scalar), "Values of secrets in this test alone."),
        key("vars", Shape::Map(&Shape::Json), "Variables in this test alone, beside those of the file."),
        key(
            "mock",
            Shape::Map(&Shape::OneOrMany(&Shape::Object(&MOCK), MAX_MOCKED)),
            "By step, what its action answers; a list says it attempt by attempt.",
        ),
        required("expect", Shape::Object(&EXPECT), "What must come of it."),
    ],
    habits: &[("given", "on"), ("when", "on"), ("mocks", "mock"), ("then", "expect"), ("assert", "expect")],
    ..PLAIN
};

static STARTS: Object = Object {
    noun: "`on` of a test",
    keys: &[
        key("webhook", Shape::Optional(&Shape::Object(&WEBHOOK)), "A request that was verified."),
        key("event", Shape::Object(&EMITTED), "An event that a step or a principal emits."),
        key("manual", Shape::Optional(&Shape::Map(&Shape::Json)), "A start by hand, with these inputs."),
        key(
            "schedule",
            Shape::Optional(&Shape::Text),
            "A time at which a schedule fires, RFC 3339; the next one after `now` if left out.",
        ),
        key("file", Shape::Object(&FILE), "A file in the tenant's inbox folder."),
        key("workflow", Shape::Object(&ENDED), "The end of another workflow's run."),
    ],
    exactly_one: &["webhook", "event", "manual", "schedule", "file", "workflow"],
    ..PLAIN
};

static ENDED: Object = Object {
    noun: "the ended run of a test",
    keys: &[
        required("name", Shape::Text, "The workflow whose run ended."),
        key(
            "state",
            Shape::Word(&["succeeded", "failed", "timed-out", "cancelled"]),
            "How it ended; succeeded if left out.",
        ),
        key("error", Shape::Text, "Why it did not succeed."),
    ],
    habits: &[("names", "name"), ("workflow", "name"), ("on", "state")],
    ..PLAIN
};

static WEBHOOK: Object = Object {
    noun: "the webhook of a test",
    keys: &[
        key("path", Shape::Text, "Which one, where the workflow has several."),
        key("body", Shape::Json, "The body as expressions see it."),
        key("headers", Shape::Map(&Shape::Scalar), "Headers by name."),
        key("query", Shape::Map(&Shape::Scalar), "Query parameters by name."),
        key("method", Shape::Text, "The method; POST if left out."),
    ],
    habits: &[("json", "body"), ("data", "body"), ("payload", "body")],
    ..PLAIN
};

static EMITTED: Object = Object {
    noun: "the event of a test",
    keys: &[
        required("name", Shape::Text, "The event's name."),
        key("data", Shape::Json, "The event's body."),
    ],
    habits: &[("body", "data"), ("payload", "data")],
    ..PLAIN
};

static FILE: Object = Object {
    noun: "the file of a test",
    keys: &[
        required("name", Shape::Text, "Its name, without the folder."),
        key("body", Shape::Json, "What is in it, as expressions see it."),
        key("size", Shape::Whole(0, u64::MAX), "How long it is, in bytes; the length of a text if left out."),
    ],
    habits: &[("path", "name"), ("content", "body"), ("text", "body")],
    ..PLAIN
};

static MOCK: Object = Object {
    noun: "a mock",
    keys: &[
        key("status", Shape::Whole(100, 599), "The status of the answer (`http`); 200 if left out."),
        key("headers", Shape::Map(&Shape::Scalar), "Headers of the answer (`http`)."),
        key("body", Shape::Json, "The body of the answer as expressions see it (`http`)."),
        key("stdout", Shape::Text, "What the script writes (`run`)."),
        key("stderr", Shape::Text, "What the script writes as errors (`run`)."),
        key("exit", Shape::Whole(0, 255), "The exit code (`run`); 0 if left out."),
        key("output", Shape::Json, "The step's `output`, whatever its action."),
        key(
            "fail",
            Shape::Word(&["timeout", "connect", "permanent"]),
            "The attempt fails without an answer.",
        ),
        key("error", Shape::Text, "In which words it fails."),
        key("took", Shape::Duration, "How long the attempt takes, on the simulated clock; 0s if left out."),
        key("retry-after", Shape::Duration, "What the server asks for before the next attempt (`http`)."),
    ],
    at_most_one: &[&["status", "output", "fail"], &["exit", "output", "fail"]],
    habits: &[("exit-code", "exit"), ("exit_code", "exit"), ("json", "body"), ("code", "status")],
    ..PLAIN
};

static EXPECT: Object = Object {
    noun: "`expect`",
    keys: &[
        key("starts", Shape::Boolean, "Whether a run starts at all; true if left out."),
        key("run", Shape::Word(&["succeeded", "failed", "cancelled", "timed-out"]), "How the run ends."),
        key("error", Shape::Json, "What `run.error` is."),
        key("took", Shape::Duration, "How long the run takes, on the simulated clock."),
        key("dedupe", Shape::Json, "The key by which a repeated request is recognised."),
        key("steps", Shape::Map(&Shape::Json), "By step, its state, or a mapping of what is expected of it."),
        key(
            "emits",
            Shape::NoneOrMany(&Shape::Json, MAX_EXPECTED),
            "Every event that is emitted, in order; `[]` for none.",
        ),
        key(
            "notifications",
            Shape::NoneOrMany(&Shape::Object(&NOTIFICATION), MAX_EXPECTED),
            "Every notification, in order; `[]` for none.",
        ),
    ],
    habits: &[("state", "run"), ("result", "run"), ("emitted", "emits"), ("notify", "notifications")],
    ..PLAIN
};

static NOTIFICATION: Object = Object {
    noun: "an expected notification",
    keys: &[
        key("channel", Shape::Text, "The channel."),
        key("title", Shape::Json, "The short line."),
        key("message", Shape::Json, "The text."),
    ],
    habits: &[("body", "message"), ("text", "message"), ("to", "channel")],
    ..PLAIN
};

/// What can be expected of a step.
pub(crate) static EXPECTED_STEP: Object = Object {
    noun: "what is expected of a step",
    keys: &[
        key(
            "state",
            Shape::Word(&["pending", "succeeded", "failed", "skipped", "cancelled", "interrupted"]),
            "How it ends.",
        ),
        key("attempts", Shape::Whole(0, 100), "How many attempts it takes."),
        key("output", Shape::Json, "Its output."),
        key("error", Shape::Json, "Why it failed."),
        key("request", Shape::Json, "The last request: method, url, headers and body (`http`)."),
        key("env", Shape::Json, "The environment of the script (`run`)."),
        key("stdin", Shape::Json, "What the script can read (`run`)."),
        key("input", Shape::Json, "What the filter is applied to (`jq`)."),
        key("data", Shape::Json, "The event's body (`emit`)."),
    ],
    habits: &[("status", "state"), ("call", "request"), ("url", "request"), ("body", "request")],
    ..PLAIN
};
