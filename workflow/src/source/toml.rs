//! TOML into the tree.

use serde_json::Number;
use toml::de::{DeTable, DeValue};

use super::tree::{Key, Kind, Node, Scalar};
use crate::findings::Findings;
use crate::limits::{MAX_DEPTH, MAX_NODES};

struct Builder<'f, 's> {
    findings: &'f mut Findings<'s>,
    nodes: usize,
}

pub(super) fn parse(text: &str, findings: &mut Findings<'_>) -> Option<Node> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or_default();
        findings.error("toml-syntax", span, error.message().to_owned(), None);
    }
    if !errors.is_empty() {
        return None;
    }
    let span = table.span();
    let mut builder = Builder { findings, nodes: 0 };
    builder.table(table.get_ref(), span, 0)
}

impl Builder<'_, '_> {
    fn table(&mut self, table: &DeTable<'_>, span: std::ops::Range<usize>, depth: usize) -> Option<Node> {
        let mut fields = Vec::with_capacity(table.len());
        for (key, value) in table {
            let key = Key { span: key.span(), text: (&**key.get_ref()).into() };
            fields.push((key, self.value(value.get_ref(), value.span(), depth + 1)?));
        }
        fields.sort_by_key(|(key, _)| key.span.start);
        Some(Node { span, kind: Kind::Mapping(fields) })
    }

    fn value(&mut self, value: &DeValue<'_>, span: std::ops::Range<usize>, depth: usize) -> Option<Node> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("the text holds more than {MAX_NODES} values");
            self.findings.error("too-large", span, message, None);
            return None;
        }
        if depth > MAX_DEPTH {
            let message = format!("lists and mappings are nested more than {MAX_DEPTH} deep");
            self.findings.error("too-deep", span, message, None);
            return None;
        }
        Some(match value {
            DeValue::String(text) => Node::scalar(span, text, Scalar::Text),
            DeValue::Boolean(truth) => Node::scalar(span, &truth.to_string(), Scalar::Bool(*truth)),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Number::from);
                self.number(span, integer.as_str(), number)
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(Number::from_f64);
                self.number(span, float.as_str(), number)
            }
            DeValue::Datetime(time) => Node::scalar(span, &time.to_string(), Scalar::Text),
            DeValue::Array(items) => {
                let items = items
                    .iter()
                    .map(|item| self.value(item.get_ref(), item.span(), depth + 1))
                    .collect::<Option<_>>()?;
                Node { span, kind: Kind::List(items) }
            }
            DeValue::Table(table) => self.table(table, span, depth)?,
        })
    }

    fn number(&mut self, span: std::ops::Range<usize>, text: &str, number: Option<Number>) -> Node {
        if let Some(number) = number {
            return Node::scalar(span, text, Scalar::Number(number));
        }
        let message = format!("`{text}` is not a number that JSON knows");
        self.findings.error("wrong-type", span.clone(), message, None);
        Node::scalar(span, text, Scalar::Null)
    }
}
