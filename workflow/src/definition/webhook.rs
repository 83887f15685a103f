//! A webhook: where it comes in, how its sender proves itself, what is kept of it.

use super::Respond;
use crate::expression::Template;

/// A webhook below `/hooks/<tenant>/`.
#[derive(Debug)]
pub struct WebhookTrigger {
    /// See [`crate::names::is_webhook_path`]. Unique in the workflow; the daemon keeps it unique in the
    /// tenant.
    pub path: String,
    /// The methods that are taken; at least one.
    pub methods: Vec<Method>,
    /// The header fields that the event keeps, lower case; every one that carries no credential if absent, see
    /// [`crate::names::is_credential_header`].
    pub headers: Option<Vec<String>>,
    /// How the sender proves itself.
    pub verify: Verify,
    /// How a repeated request is recognised.
    pub dedupe: Option<Dedupe>,
    /// When and how the sender is answered.
    pub respond: Respond,
}

/// A method that a webhook may be sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Method {
    /// Every method.
    pub const ALL: &'static [Self] = &[Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The word of HTTP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
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
    /// The header in which `hmac` finds the time of signing, lower case.
    pub timestamp_header: Option<String>,
    /// What `hmac` is made over, in order; the body exactly once.
    pub signed: Vec<Signed>,
    /// How far a timestamp may be off, in milliseconds.
    pub tolerance_ms: u64,
}

/// A piece of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// Text that is always the same.
    Text(String),
    /// The value of the timestamp's header as it was sent.
    Timestamp,
    /// The raw body.
    Body,
}

impl Signed {
    /// Reads `v0:{timestamp}:{body}`; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a `{` is not closed")?;
            if !before.is_empty() {
                parts.push(Self::Text(before.to_owned()));
            }
            parts.push(match name {
                "timestamp" => Self::Timestamp,
                "body" => Self::Body,
                _ => return Err("it knows `{timestamp}` and `{body}`".to_owned()),
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Self::Text(rest.to_owned()));
        }
        let count = |what: &Self| parts.iter().filter(|part| *part == what).count();
        match (count(&Self::Body), count(&Self::Timestamp)) {
            (1, 0 | 1) => Ok(parts),
            (1, _) => Err("`{timestamp}` may stand in it once".to_owned()),
            _ => Err("`{body}` must stand in it once".to_owned()),
        }
    }
}

/// Whose rules a signature follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    StandardWebhooks,
    /// `X-Hub-Signature-256`, HMAC-SHA256 of the body in hex.
    Github,
    /// `Stripe-Signature`, HMAC-SHA256 of time and body in hex.
    Stripe,
    /// `X-Slack-Signature` and `X-Slack-Request-Timestamp`.
    Slack,
    /// `X-Shopify-Hmac-Sha256`, HMAC-SHA256 of the body in base64.
    Shopify,
    /// An HMAC in a header of one's choice.
    Hmac,
    /// A fixed token in a header, compared in constant time.
    Token,
    /// Nothing is verified. Accepted with a warning.
    None,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: &'static [Self] = &[
        Self::StandardWebhooks,
        Self::Github,
        Self::Stripe,
        Self::Slack,
        Self::Shopify,
        Self::Hmac,
        Self::Token,
        Self::None,
    ];

    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StandardWebhooks => "standard-webhooks",
            Self::Github => "github",
            Self::Stripe => "stripe",
            Self::Slack => "slack",
            Self::Shopify => "shopify",
            Self::Hmac => "hmac",
            Self::Token => "token",
            Self::None => "none",
        }
    }

    /// The header that the scheme itself names for its signature.
    pub const fn header(self) -> Option<&'static str> {
        match self {
            Self::StandardWebhooks => Some("webhook-signature"),
            Self::Github => Some("x-hub-signature-256"),
            Self::Stripe => Some("stripe-signature"),
            Self::Slack => Some("x-slack-signature"),
            Self::Shopify => Some("x-shopify-hmac-sha256"),
            Self::Token => Some("authorization"),
            Self::Hmac | Self::None => None,
        }
    }

    /// The keys of `verify` that it takes besides `scheme`.
    pub(crate) const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Github | Self::Shopify => &["secret", "secrets"],
            Self::StandardWebhooks | Self::Stripe | Self::Slack => &["secret", "secrets", "tolerance"],
            Self::Hmac => &[
                "secret",
                "secrets",
                "header",
                "algorithm",
                "encoding",
                "prefix",
                "timestamp-header",
                "signed-payload",
                "tolerance",
            ],
            Self::Token => &["secret", "secrets", "header", "prefix"],
            Self::None => &[],
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_names_the_body_once() {
        let text = |text: &str| Signed::Text(text.to_owned());
        assert_eq!(Signed::parse("{body}"), Ok(vec![Signed::Body]));
        let slack = vec![text("v0:"), Signed::Timestamp, text(":"), Signed::Body];
        assert_eq!(Signed::parse("v0:{timestamp}:{body}"), Ok(slack));
        assert_eq!(Signed::parse("{body}!"), Ok(vec![Signed::Body, text("!")]));
        for bad in
            ["", "x", "{body}{body}", "{timestamp}", "{body", "{url}{body}", "{timestamp}{timestamp}{body}"]
        {
            assert!(Signed::parse(bad).is_err(), "{bad}");
        }
    }
}
