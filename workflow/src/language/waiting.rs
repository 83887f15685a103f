//! The part of the table about steps that are put aside: waits, approvals, sub-workflows.

use super::keys::{NAME, PLAIN, key, required};
use super::{Object, Shape};

pub(super) static WAIT: Object = Object {
    noun: "`wait`",
    keys: &[
        key("for", Shape::Text, "How long, such as 10m."),
        key("until", Shape::Scalar, "A moment, such as 2027-03-01T09:00:00Z."),
        key(
            "event",
            Shape::Pattern(r"^([a-z0-9][a-z0-9.-]*)?\*?$"),
            "The name of an emitted event; a `*` at the end stands for any rest.",
        ),
        key(
            "if",
            Shape::Scalar,
            "Which of those events: `event` is the one that came, `run.event` the run's own.",
        ),
        key("timeout", Shape::Duration, "How long for an event at most; then the step fails."),
    ],
    exactly_one: &["for", "until", "event"],
    only_with: &[("if", "event"), ("timeout", "event")],
    habits: &[("duration", "for"), ("seconds", "for"), ("filter", "if"), ("match", "if"), ("name", "event")],
    ..PLAIN
};

pub(super) static APPROVE: Object = Object {
    noun: "`approve`",
    keys: &[
        key(
            "by",
            Shape::Word(&["admin", "host-admin"]),
            "The least role that may decide; admin if left out.",
        ),
        key("message", Shape::Text, "What is asked."),
        key("channel", NAME, "The channel that is told; every inbox of the tenant if left out."),
        key("timeout", Shape::Duration, "How long at most; for ever if left out."),
        key(
            "on-timeout",
            Shape::Word(&["reject", "approve"]),
            "What it becomes when nobody has decided by then; reject if left out.",
        ),
        key(
            "allow-starter",
            Shape::Boolean,
            "Whether who started the run by hand may decide; false if left out.",
        ),
    ],
    only_with: &[("on-timeout", "timeout")],
    habits: &[("to", "channel"), ("role", "by"), ("roles", "by"), ("text", "message"), ("prompt", "message")],
    ..PLAIN
};

pub(super) static SUBWORKFLOW: Object = Object {
    noun: "`workflow`",
    keys: &[
        required("name", NAME, "The workflow's name in the tenant; it has a manual trigger."),
        key("with", Shape::Map(&Shape::Json), "Its inputs."),
        key("wait", Shape::Boolean, "Whether the step waits for its end; true if left out."),
    ],
    habits: &[("id", "name"), ("inputs", "with"), ("params", "with"), ("input", "with")],
    ..PLAIN
};
