//! The table itself.

use super::waiting::{APPROVE, SUBWORKFLOW, WAIT};
use super::webhook::WEBHOOK;
use super::{Key, Object, Shape, pace};
use crate::limits::{
    MAX_ATTEMPTS, MAX_ENTRIES, MAX_FILE_TRIGGERS, MAX_PARALLEL_ITEMS, MAX_SCHEDULES, MAX_STEPS, MAX_WEBHOOKS,
};

pub(super) const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, required: false, doc }
}

pub(super) const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, required: true, doc }
}

/// An object without further rules.
pub(super) const PLAIN: Object = Object {
    noun: "",
    keys: &[],
    exactly_one: &[],
    at_least_one: &[],
    at_most_one: &[],
    only_with: &[],
    planned: &[],
    habits: &[],
};

pub(super) const NAME: Shape = Shape::Pattern("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$");
const STEP_ID: Shape = Shape::Pattern("^[A-Za-z_][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*$");

/// A whole workflow.
pub(crate) static WORKFLOW: Object = Object {
    noun: "a workflow",
    keys: &[
        key("$schema", Shape::Text, "The JSON Schema that editors check the file with; ignored."),
        required(
            "name",
            NAME,
            "The workflow's name, unique in the tenant: lower-case letters, digits, dashes.",
        ),
        key("description", Shape::Text, "What the workflow is for."),
        required("on", Shape::Object(&TRIGGERS), "What starts a run; at least one trigger."),
        key("if", Shape::Scalar, "A condition on the event; a run starts only if it is true."),
        key("timeout", Shape::Duration, "How long a run may take as a whole."),
        key("defaults", Shape::Object(&DEFAULTS), "What holds for every step that says nothing else."),
        key("env", Shape::Map(&Shape::Scalar), "Environment variables of every `run` step."),
        required("steps", Shape::List(&Shape::Object(&STEP), MAX_STEPS), "What a run does, in order."),
        key(
            "finally",
            Shape::OneOrMany(&Shape::Object(&STEP), MAX_STEPS),
            "Steps that run after all others, whatever became of them, also after a cancel.",
        ),
        key(
            "outputs",
            Shape::Map(&Shape::Json),
            "What a run that succeeded leaves behind, by name; what a step `workflow` gets.",
        ),
        key(
            "notify",
            Shape::OneOrMany(&Shape::Object(&NOTIFY), MAX_ENTRIES),
            "Which outcomes are told to which channel.",
        ),
        key("concurrency", Shape::Object(&pace::CONCURRENCY), "How many runs of a group go on at once."),
        key(
            "throttle",
            Shape::Object(&pace::THROTTLE),
            "How many runs begin in a time; the others begin later.",
        ),
        key(
            "debounce",
            Shape::Object(&pace::DEBOUNCE),
            "Waits until events have stopped; the last one starts a run.",
        ),
        key("batch", Shape::Object(&pace::BATCH), "Collects events; one run takes them all."),
        key(
            "retention",
            Shape::Object(&pace::RETENTION),
            "How long ended runs and their log lines are kept.",
        ),
    ],
    at_most_one: &[&["debounce", "batch"]],
    planned: &["permissions", "priority"],
    habits: &[
        ("jobs", "steps"),
        ("tasks", "steps"),
        ("triggers", "on"),
        ("timeout-minutes", "timeout"),
        ("timeout_sec", "timeout"),
        ("on-failure", "notify"),
        ("handler_on", "notify"),
        ("id", "name"),
        ("rate-limit", "throttle"),
        ("keep", "retention"),
    ],
    ..PLAIN
};

