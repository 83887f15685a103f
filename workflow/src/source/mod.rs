//! Texts into trees with places. One tree for YAML, TOML and JSON, so the language is checked once.
//!
//! Only this room knows the notations and their parsers. It keeps the limits on size, depth and number of
//! values, and reports duplicate keys. Go next to [`crate::language`] for what a tree may hold.

mod json;
pub(crate) mod layout;
mod toml;
mod tree;
mod yaml;

pub(crate) use tree::{Key, Kind, Node, Scalar};

use std::ops::Range;

use crate::findings::Findings;
use crate::format::Format;

/// A text, its name, and where its lines begin.
#[derive(Debug)]
pub(crate) struct Source<'t> {
    pub(crate) file: &'t str,
    pub(crate) text: &'t str,
    lines: Vec<usize>,
}

/// Parses a text. `None` if it cannot be read at all; the findings say why.
pub(crate) fn parse(text: &str, format: Format, findings: &mut Findings<'_>) -> Option<Node> {
    match format {
        Format::Yaml => yaml::parse(text, findings),
        Format::Toml => toml::parse(text, findings),
        Format::Json => json::parse(text, findings),
    }
}

impl<'t> Source<'t> {
    pub(crate) fn new(file: &'t str, text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { file, text, lines: std::iter::once(0).chain(breaks).collect() }
    }

    /// Line and column of a byte, both from 1, columns in characters.
    pub(crate) fn place(&self, byte: usize) -> (u32, u32) {
        let line = self.lines.partition_point(|start| *start <= byte).max(1);
        let start = self.line_start(line);
        let before = self.text.get(start..byte.min(self.text.len())).unwrap_or_default();
        (line as u32, before.chars().count() as u32 + 1)
    }

    /// Where a line begins, lines counted from 1; the end of the text for lines beyond it.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        self.lines.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    /// The byte of a line and a column in characters, both from 1.
    pub(crate) fn byte(&self, line: usize, column: usize) -> usize {
        let start = self.line_start(line);
        let rest = self.text.get(start..).unwrap_or_default();
        start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at)
    }

    /// Where in the text a byte of a scalar's value stands. Exact as long as nothing before it in the scalar
    /// is escaped or folded; else the beginning of the expression it belongs to, or of the scalar.
    pub(crate) fn inside(&self, span: &Range<usize>, value: &str, offset: usize) -> usize {
        let raw = self.text.get(span.clone()).unwrap_or_default();
        if let Some(at) = raw.find(value) {
            return span.start + at + offset;
        }
        let before = value.get(..offset).unwrap_or_default();
        let Some(open) = before.rfind("${{") else {
            return span.start;
        };
        let count = before.matches("${{").count();
        let Some((at, _)) = raw.match_indices("${{").nth(count - 1) else {
            return span.start;
        };
        let same =
            value.get(open..offset).is_some_and(|part| raw.get(at..).is_some_and(|r| r.starts_with(part)));
        span.start + at + if same { offset - open } else { 0 }
    }
}
