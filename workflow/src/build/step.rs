//! Steps: when they run and how they are retried.

use std::sync::Arc;

use crate::build::Build;
use crate::build::layout::{Layout, Place};
use crate::build::rules::{STEP_CONDITION, WORKFLOW_ENV};
use crate::definition::{Action, HttpBody, OnError, Step};
use crate::expression::Template;
use crate::language::structure::{is_true, whole};
use crate::limits::{MAX_DURATION_MS, MAX_STEP_TIMEOUT_MS, MAX_TITLE_CHARS};
use crate::retry::{Backoff, RetryOn, RetryPolicy};
use crate::source::Node;

/// What holds for steps that say nothing themselves.
pub(super) struct Defaults {
    retry: Option<RetryPolicy>,
    timeout_ms: Option<u64>,
    pub(super) env: Vec<(String, Arc<Template>)>,
}

impl Build<'_, '_> {
    pub(super) fn steps(&mut self, root: &Node, layout: &Layout<'_>) -> Vec<Step> {
        let defaults = root.get("defaults");
        let env = self.workflow_env(root);
        let defaults = Defaults {
            retry: defaults.and_then(|node| node.get("retry")).map(|node| self.retry(node)),
            timeout_ms: defaults.and_then(|node| self.step_timeout(node)),
            env,
        };
        // A step that cannot be built leaves a gap in the indices; there is a finding then, and no workflow.
        let places = layout.places.iter().enumerate();
        places.filter_map(|(index, place)| self.step(index, place, &defaults)).collect()
    }

    /// The environment of every `run` step: `env` at the top, and `defaults.env`, which says the same.
    fn workflow_env(&mut self, root: &Node) -> Vec<(String, Arc<Template>)> {
        let defaults = root.get("defaults").and_then(|defaults| defaults.get("env"));
        let mut env = self.environment(root.get("env"), &WORKFLOW_ENV, None);
        for (key, _) in defaults.map(Node::fields).unwrap_or_default() {
            if env.iter().any(|(name, _)| **name == *key.text) {
                let message = format!("`{}` is in the workflow's `env` too", key.text);
                self.findings.error("duplicate-key", key.span.clone(), message, None);
            }
        }
        env.extend(self.environment(defaults, &WORKFLOW_ENV, None));
        env
    }

    fn step(&mut self, index: usize, place: &Place<'_>, defaults: &Defaults) -> Option<Step> {
        let node = place.node;
        let name = self.title(node, "name", MAX_TITLE_CHARS);
        let condition = node.get("if").and_then(|node| self.condition(node, &STEP_CONDITION, Some(index)));
        let action = self.action(index, node, defaults);
        let foreach = self.foreach(index, node);
        let at_most_once = is_true(node.get("at-most-once"));
        let own_retry = node.get("retry").map(|retry| self.retry(retry));
        if let (true, Some(retry), Some(at)) = (at_most_once, &own_retry, node.key_span("retry"))
            && retry.attempts > 1
        {
            let message = "a step that is at-most-once cannot be tried again";
            self.findings.error("conflicting-keys", at, message, None);
        }
        // What a group or a person decides is not tried again, and has its own time limits.
        let inherits =
            !action.as_ref().map(Action::kind).is_some_and(|kind| kind.is_waiting() || kind.is_group());
        let retry = match own_retry.or_else(|| defaults.retry.clone().filter(|_| inherits)) {
            Some(retry) if !at_most_once => retry,
            _ => RetryPolicy::none(),
        };
        let timeout_ms = self.step_timeout(node).or(defaults.timeout_ms.filter(|_| inherits));
        let on_error = match node.get("on-error").and_then(Node::text) {
            Some("continue") => OnError::Continue,
            _ => OnError::Fail,
        };
        let action = action?;
        let mut step = Step {
            id: self.graph.ids.get(index)?.clone(),
            name,
            index,
            parent: place.parent,
            finally: place.finally,
            sequential: *self.graph.in_order.get(index)?,
            needs: self.graph.needs.get(index)?.clone(),
            foreach,
            condition,
            action,
            retry,
            timeout_ms: 0,
            on_error,
            at_most_once,
            secrets: Vec::new(),
        };
        step.timeout_ms = timeout_ms.unwrap_or(step.kind().default_timeout_ms());
        step.secrets = secrets_of(&step.action);
        Some(step)
    }