static TRIGGERS: Object = Object {
    noun: "`on`",
    keys: &[
        key(
            "webhook",
            Shape::OneOrMany(&Shape::Object(&WEBHOOK), MAX_WEBHOOKS),
            "Signed HTTP requests on the ingress listener.",
        ),
        key("manual", Shape::Optional(&Shape::Object(&MANUAL)), "A person or program starts it by hand."),
        key(
            "event",
            Shape::OneOrMany(&Shape::Either(&EVENT_NAME, &EVENT), MAX_ENTRIES),
            "Names of emitted events; a `*` at the end stands for any rest.",
        ),
        key(
            "schedule",
            Shape::OneOrMany(&Shape::Object(&super::clockwork::SCHEDULE), MAX_SCHEDULES),
            "Times at which it starts by itself.",
        ),
        key(
            "file",
            Shape::OneOrMany(&Shape::Object(&super::clockwork::FILE), MAX_FILE_TRIGGERS),
            "Files that are put into the tenant's inbox folder.",
        ),
        key(
            "workflow",
            Shape::OneOrMany(&Shape::Object(&WORKFLOW_END), MAX_ENTRIES),
            "Ends of other workflows' runs.",
        ),
    ],
    at_least_one: &["webhook", "manual", "event", "schedule", "file", "workflow"],
    planned: &["mail", "queue"],
    habits: &[
        ("cron", "schedule"),
        ("workflow_dispatch", "manual"),
        ("repository_dispatch", "webhook"),
        ("events", "event"),
        ("schedules", "schedule"),
        ("at", "schedule"),
        ("files", "file"),
        ("watch", "file"),
        ("path", "file"),
        ("workflow_run", "workflow"),
        ("http", "webhook"),
    ],
    ..PLAIN
};

const EVENT_NAME: Shape = Shape::Pattern(r"^([a-z0-9][a-z0-9.-]*)?\*?$");

static EVENT: Object = Object {
    noun: "an event trigger",
    keys: &[
        required("name", EVENT_NAME, "The event's name; a `*` at the end stands for any rest."),
        key("if", Shape::Scalar, "A condition on the event; others do not start the workflow."),
    ],
    habits: &[("filter", "if"), ("when", "if"), ("event", "name"), ("type", "name")],
    ..PLAIN
};

static WORKFLOW_END: Object = Object {
    noun: "a workflow trigger",
    keys: &[
        required(
            "names",
            Shape::OneOrMany(&Shape::Pattern(r"^([a-z0-9][a-z0-9-]*)?\*?$"), MAX_ENTRIES),
            "Names of workflows; a `*` at the end stands for any rest.",
        ),
        key(
            "on",
            Shape::OneOrMany(&Shape::Word(&["success", "failure", "cancelled", "always"]), 4),
            "Which ends of their runs; success if left out.",
        ),
        key("if", Shape::Scalar, "A condition on the event; other ends do not start the workflow."),
    ],
    habits: &[
        ("name", "names"),
        ("workflow", "names"),
        ("workflows", "names"),
        ("types", "on"),
        ("state", "on"),
        ("filter", "if"),
    ],
    ..PLAIN
};

static MANUAL: Object = Object {
    noun: "`manual`",
    keys: &[key("inputs", Shape::Map(&Shape::Object(&INPUT)), "What may be given to the run, by name.")],
    ..PLAIN
};

static INPUT: Object = Object {
    noun: "an input",
    keys: &[
        key(
            "type",
            Shape::Word(&["string", "number", "integer", "boolean", "json", "choice"]),
            "What is accepted; string if left out.",
        ),
        key("description", Shape::Text, "What the input is for."),
        key("required", Shape::Boolean, "Whether a run without it is refused; false if left out."),
        key("default", Shape::Json, "What it is if nothing is given; null if left out."),
        key("options", Shape::List(&Shape::Scalar, MAX_ENTRIES), "The words of a `choice`."),
    ],
    habits: &[("choices", "options"), ("enum", "options"), ("values", "options")],
    ..PLAIN
};

static DEFAULTS: Object = Object {
    noun: "`defaults`",
    keys: &[
        key("retry", Shape::Object(&RETRY), "The retry policy of every step that has none."),
        key(
            "timeout",
            Shape::Duration,
            "The time limit of every step that has none; its action's own if left out.",
        ),
        key("env", Shape::Map(&Shape::Scalar), "Environment variables of every `run` step."),
    ],
    ..PLAIN
};

