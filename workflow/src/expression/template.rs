//! Text with expressions in it. Cut up and compiled once; constant text is never touched again.

use serde_json::Value;

use super::{Expression, ExpressionError, Problem, ProblemKind, Scope};
use crate::context::Context;
use crate::limits::{MAX_RENDERED_BYTES, MAX_TEMPLATE_PARTS};

/// A text value of the language, such as `"https://api.example.com/${{ event.body.id }}"`.
#[derive(Debug)]
pub struct Template {
    parts: Box<[Part]>,
}

#[derive(Debug)]
pub(crate) enum Part {
    Text(Box<str>),
    Expression(Expression),
}

/// A piece of a text before it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slice<'t> {
    Text(&'t str),
    /// The expression without its delimiters, trimmed, and where it begins, in bytes from the start of the
    /// text.
    Expression(&'t str, usize),
}

const OPEN: &str = "${{";

/// Cuts a text at its expressions. `$${{` is the text `${{`.
pub(crate) fn split(text: &str) -> Result<Vec<Slice<'_>>, Problem> {
    let mut slices = Vec::new();
    let mut from = 0;
    let mut search = 0;
    while let Some(found) = text.get(search..).and_then(|rest| rest.find(OPEN)) {
        let open = search + found;
        if text.get(..open).is_some_and(|before| before.ends_with('$')) {
            slices.push(Slice::Text(text.get(from..open - 1).unwrap_or_default()));
            slices.push(Slice::Text(OPEN));
            from = open + OPEN.len();
            search = from;
            continue;
        }
        let body = open + OPEN.len();
        let inner = text.get(body..).unwrap_or_default();
        let Some(length) = closing(inner) else {
            let message = "the expression is not closed; `}}` is missing".to_owned();
            return Err(Problem { offset: open, kind: ProblemKind::Syntax(message) });
        };
        if from < open {
            slices.push(Slice::Text(text.get(from..open).unwrap_or_default()));
        }
        let raw = inner.get(..length).unwrap_or_default();
        let indent = raw.len() - raw.trim_start().len();
        slices.push(Slice::Expression(raw.trim(), body + indent));
        from = body + length + 2;
        search = from;
        if slices.len() > MAX_TEMPLATE_PARTS {
            let message = format!("more than {MAX_TEMPLATE_PARTS} expressions in one text");
            return Err(Problem { offset: open, kind: ProblemKind::Syntax(message) });
        }
    }
    if from < text.len() {
        slices.push(Slice::Text(text.get(from..).unwrap_or_default()));
    }
    Ok(slices)
}

/// Where the `}}` of an expression is: not inside of a string, not the end of an inner mapping.
fn closing(inner: &str) -> Option<usize> {
    let bytes = inner.as_bytes();
    let mut quote = None;
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if open == *byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            (Some(_) | None, _) => {}
        }
        at += 1;
    }
    None
}

impl Template {
    /// Compiles a text. `place` says where a byte of the text stands in the file. Offsets of the problems are
    /// bytes of the text.
    pub(crate) fn compile(text: &str, place: &dyn Fn(usize) -> (u32, u32)) -> Result<Self, Vec<Problem>> {
        let mut parts = Vec::new();
        let mut problems = Vec::new();
        for slice in split(text).map_err(|problem| vec![problem])? {
            match slice {
                Slice::Text(text) => parts.push(Part::Text(text.into())),
                Slice::Expression(source, at) => match Expression::compile(source, place(at)) {
                    Ok(expression) => parts.push(Part::Expression(expression)),
                    Err(found) => problems.extend(
                        found.into_iter().map(|problem| Problem { offset: problem.offset + at, ..problem }),
                    ),
                },
            }
        }
        if problems.is_empty() { Ok(Self { parts: parts.into() }) } else { Err(problems) }
    }

    /// A text without expressions.
    pub(crate) fn constant(text: &str) -> Self {
        Self { parts: [Part::Text(text.into())].into() }
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The expressions in it.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Text(_) => None,
        })
    }

    /// The text, if there is no expression in it.
    pub(crate) fn as_constant(&self) -> Option<String> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => Some(&**text),
                Part::Expression(_) => None,
            })
            .collect()
    }

    /// The expression, if the text is nothing else.
    pub(crate) const fn as_expression(&self) -> Option<&Expression> {
        match &*self.parts {
            [Part::Expression(expression)] => Some(expression),
            _ => None,
        }
    }

    /// The names of the secrets it reads.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.expressions().filter_map(Expression::secret)
    }

    /// The text with its expressions filled in.
    pub fn text(&self, context: &Context<'_>) -> Result<String, ExpressionError> {
        self.text_in(&Scope::of(context))
    }

    pub(crate) fn text_in(&self, scope: &Scope<'_>) -> Result<String, ExpressionError> {
        let mut out = String::new();
        self.write(scope, &mut out)?;
        Ok(out)
    }

    pub(crate) fn write(&self, scope: &Scope<'_>, out: &mut String) -> Result<(), ExpressionError> {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Expression(expression) => expression.write_text(scope, out)?,
            }
            within_limit(out)?;
        }
        Ok(())
    }

    /// The value of the expression, if the text is nothing else, with its JSON type; else the text.
    pub(crate) fn value_in(&self, scope: &Scope<'_>) -> Result<Value, ExpressionError> {
        match self.as_expression() {
            Some(expression) => match expression.secret() {
                Some(_) => self.text_in(scope).map(Value::String),
                None => expression.evaluate_in(scope),
            },
            None => self.text_in(scope).map(Value::String),
        }
    }
}

/// Refuses a text that grew beyond the limit.
pub(crate) fn within_limit(out: &str) -> Result<(), ExpressionError> {
    if out.len() > MAX_RENDERED_BYTES {
        return Err(ExpressionError::plain(format!("the text is longer than {MAX_RENDERED_BYTES} bytes")));
    }
    Ok(())
}
