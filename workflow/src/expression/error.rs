//! Why an expression has no value. The message names the expression, never the value of a secret.

use std::fmt;

use tenantry_protocol::error::ErrorCode;

/// An expression that could not be evaluated, or a value that may not stand where it was rendered to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// What is wrong.
    pub message: String,
    /// The expression as written, without its delimiters.
    pub expression: Option<String>,
    /// Line and column in the workflow's text, from 1.
    pub place: Option<(u32, u32)>,
    /// The id of the step in which it stands.
    pub step: Option<String>,
}

impl ExpressionError {
    /// An error that belongs to no single expression.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self { message: message.into(), expression: None, place: None, step: None }
    }

    /// The same error, said to be in a step.
    #[must_use]
    pub(crate) fn in_step(mut self, id: &str) -> Self {
        self.step = Some(id.to_owned());
        self
    }

    /// The code under which people meet it.
    pub const fn code(&self) -> ErrorCode {
        ErrorCode::ExpressionFailed
    }
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(step) = &self.step {
            write!(f, "step `{step}`: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(expression) = &self.expression {
            write!(f, " in `${{{{ {expression} }}}}`")?;
        }
        if let Some((line, column)) = self.place {
            write!(f, " (line {line}, column {column})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ExpressionError {}