static RETRY: Object = Object {
    noun: "`retry`",
    keys: &[
        key(
            "attempts",
            Shape::Whole(1, MAX_ATTEMPTS as u64),
            "All attempts, the first included; 3 if left out.",
        ),
        key(
            "backoff",
            Shape::Word(&["constant", "exponential"]),
            "How the delay grows; exponential if left out.",
        ),
        key("delay", Shape::Duration, "The delay before the second attempt; 2s if left out."),
        key("max-delay", Shape::Duration, "The longest delay; 2m if left out."),
        key("jitter", Shape::Boolean, "Whether delays are spread at random; true if left out."),
        key(
            "on",
            Shape::OneOrMany(
                &Shape::Pattern("^(timeout|connect|any|exit(:[0-9]{1,3})?|http:[0-9]([0-9]{2}|xx))$"),
                MAX_ENTRIES,
            ),
            "Which failures are tried again; timeout, connect, http:429, http:5xx and exit:75 if left out.",
        ),
    ],
    habits: &[
        ("max", "attempts"),
        ("limit", "attempts"),
        ("max-attempts", "attempts"),
        ("interval", "delay"),
        ("interval_sec", "delay"),
        ("max_interval_sec", "max-delay"),
    ],
    ..PLAIN
};

/// Steps stand inside of steps, so this table is reached from itself.
pub(crate) static STEP: Object = Object {
    noun: "a step",
    keys: &[
        key("id", STEP_ID, "The step's name in expressions, unique in the workflow."),
        key("name", Shape::Text, "The step's name for people."),
        key("needs", Shape::NoneOrMany(&STEP_ID, MAX_STEPS), "The steps that must have ended before."),
        key("if", Shape::Scalar, "A condition; the step is skipped if it is false."),
        key("http", Shape::Object(&HTTP), "Sends an HTTP request."),
        key("run", Shape::Text, "Executes a shell script in the runner."),
        key("jq", Shape::Text, "Transforms JSON with a jq filter."),
        key("emit", Shape::Object(&EMIT), "Emits an event."),
        key("wait", Shape::Object(&WAIT), "Waits for a time, for a moment or for an event."),
        key("approve", Shape::Object(&APPROVE), "Asks a person and waits for the answer."),
        key("workflow", Shape::Object(&SUBWORKFLOW), "Runs another workflow of the tenant."),
        key(
            "parallel",
            Shape::List(&Shape::Object(&STEP), MAX_STEPS),
            "A group of steps that run at the same time; it ends when they all have.",
        ),
        key("switch", Shape::Scalar, "A value that chooses one of the `cases`."),
        key(
            "cases",
            Shape::Map(&Shape::OneOrMany(&Shape::Object(&STEP), MAX_STEPS)),
            "By value of `switch`, the steps that run then, in order.",
        ),
        key(
            "default",
            Shape::OneOrMany(&Shape::Object(&STEP), MAX_STEPS),
            "The steps that run if no case fits; none if left out.",
        ),
        key("foreach", Shape::Json, "A list; the action is done once for every item, which is `item`."),
        key(
            "max-parallel",
            Shape::Whole(1, MAX_PARALLEL_ITEMS as u64),
            "How many items of `foreach` are worked on at the same time; 10 if left out.",
        ),
        key(
            "fail-fast",
            Shape::Boolean,
            "Whether no item of `foreach` begins after one has failed; true if left out.",
        ),
        key("shell", Shape::Word(&["sh", "bash"]), "What reads the script of `run`; sh if left out."),
        key("stdin", Shape::Scalar, "What the script of `run` can read on standard input."),
        key("env", Shape::Map(&Shape::Scalar), "Environment variables of `run`."),
        key("input", Shape::Json, "What the filter of `jq` is applied to; the whole context if left out."),
        key("retry", Shape::Object(&RETRY), "When the step is tried again; never if left out."),
        key(
            "timeout",
            Shape::Duration,
            "How long one attempt may take; 30s for `http`, 10m for `run`, 10s for `jq` and `emit` if left out.",
        ),
        key(
            "on-error",
            Shape::Word(&["fail", "continue"]),
            "What a failure means for the run; fail if left out.",
        ),
        key(
            "at-most-once",
            Shape::Boolean,
            "Whether a crash interrupts the step instead of repeating it; false if left out.",
        ),
    ],
    exactly_one: &["http", "run", "jq", "emit", "wait", "approve", "workflow", "parallel", "switch"],
    only_with: &[
        ("shell", "run"),
        ("stdin", "run"),
        ("env", "run"),
        ("input", "jq"),
        ("cases", "switch"),
        ("default", "switch"),
        ("max-parallel", "foreach"),
        ("fail-fast", "foreach"),
    ],
    planned: &["function", "query", "mail", "outputs", "cache"],
    habits: &[
        ("depends", "needs"),
        ("depends_on", "needs"),
        ("command", "run"),
        ("script", "run"),
        ("uses", "http"),
        ("retry_policy", "retry"),
        ("retries", "retry"),
        ("continue-on-error", "on-error"),
        ("continue_on", "on-error"),
        ("timeout-minutes", "timeout"),
        ("timeout_sec", "timeout"),
        ("when", "if"),
        ("preconditions", "if"),
        ("environment", "env"),
        ("with", "workflow"),
        ("call", "workflow"),
        ("sleep", "wait"),
        ("delay", "wait"),
        ("for-each", "foreach"),
        ("with_items", "foreach"),
        ("matrix", "foreach"),
        ("concurrency", "max-parallel"),
        ("approval", "approve"),
    ],
    ..PLAIN
};

