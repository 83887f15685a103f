//! Why a text is no cron expression, and where.

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    /// What is wrong.
    pub message: String,
    /// What would be right, if that is known.
    pub help: Option<String>,
    /// Where in the expression, in bytes.
    pub offset: usize,
}

impl CronError {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, offset }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Where in the expression, in characters counted from 1.
    pub fn column(&self, text: &str) -> usize {
        text.get(..self.offset).map_or(1, |before| before.chars().count() + 1)
    }
}
