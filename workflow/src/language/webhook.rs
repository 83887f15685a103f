//! The table of `on.webhook`.

use super::keys::{PLAIN, key, required};
use super::{Object, Shape};
use crate::limits::{MAX_EVENT_HEADERS, MAX_VERIFY_SECRETS};

pub(super) static WEBHOOK: Object = Object {
    noun: "a webhook",
    keys: &[
        required(
            "path",
            Shape::Pattern("^[a-z0-9._-]+(/[a-z0-9._-]+)*$"),
            "What stands behind `/hooks/<tenant>/` in the URL.",
        ),
        key(
            "methods",
            Shape::OneOrMany(&Shape::Word(&["GET", "POST", "PUT", "PATCH", "DELETE"]), 5),
            "The methods that are taken; POST if left out.",
        ),
        required("verify", Shape::Object(&VERIFY), "How the sender proves itself."),
        key(
            "headers",
            Shape::NoneOrMany(&Shape::Text, MAX_EVENT_HEADERS),
            "The header fields that `event.headers` keeps; every one without credentials if left out.",
        ),
        key("dedupe", Shape::Object(&DEDUPE), "How a repeated request is recognised."),
        key(
            "respond",
            Shape::Either(&Shape::Word(RESPOND_MODES), &RESPOND),
            "When and how the sender is answered: `ack` at once, `result` when the run has ended; ack if left out.",
        ),
    ],
    planned: &["filter", "rate-limit"],
    habits: &[
        ("url", "path"),
        ("key", "path"),
        ("method", "methods"),
        ("secret", "verify"),
        ("signature", "verify"),
        ("forward_headers", "headers"),
        ("response", "respond"),
        ("wait", "respond"),
    ],
    ..PLAIN
};

static VERIFY: Object = Object {
    noun: "`verify`",
    keys: &[
        required(
            "scheme",
            Shape::Word(&[
                "standard-webhooks",
                "github",
                "stripe",
                "slack",
                "shopify",
                "hmac",
                "token",
                "none",
            ]),
            "Whose rules the signature follows; `none` accepts anybody.",
        ),
        key(
            "secret",
            Shape::OneOrMany(&Shape::Text, MAX_VERIFY_SECRETS),
            "The secret, as `${{ secrets.NAME }}`; of several one must fit, for rotation.",
        ),
        key("secrets", Shape::List(&Shape::Text, MAX_VERIFY_SECRETS), "The same as `secret` with a list."),
        key(
            "header",
            Shape::Text,
            "The header with the signature or token (`hmac`, `token`); for `token` authorization if left out.",
        ),
        key(
            "algorithm",
            Shape::Word(&["sha256", "sha512", "sha1"]),
            "The hash of `hmac`; sha256 if left out.",
        ),
        key(
            "encoding",
            Shape::Word(&["hex", "base64"]),
            "How the signature of `hmac` is written; hex if left out.",
        ),
        key("prefix", Shape::Text, "What stands before the signature or token, such as `sha256=`."),
        key(
            "timestamp-header",
            Shape::Text,
            "The header with the unix time at which `hmac` was made, in seconds or milliseconds.",
        ),
        key(
            "signed-payload",
            Shape::Text,
            "What `hmac` is made over; `{body}`, or with a timestamp `{timestamp}.{body}`, if left out.",
        ),
        key("tolerance", Shape::Duration, "How far a timestamp may be off; 5m if left out, at most 24h."),
    ],
    at_most_one: &[&["secret", "secrets"]],
    habits: &[
        ("type", "scheme"),
        ("key", "secret"),
        ("token", "secret"),
        ("timestamp", "timestamp-header"),
        ("payload", "signed-payload"),
    ],
    ..PLAIN
};

const RESPOND_MODES: &[&str] = &["ack", "result"];

static RESPOND: Object = Object {
    noun: "`respond`",
    keys: &[
        required(
            "mode",
            Shape::Word(RESPOND_MODES),
            "`ack`: when the event is on disk. `result`: when the run has ended.",
        ),
        key(
            "timeout",
            Shape::Duration,
            "How long `result` waits, within the daemon's own limit; as long as that if left out.",
        ),
        key("status", Shape::Scalar, "The status, such as 200 or `${{ … }}`."),
        key("body", Shape::Json, "The body: text, or JSON with expressions."),
        key("content-type", Shape::Text, "What the body is; by its type if left out."),
    ],
    habits: &[("when", "mode"), ("type", "mode"), ("code", "status"), ("json", "body"), ("text", "body")],
    ..PLAIN
};

static DEDUPE: Object = Object {
    noun: "`dedupe`",
    keys: &[
        required("key", Shape::Text, "What makes two requests the same, such as `${{ event.body.id }}`."),
        key("ttl", Shape::Duration, "How long a key is remembered; 24h if left out."),
    ],
    ..PLAIN
};