static HTTP: Object = Object {
    noun: "`http`",
    keys: &[
        key(
            "method",
            Shape::Word(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
            "The method; GET, or POST if there is a body, if left out.",
        ),
        required(
            "url",
            Shape::Text,
            "An absolute http or https URL; values in its path are percent-encoded.",
        ),
        key("headers", Shape::Map(&Shape::Scalar), "Headers by name."),
        key("query", Shape::Map(&Shape::Scalar), "Query parameters by name, percent-encoded."),
        key("bearer", Shape::Text, "A token for `Authorization: Bearer`."),
        key("basic", Shape::Object(&BASIC), "A user's name and password for `Authorization: Basic`."),
        key("json", Shape::Json, "A JSON body; a string that is one `${{ }}` keeps its type."),
        key("form", Shape::Map(&Shape::Scalar), "A form body."),
        key("body", Shape::Text, "A body as it is."),
        key(
            "expect",
            Shape::OneOrMany(&Shape::Scalar, MAX_ENTRIES),
            "The statuses that count as success, such as 200 or 2xx; 2xx if left out.",
        ),
    ],
    at_most_one: &[&["json", "form", "body"], &["bearer", "basic"]],
    planned: &["redirects", "tls", "proxy", "multipart"],
    habits: &[
        ("uri", "url"),
        ("params", "query"),
        ("data", "json"),
        ("payload", "json"),
        ("token", "bearer"),
        ("auth", "basic"),
        ("authorization", "bearer"),
        ("status", "expect"),
    ],
    ..PLAIN
};

static BASIC: Object = Object {
    noun: "`basic`",
    keys: &[
        required("username", Shape::Scalar, "The user's name."),
        required("password", Shape::Scalar, "The password; may be empty."),
    ],
    habits: &[("user", "username"), ("name", "username"), ("pass", "password"), ("secret", "password")],
    ..PLAIN
};

static EMIT: Object = Object {
    noun: "`emit`",
    keys: &[
        required(
            "name",
            Shape::Pattern(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"),
            "The event's name, such as `invoice.paid`.",
        ),
        key("data", Shape::Json, "The event's body; null if left out."),
    ],
    habits: &[("event", "name"), ("body", "data"), ("payload", "data")],
    ..PLAIN
};

static NOTIFY: Object = Object {
    noun: "a notification",
    keys: &[
        required(
            "on",
            Shape::OneOrMany(&Shape::Word(&["success", "failure", "recovery", "always"]), 4),
            "The outcomes that are told.",
        ),
        required("channel", NAME, "The channel's name in the tenant."),
        key("title", Shape::Text, "A short line."),
        required("message", Shape::Text, "The text."),
    ],
    planned: &["digest", "quiet-hours", "throttle"],
    habits: &[("to", "channel"), ("text", "message"), ("body", "message"), ("when", "on")],
    ..PLAIN
};
