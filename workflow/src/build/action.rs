//! What a step does.

use std::sync::Arc;

use crate::build::Build;
use crate::build::rules::{self, Rules};
use crate::build::step::Defaults;
use crate::definition::{
    Action, EmitAction, HttpAction, HttpBody, JqAction, RunAction, StatusRange, matches,
};
use crate::expression::{Template, ValueTemplate};
use crate::names::{is_event_name, is_header_name, is_variable};
use crate::source::Node;

/// Headers that the connection decides.
const RESERVED_HEADERS: &[&str] =
    &["connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"];

impl Build<'_, '_> {
    pub(super) fn action(&mut self, index: usize, node: &Node, defaults: &Defaults) -> Option<Action> {
        // With two actions there is a finding already; each is looked at for its own.
        let http = node.get("http").map(|http| self.http(index, http));
        let run = node.get("run").map(|run| self.run(index, node, run, defaults));
        let jq = node.get("jq").map(|jq| self.jq(index, node, jq));
        let emit = node.get("emit").map(|emit| self.emit(index, emit));
        // Groups, waits and the like are in a room of their own.
        http.flatten()
            .map(|http| Action::Http(Box::new(http)))
            .or(run.flatten().map(Action::Run))
            .or(jq.flatten().map(Action::Jq))
            .or(emit.flatten().map(Action::Emit))
            .or_else(|| self.flow(index, node))
    }

    fn http(&mut self, index: usize, node: &Node) -> Option<HttpAction> {
        let step = Some(index);
        let url = node.get("url").and_then(|url| self.url(index, url));
        let query = self.templates(node.get("query"), &rules::HTTP, step);
        let headers = self.headers(index, node);
        let bearer = node.get("bearer").and_then(|bearer| self.template(bearer, &rules::HTTP, step));
        let basic = node.get("basic").and_then(|basic| {
            let name = basic.get("username").and_then(|name| self.template(name, &rules::HTTP, step));
            let password = basic.get("password").and_then(|text| self.template(text, &rules::HTTP, step));
            name.zip(password)
        });
        for key in ["bearer", "basic"] {
            if let Some(at) = node.key_span(key)
                && headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
            {
                let message = format!("`{key}` and the header `authorization` say the same thing twice");
                self.findings.error("conflicting-keys", at, message, None);
            }
        }
        let body = self.http_body(index, node);
        let method = node.get("method").and_then(Node::text);
        if let (HttpBody::Json(_) | HttpBody::Form(_) | HttpBody::Text(_), Some(word @ ("GET" | "HEAD"))) =
            (&body, method)
            && let Some(at) = node.key_span("method")
        {
            let message = format!("a {word} request has no body");
            self.findings.error("conflicting-keys", at, message, None);
        }
        let implied = if matches!(body, HttpBody::Empty) { "GET" } else { "POST" };
        let method = method.unwrap_or(implied).to_owned();
        let expect = self.expect(node);
        Some(HttpAction { method, url: url?, query, headers, bearer, basic, body, expect })
    }

