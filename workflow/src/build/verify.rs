//! `on.webhook.verify`: how a webhook's sender proves itself.

use crate::build::Build;
use crate::definition::{Algorithm, Encoding, Scheme, Signed, Verify};
use crate::expression::{Slice, split};
use crate::limits::MAX_TOLERANCE_MS;
use crate::names::{is_header_name, is_variable};
use crate::source::Node;

/// How far a timestamp may be off if nothing is said; what Standard Webhooks recommends.
const DEFAULT_TOLERANCE_MS: u64 = 5 * 60 * 1000;

impl Build<'_, '_> {
    pub(super) fn verify(&mut self, node: &Node) -> Option<Verify> {
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
            let help = "use the sender's own scheme, or hmac or token".to_owned();
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
        let (timestamp_header, signed) =
            if scheme == Scheme::Hmac { self.signed(node) } else { (None, vec![Signed::Body]) };
        let tolerance_ms = self.tolerance(node, scheme, timestamp_header.is_some());
        Some(Verify {
            scheme,
            secrets,
            header,
            algorithm,
            encoding,
            prefix,
            timestamp_header,
            signed,
            tolerance_ms,
        })
    }

    /// Where the time of signing stands and what is signed.
    fn signed(&mut self, node: &Node) -> (Option<String>, Vec<Signed>) {
        let header = node.get("timestamp-header").and_then(|node| Some((node.text()?, node)));
        if let Some((text, header)) = header
            && !is_header_name(text)
        {
            self.findings.error("bad-name", header.span.clone(), "this is no header name", None);
        }
        let Some((text, payload)) = node.get("signed-payload").and_then(|node| Some((node.text()?, node)))
        else {
            let signed = match header {
                Some(_) => vec![Signed::Timestamp, Signed::Text(".".to_owned()), Signed::Body],
                None => vec![Signed::Body],
            };
            return (header.map(|(text, _)| text.to_ascii_lowercase()), signed);
        };
        let signed = match Signed::parse(text) {
            Ok(signed) => signed,
            Err(wrong) => {
                let message = format!("this is no payload: {wrong}");
                let help = "such as `{timestamp}.{body}`".to_owned();
                self.findings.error("bad-payload", payload.span.clone(), message, Some(help));
                return (None, vec![Signed::Body]);
            }
        };
        match (header, signed.contains(&Signed::Timestamp)) {
            (None, true) => {
                let help = "name the header that has it: `timestamp-header: X-Timestamp`".to_owned();
                let message = "the payload has a timestamp, but nothing says where it stands";
                self.findings.error("bad-payload", payload.span.clone(), message, Some(help));
            }
            (Some((_, header)), false) => {
                let message = "a timestamp that is not signed proves nothing";
                let help = "add it to the payload: `{timestamp}.{body}`".to_owned();
                self.findings.error("bad-payload", header.span.clone(), message, Some(help));
            }
            (None, false) | (Some(_), true) => {}
        }
        (header.map(|(text, _)| text.to_ascii_lowercase()), signed)
    }

    fn tolerance(&mut self, node: &Node, scheme: Scheme, timestamped: bool) -> u64 {
        let Some(at) = node.get("tolerance").map(|node| node.span.clone()) else {
            return DEFAULT_TOLERANCE_MS;
        };
        if scheme == Scheme::Hmac && !timestamped {
            let key = node.key_span("tolerance").unwrap_or_default();
            let message = "`tolerance` has a meaning only with `timestamp-header`";
            self.findings.error("misplaced-key", key, message, None);
        }
        let tolerance_ms = self.duration(node, "tolerance").unwrap_or(DEFAULT_TOLERANCE_MS);
        if tolerance_ms > MAX_TOLERANCE_MS {
            let message = "a replay window is at most 24h";
            self.findings.error("bad-duration", at, message, None);
        }
        tolerance_ms
    }

    fn verify_header(&mut self, node: &Node, scheme: Scheme) -> Option<String> {
        if let Some((text, header)) = node.get("header").and_then(|node| Some((node.text()?, node))) {
            if !is_header_name(text) {
                self.findings.error("bad-name", header.span.clone(), "this is no header name", None);
            }
            return Some(text.to_ascii_lowercase());
        }
        if scheme == Scheme::Hmac {
            let at = node.span.start..node.span.start;
            self.findings.error("missing-key", at, "scheme `hmac` needs the key `header`", None);
        }
        scheme.header().map(ToOwned::to_owned)
    }

    /// Keys that the scheme decides by itself.
    fn unfit_keys(&mut self, node: &Node, scheme: Scheme) {
        let fit = scheme.keys();
        for key in Scheme::Hmac.keys().iter().filter(|key| !fit.contains(key)) {
            if let Some(at) = node.key_span(key) {
                let message = format!("`{key}` has no meaning with scheme `{}`", scheme.as_str());
                self.findings.error("misplaced-key", at, message, None);
            }
        }
    }

    fn verify_secrets(&mut self, node: &Node) -> Vec<String> {
        let one = node.get("secret").map(Node::one_or_many).unwrap_or_default();
        let many = node.get("secrets").map(Node::items).unwrap_or_default();
        let mut names = Vec::new();
        for node in one.iter().chain(many) {
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
