//! The part of the table about triggers that nobody sends: times and files.

use super::keys::{PLAIN, key, required};
use super::{Object, Shape};

pub(super) static SCHEDULE: Object = Object {
    noun: "a schedule",
    keys: &[
        key(
            "cron",
            Shape::Text,
            "When, again and again: minute, hour, day of month, month, day of week; seconds may stand in front.",
        ),
        key("at", Shape::Text, "When, once: `2026-12-24T18:00:00` in `timezone`, or with an offset."),
        key("timezone", Shape::Text, "Where the times are, such as Europe/Berlin; UTC if left out."),
        key(
            "catchup",
            Shape::Word(&["none", "latest", "all"]),
            "Which of the runs that a stop kept from starting are started afterwards; latest if left out.",
        ),
        key(
            "catchup-window",
            Shape::Duration,
            "How late a run may still be started afterwards; 24h if left out.",
        ),
        key(
            "overlap",
            Shape::Word(&["skip", "queue", "allow", "cancel-running"]),
            "What happens while the run before has not ended; skip if left out.",
        ),
        key("jitter", Shape::Duration, "Over how much time after each fire runs are spread."),
    ],
    exactly_one: &["cron", "at"],
    habits: &[
        ("tz", "timezone"),
        ("zone", "timezone"),
        ("location", "timezone"),
        ("expression", "cron"),
        ("every", "cron"),
        ("interval", "cron"),
        ("time", "at"),
        ("date", "at"),
        ("concurrency", "overlap"),
        ("catch-up", "catchup"),
        ("delay", "jitter"),
    ],
    ..PLAIN
};

pub(super) static FILE: Object = Object {
    noun: "a file trigger",
    keys: &[
        required(
            "path",
            Shape::Pattern("^inbox/[^/]+$"),
            "Which files: `inbox/` and a name in which `*` and `?` stand for what they do in a shell.",
        ),
        key(
            "stable-for",
            Shape::Duration,
            "How long size and time of a file must not have changed before it is taken; 2s if left out.",
        ),
    ],
    habits: &[("pattern", "path"), ("glob", "path"), ("file", "path"), ("debounce", "stable-for")],
    ..PLAIN
};
