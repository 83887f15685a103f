//! `on.webhook`: where it comes in, and what is kept of a request.

use crate::build::Build;
use crate::build::rules::DEDUPE;
use crate::definition::{Dedupe, Method, WebhookTrigger};
use crate::names::{is_header_name, is_proof_header, is_webhook_path};
use crate::source::Node;

/// How long a dedupe key is remembered if nothing is said: one day.
const DEFAULT_DEDUPE_TTL_MS: u64 = 24 * 60 * 60 * 1000;

impl Build<'_, '_> {
    pub(super) fn webhook(&mut self, node: &Node, others: &[WebhookTrigger]) -> Option<WebhookTrigger> {
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
        let verify_header = verify.as_ref().and_then(|verify| verify.header.as_deref());
        let headers = node.get("headers").map(|node| self.event_headers(node, verify_header));
        let methods = self.methods(node.get("methods"));
        let respond = node.get("respond").map(|node| self.respond(node)).unwrap_or_default();
        Some(WebhookTrigger { path: path?, methods, headers, verify: verify?, dedupe, respond })
    }

    fn methods(&mut self, node: Option<&Node>) -> Vec<Method> {
        let mut methods = Vec::new();
        for node in node.map(Node::one_or_many).unwrap_or_default() {
            let known = Method::ALL.iter().copied().find(|known| Some(known.as_str()) == node.text());
            let Some(method) = known else { continue };
            if methods.contains(&method) {
                let message = format!("the method {} is there twice", method.as_str());
                self.findings.error("duplicate-word", node.span.clone(), message, None);
            }
            methods.push(method);
        }
        if methods.is_empty() { vec![Method::Post] } else { methods }
    }

    fn event_headers(&mut self, node: &Node, verify_header: Option<&str>) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for node in node.one_or_many() {
            let Some(text) = node.text() else { continue };
            let name = text.to_ascii_lowercase();
            if !is_header_name(&name) {
                self.findings.error("bad-name", node.span.clone(), "this is no header name", None);
            } else if is_proof_header(&name) || verify_header == Some(&name) {
                let message = format!("`{name}` proves who the sender is; an event never keeps it");
                self.findings.error("reserved-header", node.span.clone(), message, None);
            } else if names.contains(&name) {
                let message = format!("the header `{name}` is there twice");
                self.findings.error("duplicate-word", node.span.clone(), message, None);
            }
            names.push(name);
        }
        names
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
}
