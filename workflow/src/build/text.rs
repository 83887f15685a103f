//! Scalars into templates, expressions and values, with their places.

use crate::build::Build;
use crate::build::rules::Rules;
use crate::expression::{Expression, Slice, Template, ValueTemplate, split};
use crate::limits::MAX_EXPRESSIONS;
use crate::source::{Kind, Node, Scalar};

impl Build<'_, '_> {
    /// Where an offset in a scalar's text stands in the file, in bytes.
    fn byte(&self, node: &Node, text: &str, offset: usize) -> usize {
        self.findings.source().inside(&node.span, text, offset)
    }

    /// Whether so many more expressions are still within the limit; the finding is made once.
    fn count_expressions(&mut self, node: &Node, more: usize) -> bool {
        let before = self.expressions;
        self.expressions = before.saturating_add(more);
        if self.expressions > MAX_EXPRESSIONS && before <= MAX_EXPRESSIONS {
            let message = format!("the workflow has more than {MAX_EXPRESSIONS} expressions");
            self.findings.error("too-many", node.span.clone(), message, None);
        }
        self.expressions <= MAX_EXPRESSIONS
    }

    /// A text with expressions.
    pub(super) fn template(&mut self, node: &Node, rules: &Rules, step: Option<usize>) -> Option<Template> {
        let text = node.text()?;
        if !text.contains("${{") {
            return Some(Template::constant(text));
        }
        if !self.count_expressions(node, text.matches("${{").count()) {
            return None;
        }
        let source = self.findings.source();
        let place = |offset| source.place(source.inside(&node.span, text, offset));
        match Template::compile(text, &place) {
            Ok(template) => {
                let offsets: Vec<_> = split(text)
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|slice| match slice {
                        Slice::Expression(_, at) => Some(at),
                        Slice::Text(_) => None,
                    })
                    .collect();
                for (expression, offset) in template.expressions().zip(offsets) {
                    let at = self.byte(node, text, offset);
                    self.check_expression(expression, rules, step, at);
                }
                Some(template)
            }
            Err(problems) => {
                for problem in &problems {
                    let at = self.byte(node, text, problem.offset);
                    self.problem(problem, at);
                }
                None
            }
        }
    }

    /// A condition: one expression, with or without its delimiters.
    pub(super) fn condition(
        &mut self,
        node: &Node,
        rules: &Rules,
        step: Option<usize>,
    ) -> Option<Expression> {
        let text = node.text()?;
        if !self.count_expressions(node, 1) {
            return None;
        }
        let (source, offset) = if text.contains("${{") {
            let slices = split(text).unwrap_or_default();
            let [Slice::Expression(source, offset)] = slices.as_slice() else {
                let message = "`if` must be one expression; text around `${{ }}` is always true";
                let help = "put the comparison inside: `${{ steps.a.output == 'x' }}`".to_owned();
                self.findings.error("if-not-expression", node.span.clone(), message, Some(help));
                return None;
            };
            (*source, *offset)
        } else {
            (text, 0)
        };
        let at = self.byte(node, text, offset);
        match Expression::compile(source, self.findings.source().place(at)) {
            Ok(expression) => {
                self.check_expression(&expression, rules, step, at);
                Some(expression)
            }
            Err(problems) => {
                for problem in &problems {
                    let at = self.byte(node, text, offset + problem.offset);
                    self.problem(problem, at);
                }
                None
            }
        }
    }

    /// JSON with expressions in its strings.
    pub(super) fn value(&mut self, node: &Node, rules: &Rules, step: Option<usize>) -> Option<ValueTemplate> {
        match &node.kind {
            Kind::Scalar { value: Scalar::Text, .. } => {
                self.template(node, rules, step).map(ValueTemplate::template)
            }
            Kind::Scalar { .. } => Some(ValueTemplate::constant(node.to_json())),
            Kind::List(items) => {
                // Every item is looked at, so that every finding is made.
                let values: Vec<_> = items.iter().map(|item| self.value(item, rules, step)).collect();
                values.into_iter().collect::<Option<_>>().map(ValueTemplate::list)
            }
            Kind::Mapping(fields) => {
                self.constant_keys(node);
                let values: Vec<_> = fields
                    .iter()
                    .map(|(key, value)| Some((key.text.to_string(), self.value(value, rules, step)?)))
                    .collect();
                values.into_iter().collect::<Option<_>>().map(ValueTemplate::object)
            }
        }
    }

    fn constant_keys(&mut self, node: &Node) {
        for (key, _) in node.fields().iter().filter(|(key, _)| key.text.contains("${{")) {
            let message = "a key is constant; no expression is possible here";
            self.findings.error("expression-not-allowed", key.span.clone(), message, None);
        }
    }

    /// A mapping of texts with expressions.
    pub(super) fn templates(
        &mut self,
        node: Option<&Node>,
        rules: &Rules,
        step: Option<usize>,
    ) -> Vec<(String, Template)> {
        if let Some(node) = node {
            self.constant_keys(node);
        }
        let fields = node.map(Node::fields).unwrap_or_default();
        fields
            .iter()
            .filter_map(|(key, value)| Some((key.text.to_string(), self.template(value, rules, step)?)))
            .collect()
    }
}
