//! The tree: what was written, with its place. Values keep their text, so `1.10` can still be a version.

use std::ops::Range;

use serde_json::{Map, Number, Value};

/// A value and where it stands, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar { text: Box<str>, value: Scalar },
    List(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text,
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) span: Range<usize>,
    pub(crate) text: Box<str>,
}

impl Node {
    pub(crate) fn scalar(span: Range<usize>, text: &str, value: Scalar) -> Self {
        Self { span, kind: Kind::Scalar { text: text.into(), value } }
    }

    /// What it is, in words.
    pub(crate) const fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { value: Scalar::Null, .. } => "nothing",
            Kind::Scalar { value: Scalar::Bool(_), .. } => "true or false",
            Kind::Scalar { value: Scalar::Number(_), .. } => "a number",
            Kind::Scalar { value: Scalar::Text, .. } => "text",
            Kind::List(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        }
    }

    /// How many values it holds, itself included.
    pub(crate) fn size(&self) -> usize {
        match &self.kind {
            Kind::Scalar { .. } => 1,
            Kind::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Kind::Mapping(fields) => 1 + fields.iter().map(|(_, value)| 1 + value.size()).sum::<usize>(),
        }
    }

    pub(crate) const fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar { value: Scalar::Null, .. })
    }

    /// The text of a scalar that is not null.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { value: Scalar::Null, .. } | Kind::List(_) | Kind::Mapping(_) => None,
            Kind::Scalar { text, .. } => Some(text),
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Scalar { .. } | Kind::Mapping(_) => &[],
        }
    }

    pub(crate) fn fields(&self) -> &[(Key, Self)] {
        match &self.kind {
            Kind::Mapping(fields) => fields,
            Kind::Scalar { .. } | Kind::List(_) => &[],
        }
    }

    /// The value of a key, if this is a mapping that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|(key, _)| &*key.text == name).map(|(_, value)| value)
    }

    /// The span of a key, if this is a mapping that has it.
    pub(crate) fn key_span(&self, name: &str) -> Option<Range<usize>> {
        self.fields().iter().find(|(key, _)| &*key.text == name).map(|(key, _)| key.span.clone())
    }

    /// The items of a list, or the value itself where a list of one may be left out.
    pub(crate) fn one_or_many(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Scalar { .. } | Kind::Mapping(_) => std::slice::from_ref(self),
        }
    }

    /// As JSON, without regard to expressions.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Scalar { text, value } => match value {
                Scalar::Null => Value::Null,
                Scalar::Bool(truth) => Value::Bool(*truth),
                Scalar::Number(number) => Value::Number(number.clone()),
                Scalar::Text => Value::String(text.to_string()),
            },
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Mapping(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(key, value)| (key.text.to_string(), value.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}
