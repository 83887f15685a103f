//! Collects findings, gives each its place and its snippet.
//!
//! All findings of a text are reported at once, in the order of the text, up to a limit.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use tenantry_protocol::error::{Finding, Severity};

use crate::limits::MAX_FINDINGS;
use crate::source::Source;

/// Lines shown before and after the line of a finding.
const SNIPPET_CONTEXT: usize = 1;
/// Bytes of a line up to which snippets are made.
const MAX_SNIPPET_BYTES: usize = 2_000;

/// Bytes of lines that the snippets of one text show together; findings after that have their place alone. A hundred
/// findings in ordinary lines need less; drawing a long line is slow.
const SNIPPETS_BYTES: usize = 24_000;

/// The findings of one text.
#[derive(Debug)]
pub(crate) struct Findings<'s> {
    source: &'s Source<'s>,
    list: Vec<Finding>,
    /// Where the errors begin, in bytes.
    errors: Vec<usize>,
    dropped: usize,
    /// Bytes that snippets may still show.
    shown: usize,
}

impl<'s> Findings<'s> {
    pub(crate) const fn new(source: &'s Source<'s>) -> Self {
        Self { source, list: Vec::new(), errors: Vec::new(), dropped: 0, shown: SNIPPETS_BYTES }
    }

    pub(crate) const fn source(&self) -> &'s Source<'s> {
        self.source
    }

    pub(crate) fn error(
        &mut self,
        code: &str,
        span: Range<usize>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.add(code, Severity::Error, span, message.into(), suggestion);
    }

    pub(crate) fn warning(
        &mut self,
        code: &str,
        span: Range<usize>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.add(code, Severity::Warning, span, message.into(), suggestion);
    }

    fn add(
        &mut self,
        code: &str,
        severity: Severity,
        span: Range<usize>,
        message: String,
        suggestion: Option<String>,
    ) {
        let (line, column) = self.source.place(span.start);
        let repeated =
            |other: &Finding| other.line == line && other.column == column && other.message == message;
        if self.list.iter().any(repeated) {
            return;
        }
        if self.list.len() >= MAX_FINDINGS {
            self.dropped += 1;
            return;
        }
        if severity == Severity::Error {
            self.errors.push(span.start);
        }
        let snippet = self.snippet(severity, &span, line as usize, &message);
        self.list.push(Finding {
            code: code.to_owned(),
            severity,
            file: self.source.file.to_owned(),
            line,
            column,
            message,
            suggestion,
            snippet,
        });
    }

    /// Whether an error stands in this stretch of the text: what follows from it need not be said.
    pub(crate) fn has_error_in(&self, span: &Range<usize>) -> bool {
        self.errors.iter().any(|at| span.contains(at) || *at == span.start)
    }

    /// Whether further findings are only counted, so that nothing need be said about them.
    pub(crate) const fn is_full(&self) -> bool {
        self.list.len() >= MAX_FINDINGS
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.dropped > 0 || self.list.iter().any(|finding| finding.severity == Severity::Error)
    }

    pub(crate) fn finish(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| (finding.line, finding.column));
        if self.dropped > 0 {
            let message = format!("{} more findings are not shown", self.dropped);
            self.list.push(Finding {
                code: "too-many-findings".to_owned(),
                severity: Severity::Error,
                file: self.source.file.to_owned(),
                line: 0,
                column: 0,
                message,
                suggestion: Some("correct the ones above first".to_owned()),
                snippet: None,
            });
        }
        self.list
    }

    /// The lines around a place, with a mark below it. Only those lines are given to the renderer, so a long
    /// text costs nothing.
    fn snippet(
        &mut self,
        severity: Severity,
        span: &Range<usize>,
        line: usize,
        message: &str,
    ) -> Option<String> {
        let first = line.saturating_sub(SNIPPET_CONTEXT).max(1);
        let from = self.source.line_start(first);
        let to = self.source.line_start(line + SNIPPET_CONTEXT + 1);
        let window = self.source.text.get(from..to)?.trim_end_matches(['\n', '\r']);
        if window.is_empty() || window.len() > MAX_SNIPPET_BYTES {
            return None;
        }
        self.shown = self.shown.checked_sub(window.len())?;
        let line_end = self.source.line_start(line + 1).saturating_sub(1).max(span.start);
        let start = span.start.checked_sub(from)?.min(window.len());
        let end = span.end.min(line_end).saturating_sub(from).clamp(start, window.len());
        let sane = window.is_char_boundary(start) && window.is_char_boundary(end);
        let level = match severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let shown = Snippet::source(window)
            .line_start(first)
            .path(self.source.file)
            .fold(false)
            .annotation(AnnotationKind::Primary.span(start..end));
        sane.then(|| Renderer::plain().render(&[level.primary_title(message).element(shown)]))
    }
}
