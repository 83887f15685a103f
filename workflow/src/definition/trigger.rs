//! What starts a workflow.

use crate::definition::{FileTrigger, ManualTrigger};
use crate::expression::Template;
use crate::schedule::Schedule;

/// The triggers of a workflow; at least one.
#[derive(Debug, Default)]
pub struct Triggers {
    /// HTTP requests on the ingress listener.
    pub webhooks: Vec<WebhookTrigger>,
    /// A person or program with the permission starts it.
    pub manual: Option<ManualTrigger>,
    /// Events that steps or principals emit.
    pub events: Vec<EventTrigger>,
    /// Times at which it starts by itself.
    pub schedules: Vec<Schedule>,
    /// Files in the tenant's inbox folder.
    pub files: Vec<FileTrigger>,
}

/// A webhook below `/hooks/<tenant>/`.
#[derive(Debug)]
pub struct WebhookTrigger {
    /// See [`crate::names::is_webhook_path`]. Unique in the workflow; the daemon keeps it unique in the
    /// tenant.
    pub path: String,
    /// How the sender proves itself.
    pub verify: Verify,
    /// How a repeated request is recognised.
    pub dedupe: Option<Dedupe>,
}

/// Requests with the same key within the time start one run.
#[derive(Debug)]
pub struct Dedupe {
    /// Evaluated on `event` alone.
    pub key: Template,
    /// How long a key is remembered, in milliseconds.
    pub ttl_ms: u64,
}

/// How a webhook's sender proves itself. Raw bytes are verified before anything is parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// Whose rules.
    pub scheme: Scheme,
    /// Names of secrets; a request that fits one of them is accepted, so a secret can be rotated.
    pub secrets: Vec<String>,
    /// The header with the signature or token, lower case; the scheme's own where it has one.
    pub header: Option<String>,
    /// The hash of `hmac`.
    pub algorithm: Algorithm,
    /// How the signature of `hmac` is written.
    pub encoding: Encoding,
    /// What stands before the signature or token in the header, such as `sha256=` or `Bearer `.
    pub prefix: Option<String>,
    /// How far the timestamp of `standard-webhooks` may be off, in milliseconds.
    pub tolerance_ms: u64,
}

/// Whose rules a signature follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `X-Hub-Signature-256`, HMAC-SHA256 of the body in hex.
    Github,
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    StandardWebhooks,
    /// An HMAC of the body in a header of one's choice.
    Hmac,
    /// A fixed token in a header, compared in constant time.
    Token,
    /// Nothing is verified. Accepted with a warning.
    None,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: &'static [Self] =
        &[Self::Github, Self::StandardWebhooks, Self::Hmac, Self::Token, Self::None];

    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::StandardWebhooks => "standard-webhooks",
            Self::Hmac => "hmac",
            Self::Token => "token",
            Self::None => "none",
        }
    }
}

/// The hash of an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `sha256`
    #[default]
    Sha256,
    /// `sha512`
    Sha512,
    /// `sha1`: only for senders that know nothing better.
    Sha1,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `hex`
    #[default]
    Hex,
    /// `base64`
    Base64,
}

/// Emitted events that start the workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTrigger {
    /// A name such as `invoice.paid`, or a beginning and `*`.
    pub pattern: String,
}

impl EventTrigger {
    /// Whether an event of that name is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == self.pattern,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let trigger = |pattern: &str| EventTrigger { pattern: pattern.to_owned() };
        assert!(trigger("invoice.*").matches("invoice.paid"));
        assert!(!trigger("invoice.*").matches("invoice"));
        assert!(trigger("*").matches("a"));
        assert!(trigger("a.b").matches("a.b"));
        assert!(!trigger("a.b").matches("a.b.c"));
    }
}
