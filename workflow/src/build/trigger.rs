//! What starts a workflow.

use crate::build::Build;
use crate::build::rules::DEDUPE;
use crate::definition::{
    Algorithm, Dedupe, Encoding, EventTrigger, Scheme, Triggers, Verify, WebhookTrigger,
};
use crate::expression::{Slice, split};
use crate::names::{is_event_pattern, is_header_name, is_variable, is_webhook_path};
use crate::source::Node;

/// How long a dedupe key is remembered if nothing is said: one day.
const DEFAULT_DEDUPE_TTL_MS: u64 = 24 * 60 * 60 * 1000;
/// How far a timestamp may be off if nothing is said; what Standard Webhooks recommends.
const DEFAULT_TOLERANCE_MS: u64 = 5 * 60 * 1000;

impl Build<'_, '_> {
    pub(super) fn triggers(&mut self, on: Option<&Node>) -> Triggers {
        let Some(on) = on else {
            return Triggers::default();
        };
        let mut webhooks: Vec<WebhookTrigger> = Vec::new();
        for node in on.get("webhook").map(Node::one_or_many).unwrap_or_default() {
            if let Some(webhook) = self.webhook(node, &webhooks) {
                webhooks.push(webhook);
            }
        }
        let manual = on.get("manual").map(|node| self.manual(node));
        let mut events = Vec::new();
        for node in on.get("event").map(Node::one_or_many).unwrap_or_default() {
            let Some(pattern) = node.text() else {
                continue;
            };
            if !is_event_pattern(pattern) {
                let help = "write names like `invoice.paid`, or a beginning and `*`".to_owned();
                self.findings.error("bad-name", node.span.clone(), "this is no event name", Some(help));
            }
            events.push(EventTrigger { pattern: pattern.to_owned() });
        }
        let schedules = self.schedules(on.get("schedule"));
        let files = self.files(on.get("file"));
        Triggers { webhooks, manual, events, schedules, files }
    }

    fn webhook(&mut self, node: &Node, others: &[WebhookTrigger]) -> Option<WebhookTrigger> {
        let path_node = node.get("path");
        let path = path_node.and_then(Node::text).map(ToOwned::to_owned);
        if let (Some(path_node), Some(path)) = (path_node, &path) {
            if !is_webhook_path(path) {
                let help =
                    "use segments of a-z, 0-9, `.`, `_` and `-`, joined by `/`, at most 128 characters";
                let message = "this is no webhook path";
                self.findings.error("bad-path", path_node.span.clone(), message, Some(help.to_owned()));
            } else if others.iter().any(|other| other.path == *path) {
                let message = format!("another webhook of this workflow has the path `{path}`");
                self.findings.error("duplicate-path", path_node.span.clone(), message, None);
            }
        }
        let verify = node.get("verify").and_then(|verify| self.verify(verify));
        let dedupe = node.get("dedupe").and_then(|dedupe| self.dedupe(dedupe));
        Some(WebhookTrigger { path: path?, verify: verify?, dedupe })
    }

    fn dedupe(&mut self, node: &Node) -> Option<Dedupe> {
        let ttl_ms = self.duration(node, "ttl").unwrap_or(DEFAULT_DEDUPE_TTL_MS);
        let key_node = node.get("key")?;
        let key = self.template(key_node, &DEDUPE, None)?;
        if key.as_constant().is_some() {
            let message = "a constant key makes every request but the first a repetition";
            let help = "use what tells requests apart: `${{ event.body.id }}`".to_owned();
            self.findings.error("constant-key", key_node.span.clone(), message, Some(help));
        }
        Some(Dedupe { key, ttl_ms })
    }

