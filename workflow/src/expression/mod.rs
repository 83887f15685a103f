//! Expressions inside `${{ }}`: read and compiled once when a workflow is checked, evaluated on the hot path.
//!
//! A plain path such as `event.body.id` is followed directly on the JSON values. Everything else goes to the
//! engine, with fuel, on exactly the values that the expression's paths name. An evaluation sees nothing but
//! the [`Context`]: no clock, no files, no environment. Secrets never enter the engine. Go next to
//! [`template`] for text around expressions and to [`scan`] for how an expression is read.

mod engine;
mod error;
mod path;
mod scan;
mod template;
mod value;

pub(crate) use engine::{filters, tests as test_names};
pub use error::ExpressionError;
pub(crate) use path::{Found, Path, Progress, Scope, Segment};
pub(crate) use scan::{Problem, ProblemKind, scan};
pub use template::Template;
pub(crate) use template::{Part, Slice, split};
pub use value::ValueTemplate;

use serde_json::Value;

use crate::context::{Context, Root};
use engine::Program;

/// The names of all functions.
pub(crate) fn functions() -> Vec<&'static str> {
    path::Status::ALL.iter().map(|status| status.as_str()).chain(engine::FUNCTIONS.iter().copied()).collect()
}

/// One compiled expression.
#[derive(Debug)]
pub struct Expression {
    /// As written, trimmed.
    source: Box<str>,
    /// Line and column of its first character, from 1.
    place: (u32, u32),
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// Followed directly.
    Path(Path),
    /// Evaluated by the engine.
    Program(Program),
}

impl Expression {
    /// Compiles an expression. The problems have offsets in bytes from the start of `source`.
    pub(crate) fn compile(source: &str, place: (u32, u32)) -> Result<Self, Vec<Problem>> {
        let scanned = scan(source);
        if !scanned.problems.is_empty() {
            return Err(scanned.problems);
        }
        let form = match scanned.only_path() {
            Some(path) => Form::Path(path),
            None => Form::Program(
                Program::compile(scanned)
                    .map_err(|message| vec![Problem { offset: 0, kind: ProblemKind::Syntax(message) }])?,
            ),
        };
        Ok(Self { source: source.into(), place, form })
    }

    /// The expression as written, without its delimiters.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Line and column in the workflow's text, from 1.
    pub const fn place(&self) -> (u32, u32) {
        self.place
    }

    /// The paths it reads.
    pub(crate) fn paths(&self) -> &[Path] {
        match &self.form {
            Form::Path(path) => std::slice::from_ref(path),
            Form::Program(program) => program.paths(),
        }
    }

    /// Whether it is one plain path and nothing else.
    pub(crate) const fn as_path(&self) -> Option<&Path> {
        match &self.form {
            Form::Path(path) => Some(path),
            Form::Program(_) => None,
        }
    }

    /// Whether it asks for `success()`, `failure()`, `always()` or `cancelled()`.
    pub(crate) fn reads_progress(&self) -> bool {
        self.paths().iter().any(|path| matches!(path, Path::Status(_)))
    }

    /// The name of the secret, if it is `secrets.NAME`.
    pub(crate) fn secret(&self) -> Option<&str> {
        self.as_path().and_then(Path::secret)
    }

    /// Its value, with its JSON type.
    pub fn evaluate(&self, context: &Context<'_>) -> Result<Value, ExpressionError> {
        self.evaluate_in(&Scope::of(context))
    }

    /// Whether its value counts as true: everything but `false`, `null`, `0`, `""`, `[]` and `{}`.
    pub fn truth(&self, context: &Context<'_>) -> Result<bool, ExpressionError> {
        self.truth_in(&Scope::of(context))
    }

    pub(crate) fn evaluate_in(&self, scope: &Scope<'_>) -> Result<Value, ExpressionError> {
        match &self.form {
            Form::Path(path) => match path.resolve(scope) {
                Found::Value(value) => Ok(value.clone()),
                Found::Text(text) => Ok(Value::String(text.to_owned())),
                Found::Truth(truth) => Ok(Value::Bool(truth)),
                Found::Missing => Err(self.missing(path)),
            },
            Form::Program(program) => program.value(scope).map_err(|message| self.failure(message)),
        }
    }

    pub(crate) fn truth_in(&self, scope: &Scope<'_>) -> Result<bool, ExpressionError> {
        match &self.form {
            Form::Path(path) => match path.resolve(scope) {
                Found::Value(value) => Ok(counts_as_true(value)),
                Found::Text(text) => Ok(!text.is_empty()),
                Found::Truth(truth) => Ok(truth),
                Found::Missing => Err(self.missing(path)),
            },
            Form::Program(program) => program.truth(scope).map_err(|message| self.failure(message)),
        }
    }

    /// Writes its value as text: strings as they are, `null` as nothing, the rest as JSON.
    pub(crate) fn write_text(&self, scope: &Scope<'_>, out: &mut String) -> Result<(), ExpressionError> {
        match &self.form {
            Form::Path(path) => match path.resolve(scope) {
                Found::Value(value) => self.write_value(value, out),
                Found::Text(text) => {
                    out.push_str(text);
                    Ok(())
                }
                Found::Truth(truth) => {
                    out.push_str(if truth { "true" } else { "false" });
                    Ok(())
                }
                Found::Missing => Err(self.missing(path)),
            },
            Form::Program(_) => self.write_value(&self.evaluate_in(scope)?, out),
        }
    }

    fn write_value(&self, value: &Value, out: &mut String) -> Result<(), ExpressionError> {
        match value {
            Value::String(text) => out.push_str(text),
            Value::Null => {}
            other => value::write_json(other, out).map_err(|error| self.failure(error.to_string()))?,
        }
        Ok(())
    }

    fn missing(&self, path: &Path) -> ExpressionError {
        let message = match path {
            Path::Data { root: Root::Secrets, .. } => format!("the secret behind `{path}` was not given"),
            Path::Data { root: Root::Vars, .. } => format!("the tenant has no variable `{path}`"),
            _ => format!("`{path}` does not exist here"),
        };
        self.failure(message)
    }

    /// An error at this expression.
    pub(crate) fn failure(&self, message: String) -> ExpressionError {
        ExpressionError {
            message,
            expression: Some(self.source.to_string()),
            place: Some(self.place),
            step: None,
        }
    }
}

/// The language's notion of truth, the same as the engine's.
pub(crate) fn counts_as_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

#[cfg(test)]
mod tests;