    fn step_timeout(&mut self, node: &Node) -> Option<u64> {
        let ms = self.duration(node, "timeout")?;
        // Another run may take as long as it takes.
        let long =
            node.get("workflow").is_some() || self.findings.has_error_in(&(node.span.start..node.span.start));
        let most = if long { MAX_DURATION_MS } else { MAX_STEP_TIMEOUT_MS };
        if ms > most {
            let at = node.get("timeout").map(|node| node.span.clone()).unwrap_or_default();
            self.findings.error("bad-duration", at, "the time limit of a step is at most one day", None);
        }
        Some(ms)
    }

    fn retry(&mut self, node: &Node) -> RetryPolicy {
        let usual = RetryPolicy::usual();
        let attempts = node.get("attempts").and_then(whole).and_then(|number| u32::try_from(number).ok());
        let backoff = match node.get("backoff").and_then(Node::text) {
            Some("constant") => Backoff::Constant,
            _ => Backoff::Exponential,
        };
        let delay_ms = self.duration(node, "delay").unwrap_or(usual.delay_ms);
        let max_delay = self.duration(node, "max-delay");
        if let (Some(most), Some(at)) = (max_delay, node.key_span("max-delay"))
            && most < delay_ms
        {
            self.findings.error("conflicting-keys", at, "`max-delay` is shorter than `delay`", None);
        }
        let mut on = Vec::new();
        for word in node.get("on").map(Node::one_or_many).unwrap_or_default() {
            let Some(text) = word.text().filter(|_| !self.findings.has_error_in(&word.span)) else {
                continue;
            };
            if let Some(known) = RetryOn::parse(text) {
                on.push(known);
            } else {
                let help = "use timeout, connect, http:429, http:5xx, exit:75, exit or any".to_owned();
                let message = "this is no kind of failure";
                self.findings.error("unknown-word", word.span.clone(), message, Some(help));
            }
        }
        RetryPolicy {
            attempts: attempts.unwrap_or(usual.attempts),
            backoff,
            delay_ms,
            max_delay_ms: max_delay.unwrap_or(usual.max_delay_ms).max(delay_ms),
            jitter: node.get("jitter").is_none_or(|node| is_true(Some(node))),
            on: if on.is_empty() { usual.on } else { on },
        }
    }
}

/// The names of the secrets that an action reads, sorted, each once.
fn secrets_of(action: &Action) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |template: &Template| names.extend(template.secrets().map(ToOwned::to_owned));
    match action {
        Action::Http(http) => {
            add(&http.url);
            http.query.iter().chain(&http.headers).for_each(|(_, template)| add(template));
            http.bearer.iter().for_each(&mut add);
            http.basic.iter().for_each(|(name, password)| [name, password].into_iter().for_each(&mut add));
            match &http.body {
                HttpBody::Empty => {}
                HttpBody::Text(template) => add(template),
                HttpBody::Form(fields) => {
                    for (_, template) in fields {
                        add(template);
                    }
                }
                HttpBody::Json(value) => {
                    let found = value.expressions().into_iter().filter_map(crate::Expression::secret);
                    names.extend(found.map(ToOwned::to_owned));
                }
            }
        }
        Action::Run(run) => {
            run.env.iter().for_each(|(_, template)| add(template));
            run.stdin.iter().for_each(&mut add);
        }
        _ => {}
    }
    names.sort_unstable();
    names.dedup();
    names
}
