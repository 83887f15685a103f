//! The table, continued: what decides when a run begins and how long it is kept.

use super::keys::{PLAIN, key, required};
use super::{Object, Shape};
use crate::limits::{MAX_BATCH_SIZE, MAX_CONCURRENCY, MAX_THROTTLE};

pub(super) static CONCURRENCY: Object = Object {
    noun: "`concurrency`",
    keys: &[
        key(
            "group",
            Shape::Text,
            "What runs that exclude each other have in common; all runs of the workflow if left out.",
        ),
        key("limit", Shape::Whole(1, MAX_CONCURRENCY as u64), "Runs of one group at once; 1 if left out."),
        key(
            "on-conflict",
            Shape::Word(&["queue", "skip", "cancel-running"]),
            "What happens to a run that finds its group full; queue if left out.",
        ),
    ],
    habits: &[
        ("cancel-in-progress", "on-conflict"),
        ("key", "group"),
        ("max", "limit"),
        ("max-active-runs", "limit"),
    ],
    ..PLAIN
};

pub(super) static THROTTLE: Object = Object {
    noun: "`throttle`",
    keys: &[
        required(
            "limit",
            Shape::Whole(1, MAX_THROTTLE as u64),
            "Runs that begin within `per`, evenly spread.",
        ),
        required("per", Shape::Duration, "The time that `limit` counts for."),
        key(
            "burst",
            Shape::Whole(1, MAX_THROTTLE as u64),
            "Runs that may begin at once after a quiet time; 1 if left out, at most `limit`.",
        ),
        key("key", Shape::Text, "What is counted apart; all runs of the workflow together if left out."),
    ],
    habits: &[("period", "per"), ("count", "limit"), ("rate", "limit")],
    ..PLAIN
};

pub(super) static DEBOUNCE: Object = Object {
    noun: "`debounce`",
    keys: &[
        key("key", Shape::Text, "Which events belong together; all of the workflow if left out."),
        required(
            "for",
            Shape::Duration,
            "How long no further event may come before the last one starts a run.",
        ),
        key("max-wait", Shape::Duration, "After how long a run starts even if events keep coming."),
    ],
    habits: &[("period", "for"), ("delay", "for"), ("wait", "for"), ("timeout", "max-wait")],
    ..PLAIN
};

pub(super) static BATCH: Object = Object {
    noun: "`batch`",
    keys: &[
        required("size", Shape::Whole(1, MAX_BATCH_SIZE as u64), "How many events make a batch full."),
        required("within", Shape::Duration, "After how long a batch that is not full starts its run."),
        key("key", Shape::Text, "Which events belong together; all of the workflow if left out."),
    ],
    habits: &[("max-size", "size"), ("limit", "size"), ("timeout", "within"), ("interval", "within")],
    ..PLAIN
};

pub(super) static RETENTION: Object = Object {
    noun: "`retention`",
    keys: &[
        key("runs", Shape::Duration, "How long an ended run is kept; the host's `keep-runs` if left out."),
        key("logs", Shape::Duration, "How long its log lines are kept; the host's `keep-logs` if left out."),
    ],
    at_least_one: &["runs", "logs"],
    habits: &[("days", "runs"), ("executions", "runs"), ("log-lines", "logs")],
    ..PLAIN
};
