//! Scalars into templates, expressions and values, with their places.

use crate::build::Build;
use crate::build::rules::Rules;
use crate::expression::{Expression, Slice, Template, ValueTemplate, split};
use crate::source::{Kind, Node, Scalar};

impl Build<'_, '_> {
    /// Where an offset in a scalar's text stands in the file, in bytes.
    fn byte(&self, node: &Node, text: &str, offset: usize) -> usize {
        self.findings.source().inside(&node.span, text, offset)
    }

    /// A text with expressions.
    pub(super) fn template(&mut self, node: &Node, rules: &Rules, step: Option<usize>) -> Option<Template> {
        let text = node.text()?;
        if !text.contains("${{") {
            return Some(Template::constant(text));
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
                let values: Vec<_> = fields
                    .iter()
                    .map(|(key, value)| Some((key.text.to_string(), self.value(value, rules, step)?)))
                    .collect();
                values.into_iter().collect::<Option<_>>().map(ValueTemplate::object)
            }
        }
    }

    /// A mapping of texts with expressions.
    pub(super) fn templates(
        &mut self,
        node: Option<&Node>,
        rules: &Rules,
        step: Option<usize>,
    ) -> Vec<(String, Template)> {
        let fields = node.map(Node::fields).unwrap_or_default();
        fields
            .iter()
            .filter_map(|(key, value)| Some((key.text.to_string(), self.template(value, rules, step)?)))
            .collect()
    }
}