    fn verify(&mut self, node: &Node) -> Option<Verify> {
        let scheme_node = node.get("scheme")?;
        let scheme = Scheme::ALL.iter().copied().find(|known| Some(known.as_str()) == scheme_node.text())?;
        self.unfit_keys(node, scheme);
        let secrets = self.verify_secrets(node);
        if secrets.is_empty() && scheme != Scheme::None && !has_secret(node) {
            let at = node.span.start..node.span.start;
            let message = format!("scheme `{}` needs a secret", scheme.as_str());
            let help = "add `secret: ${{ secrets.NAME }}`".to_owned();
            self.findings.error("missing-key", at, message, Some(help));
        }
        if scheme == Scheme::None {
            let message = "anybody who knows the URL can start this workflow";
            let help = "use scheme token, hmac, github or standard-webhooks".to_owned();
            self.findings.warning("unverified-webhook", scheme_node.span.clone(), message, Some(help));
        }
        let text = |key: &str| node.get(key).and_then(Node::text);
        let algorithm = match text("algorithm") {
            Some("sha512") => Algorithm::Sha512,
            Some("sha1") => Algorithm::Sha1,
            _ => Algorithm::Sha256,
        };
        if algorithm == Algorithm::Sha1 {
            let at = node.get("algorithm").map(|node| node.span.clone()).unwrap_or_default();
            let message = "SHA-1 is weak; use it only for a sender that knows nothing better";
            self.findings.warning("weak-algorithm", at, message, None);
        }
        let encoding = if text("encoding") == Some("base64") { Encoding::Base64 } else { Encoding::Hex };
        let header = self.verify_header(node, scheme);
        let bearer = scheme == Scheme::Token && header.as_deref() == Some("authorization");
        let prefix = text("prefix").map(ToOwned::to_owned).or_else(|| bearer.then(|| "Bearer ".to_owned()));
        let tolerance_ms = self.duration(node, "tolerance").unwrap_or(DEFAULT_TOLERANCE_MS);
        Some(Verify { scheme, secrets, header, algorithm, encoding, prefix, tolerance_ms })
    }

    fn verify_header(&mut self, node: &Node, scheme: Scheme) -> Option<String> {
        if let Some((text, header)) = node.get("header").and_then(|node| Some((node.text()?, node))) {
            if !is_header_name(text) {
                self.findings.error("bad-name", header.span.clone(), "this is no header name", None);
            }
            return Some(text.to_ascii_lowercase());
        }
        match scheme {
            Scheme::Github => Some("x-hub-signature-256".to_owned()),
            Scheme::StandardWebhooks => Some("webhook-signature".to_owned()),
            Scheme::Token => Some("authorization".to_owned()),
            Scheme::None => None,
            Scheme::Hmac => {
                let at = node.span.start..node.span.start;
                self.findings.error("missing-key", at, "scheme `hmac` needs the key `header`", None);
                None
            }
        }
    }

    /// Keys that the scheme decides by itself.
    fn unfit_keys(&mut self, node: &Node, scheme: Scheme) {
        let fit: &[&str] = match scheme {
            Scheme::Github => &["scheme", "secret", "secrets"],
            Scheme::StandardWebhooks => &["scheme", "secret", "secrets", "tolerance"],
            Scheme::Hmac => &["scheme", "secret", "secrets", "header", "algorithm", "encoding", "prefix"],
            Scheme::Token => &["scheme", "secret", "secrets", "header", "prefix"],
            Scheme::None => &["scheme"],
        };
        let all = ["secret", "secrets", "header", "algorithm", "encoding", "prefix", "tolerance"];
        for key in all.iter().filter(|key| !fit.contains(key)) {
            if let Some(at) = node.key_span(key) {
                let message = format!("`{key}` has no meaning with scheme `{}`", scheme.as_str());
                self.findings.error("misplaced-key", at, message, None);
            }
        }
    }

    fn verify_secrets(&mut self, node: &Node) -> Vec<String> {
        let one = node.get("secret").into_iter();
        let many = node.get("secrets").map(Node::items).unwrap_or_default();
        let mut names = Vec::new();
        for node in one.chain(many) {
            let Some(text) = node.text() else {
                continue;
            };
            let name = match split(text).unwrap_or_default().as_slice() {
                [Slice::Expression(source, _)] => {
                    source.strip_prefix("secrets.").filter(|name| is_variable(name))
                }
                _ => None,
            };
            match name {
                Some(name) if names.iter().any(|known| known == name) => {
                    let message = format!("the secret `{name}` is there twice");
                    self.findings.error("duplicate-secret", node.span.clone(), message, None);
                }
                Some(name) => names.push(name.to_owned()),
                None => {
                    let message = "a secret is named, never written down: `${{ secrets.NAME }}`";
                    let help = "store it with `tenantry secret set NAME`".to_owned();
                    self.findings.error("secret-literal", node.span.clone(), message, Some(help));
                }
            }
        }
        names
    }
}

fn has_secret(verify: &Node) -> bool {
    verify.get("secret").is_some() || verify.get("secrets").is_some()
}