    fn url(&mut self, index: usize, node: &Node) -> Option<Template> {
        let text = node.text()?;
        // What is no text was told already.
        if !node.to_json().is_string() {
            return self.template(node, &rules::HTTP, Some(index));
        }
        let absolute = ["https://", "http://", "${{"].iter().any(|start| text.starts_with(start));
        if !absolute {
            let message = "`url` must begin with https:// or http://";
            self.findings.error("bad-url", node.span.clone(), message, None);
        } else if text.split("${{").next().is_some_and(|start| start.contains([' ', '\n', '\t'])) {
            self.findings.error("bad-url", node.span.clone(), "a URL has no spaces", None);
        } else if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            if host.is_empty() {
                self.findings.error("bad-url", node.span.clone(), "`url` has no host", None);
            } else if host.split("${{").next().is_some_and(|start| start.contains('@')) {
                let help = "use `basic: { username: …, password: … }`".to_owned();
                let message = "a URL with a user's name in it is not sent";
                self.findings.error("bad-url", node.span.clone(), message, Some(help));
            }
        }
        self.template(node, &rules::HTTP, Some(index))
    }

    fn headers(&mut self, index: usize, node: &Node) -> Vec<(String, Template)> {
        for (key, _) in node.get("headers").map(Node::fields).unwrap_or_default() {
            if !is_header_name(&key.text) {
                self.findings.error("bad-name", key.span.clone(), "this is no header name", None);
            } else if RESERVED_HEADERS.contains(&key.text.to_ascii_lowercase().as_str()) {
                let message = format!("the header `{}` is set by the connection", key.text);
                self.findings.error("reserved-header", key.span.clone(), message, None);
            }
        }
        let mut headers = self.templates(node.get("headers"), &rules::HTTP, Some(index));
        for (name, _) in &mut headers {
            name.make_ascii_lowercase();
        }
        let fields = node.get("headers").map(Node::fields).unwrap_or_default();
        for (index, (key, _)) in fields.iter().enumerate() {
            if fields.iter().take(index).any(|(other, _)| other.text.eq_ignore_ascii_case(&key.text)) {
                let message = format!("the header `{}` is there twice", key.text);
                self.findings.error("duplicate-key", key.span.clone(), message, None);
            }
        }
        headers
    }

    fn http_body(&mut self, index: usize, node: &Node) -> HttpBody {
        let step = Some(index);
        if let Some(json) = node.get("json") {
            return self.value(json, &rules::HTTP, step).map_or(HttpBody::Empty, HttpBody::Json);
        }
        if node.get("form").is_some() {
            return HttpBody::Form(self.templates(node.get("form"), &rules::HTTP, step));
        }
        let body = node.get("body").and_then(|body| self.template(body, &rules::HTTP, step));
        body.map_or(HttpBody::Empty, HttpBody::Text)
    }

    fn expect(&mut self, node: &Node) -> Vec<StatusRange> {
        let mut expect = Vec::new();
        for status in node.get("expect").map(Node::one_or_many).unwrap_or_default() {
            let Some(text) = status.text() else {
                continue;
            };
            if let Some(range) = StatusRange::parse(text) {
                expect.push(range);
            } else {
                let message = "a status is a number such as 200, or a hundred such as 2xx";
                self.findings.error("unknown-word", status.span.clone(), message, None);
            }
        }
        if expect.is_empty() {
            expect.push(StatusRange { from: 200, to: 299 });
        }
        expect
    }

    pub(super) fn environment(
        &mut self,
        node: Option<&Node>,
        rules: &Rules,
        step: Option<usize>,
    ) -> Vec<(String, Arc<Template>)> {
        for (key, _) in node.map(Node::fields).unwrap_or_default() {
            if !is_variable(&key.text) {
                let message = "an environment variable is named by letters, digits and `_`";
                self.findings.error("bad-name", key.span.clone(), message, None);
            }
        }
        let templates = self.templates(node, rules, step);
        templates.into_iter().map(|(name, template)| (name, Arc::new(template))).collect()
    }

    fn run(&mut self, index: usize, step: &Node, node: &Node, defaults: &Defaults) -> Option<RunAction> {
        let script = self.template(node, &rules::SCRIPT, Some(index));
        let own = self.environment(step.get("env"), &rules::ENV, Some(index));
        let inherited = defaults.env.iter().filter(|(name, _)| own.iter().all(|(other, _)| other != name));
        let env = inherited.cloned().chain(own.iter().cloned()).collect();
        let stdin = step.get("stdin").and_then(|stdin| self.template(stdin, &rules::STDIN, Some(index)));
        let shell = step.get("shell").and_then(Node::text).unwrap_or("sh").to_owned();
        if node.text().is_some_and(|text| text.trim().is_empty()) {
            self.findings.error("empty", node.span.clone(), "`run` is empty", None);
        }
        Some(RunAction { script: script?, shell, env, stdin })
    }

    fn jq(&mut self, index: usize, step: &Node, node: &Node) -> Option<JqAction> {
        let input = step.get("input").map(|input| self.value(input, &rules::JQ_INPUT, Some(index)));
        let filter = node.text()?;
        if filter.contains("${{") {
            let message = "a jq filter is constant; an expression in it would become code";
            let help = "the filter reads the context itself: `.event.body.id`".to_owned();
            self.findings.error("expression-not-allowed", node.span.clone(), message, Some(help));
        }
        if filter.trim().is_empty() {
            self.findings.error("empty", node.span.clone(), "`jq` is empty", None);
        }
        let input = match input {
            None => None,
            Some(built) => Some(built?),
        };
        Some(JqAction { filter: filter.to_owned(), input })
    }

    fn emit(&mut self, index: usize, node: &Node) -> Option<EmitAction> {
        let data = match node.get("data") {
            None => Some(ValueTemplate::constant(serde_json::Value::Null)),
            Some(data) => self.value(data, &rules::EMIT, Some(index)),
        };
        let name_node = node.get("name")?;
        let name = name_node.text()?;
        if !is_event_name(name) {
            let help = "write a constant name like `invoice.paid`".to_owned();
            self.findings.error("bad-name", name_node.span.clone(), "this is no event name", Some(help));
        }
        if self.event_patterns.iter().any(|pattern| matches(pattern, name)) {
            let message = format!("the event `{name}` starts this workflow again");
            let help = "make sure that an `if` ends the circle".to_owned();
            self.findings.warning("emits-own-trigger", name_node.span.clone(), message, Some(help));
        }
        Some(EmitAction { name: name.to_owned(), data: data? })
    }
}
