//! `on.webhook.respond`: when and how a webhook's sender is answered.

use crate::build::Build;
use crate::build::rules::{RESPOND, RESPOND_AT_ONCE};
use crate::definition::{Respond, RespondMode, status_of};
use crate::limits::MAX_RESPOND_TIMEOUT_MS;
use crate::source::Node;

impl Build<'_, '_> {
    pub(super) fn respond(&mut self, node: &Node) -> Respond {
        let mode = match node.get("mode").unwrap_or(node).text() {
            Some("result") => RespondMode::Result,
            _ => RespondMode::Ack,
        };
        let rules = if mode == RespondMode::Result { &RESPOND } else { &RESPOND_AT_ONCE };
        let status = node.get("status").and_then(|status| {
            let is_constant = status.text().is_some_and(|text| !text.contains("${{"));
            if is_constant && status_of(&status.to_json()).is_none() {
                let message = "a status is a number from 200 to 599";
                self.findings.error("bad-status", status.span.clone(), message, None);
            }
            self.value(status, rules, None)
        });
        let body = node.get("body").and_then(|body| self.value(body, rules, None));
        let content_type = node.get("content-type").and_then(|node| Some((node.text()?, node)));
        if let Some((text, at)) = content_type
            && !is_content_type(text)
        {
            let help = Some("such as `text/xml; charset=utf-8`".to_owned());
            self.findings.error("bad-name", at.span.clone(), "this is no content type", help);
        }
        let content_type = content_type.map(|(text, _)| text.to_owned());
        Respond { mode, timeout_ms: self.respond_timeout(node, mode), status, body, content_type }
    }

    fn respond_timeout(&mut self, node: &Node, mode: RespondMode) -> Option<u64> {
        let at = node.get("timeout")?.span.clone();
        if mode == RespondMode::Ack {
            let key = node.key_span("timeout").unwrap_or_default();
            let message = "`timeout` has a meaning only with `mode: result`";
            self.findings.error("misplaced-key", key, message, None);
        }
        let timeout_ms = self.duration(node, "timeout");
        if timeout_ms.is_some_and(|timeout_ms| timeout_ms > MAX_RESPOND_TIMEOUT_MS) {
            self.findings.error("bad-duration", at, "a sender waits at most 5m", None);
        }
        timeout_ms
    }
}

/// A type and a subtype, and printable text after it (RFC 9110 §8.3.1, without the fine print).
fn is_content_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default();
    let is_token = |part: &str| crate::names::is_header_name(part);
    text.len() <= 128
        && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && essence.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub.trim_end()))
}
