//! The inputs of `on.manual`.

use crate::build::Build;
use crate::definition::{Input, InputType, ManualTrigger};
use crate::names::is_step_id;
use crate::source::{Kind, Node, Scalar};

impl Build<'_, '_> {
    pub(super) fn manual(&mut self, node: &Node) -> ManualTrigger {
        let mut inputs = Vec::new();
        for (key, node) in node.get("inputs").map(Node::fields).unwrap_or_default() {
            if !is_step_id(&key.text) {
                let help = "begin with a letter; use letters, digits, `_` and single inner dashes".to_owned();
                let message = "an input's name must be one that expressions can use";
                self.findings.error("bad-name", key.span.clone(), message, Some(help));
            }
            inputs.push(self.input(&key.text, node));
        }
        ManualTrigger { inputs }
    }

    fn input(&mut self, name: &str, node: &Node) -> Input {
        let description = node.get("description").and_then(Node::text).map(ToOwned::to_owned);
        let required = node
            .get("required")
            .is_some_and(|node| matches!(node.kind, Kind::Scalar { value: Scalar::Bool(true), .. }));
        let kind = match node.get("type").and_then(Node::text) {
            Some("number") => InputType::Number,
            Some("integer") => InputType::Integer,
            Some("boolean") => InputType::Boolean,
            Some("json") => InputType::Json,
            Some("choice") => InputType::Choice(self.options(node)),
            _ => InputType::Text,
        };
        // What the type should have been is not known if it is wrong.
        let odd = node.get("type").is_some_and(|kind| self.findings.has_error_in(&kind.span));
        let misses_options = matches!(&kind, InputType::Choice(options) if options.is_empty())
            || node.get("options").is_some_and(|options| self.findings.has_error_in(&options.span));
        if !matches!(kind, InputType::Choice(_))
            && !odd
            && let Some(at) = node.key_span("options")
        {
            self.findings.error(
                "misplaced-key",
                at,
                "`options` has a meaning only with `type: choice`",
                None,
            );
        }
        let default = node.get("default").filter(|default| !default.is_null());
        if let (true, Some(at)) = (required && default.is_some(), node.key_span("required")) {
            let message = "an input with a default is never missing, so it cannot be required";
            self.findings.error("conflicting-keys", at, message, None);
        }
        let default = default.and_then(|default| match kind.accept(&default.to_json()) {
            Ok(value) => Some(value),
            Err(_) if odd || misses_options => None,
            Err(wanted) => {
                let message = format!("the default of `{name}` must be {wanted}");
                self.findings.error("wrong-type", default.span.clone(), message, None);
                None
            }
        });
        Input { name: name.to_owned(), description, kind, required, default }
    }

    fn options(&mut self, node: &Node) -> Vec<String> {
        let options = node.get("options").map(Node::items).unwrap_or_default();
        if node.get("options").is_none() {
            let at = node.span.start..node.span.start;
            self.findings.error("missing-key", at, "an input of type `choice` needs the key `options`", None);
        }
        options.iter().filter_map(Node::text).map(ToOwned::to_owned).collect()
    }
}
