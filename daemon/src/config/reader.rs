//! Walks a parsed file, collects findings with their places, and suggests the nearest known key.

use std::ops::{Range, RangeInclusive};

use tenantry_protocol::error::{Finding, Severity};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::setting::Setting;

/// A key and its value, each with its place in the text.
pub(super) type Entry<'e, 't> = (&'e Spanned<std::borrow::Cow<'t, str>>, &'e Spanned<DeValue<'t>>);

/// The most findings that are reported at once.
const FINDINGS_LIMIT: usize = 50;

/// Collects what is wrong with one text.
pub(super) struct Reader<'t> {
    text: &'t str,
    file: &'t str,
    /// The section being read, such as `api.`; empty at the top.
    section: String,
    findings: Vec<Finding>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, file: &'t str) -> Self {
        Self { text, file, section: String::new(), findings: Vec::new() }
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Parses the text and hands its top table on; a syntax error is a finding as well.
    pub(super) fn document(&mut self, read: impl FnOnce(&DeTable<'t>, &mut Self)) {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            self.find("syntax", &error.span().unwrap_or(0..0), error.message().to_owned(), None);
        }
        // A broken text gives a table with holes, in which everything further would be a misleading finding.
        if errors.is_empty() {
            read(document.get_ref(), self);
        }
    }

    /// Reads a section; what is no table is a finding.
    pub(super) fn section(
        &mut self,
        (key, value): Entry<'_, '_>,
        read: impl FnOnce(&DeTable<'_>, &mut Self),
    ) {
        let name = key.get_ref();
        if let Some(table) = value.get_ref().as_table() {
            let outer = self.section.clone();
            self.section = format!("{outer}{name}.");
            read(table, self);
            self.section = outer;
        } else {
            let message = format!("{0}{name} is a section, write [{0}{name}]", self.section);
            self.find("wrong-type", &value.span(), message, None);
        }
    }

    /// Reads one setting into its place; out of range or of the wrong kind is a finding.
    pub(super) fn setting<T: Setting>(
        &mut self,
        (key, value): Entry<'_, '_>,
        place: &mut T,
        range: Option<&dyn Bounds<T>>,
    ) {
        let name = format!("{}{}", self.section, key.get_ref());
        match T::read(value.get_ref()) {
            Ok(read) => match range.and_then(|range| range.broken_by(&read)) {
                None => *place = read,
                Some(allowed) => {
                    let message = format!("{name} is {}, allowed is {allowed}", read.write());
                    self.find("out-of-range", &value.span(), message, None);
                }
            },
            Err(expected) => self.find("wrong-type", &value.span(), format!("{name}: {expected}"), None),
        }
    }

    /// Reports a key that is not among the known ones, with the nearest of those.
    pub(super) fn unknown(&mut self, (key, _): Entry<'_, '_>, known: &[&str]) {
        let name = key.get_ref();
        let noun = if self.section.is_empty() { "section" } else { "key" };
        let suggestion = nearest(name, known).map_or_else(
            || format!("known here: {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("unknown {noun} `{}{name}`", self.section);
        self.find("unknown-key", &key.span(), message, Some(suggestion));
    }

    /// Reports two settings that do not go together. There is no single place for that.
    pub(super) fn conflict(&mut self, message: String) {
        self.find("conflict", &(0..0), message, None);
    }

    fn find(&mut self, code: &str, span: &Range<usize>, message: String, suggestion: Option<String>) {
        if self.findings.len() >= FINDINGS_LIMIT {
            return;
        }
        let (line, column) = if span.end == 0 { (0, 0) } else { self.place(span.start) };
        self.findings.push(Finding {
            code: code.to_owned(),
            severity: Severity::Error,
            file: self.file.to_owned(),
            line,
            column,
            message,
            suggestion,
            snippet: None,
        });
    }

    /// Line and column of a byte, counted from 1, the column in characters.
    fn place(&self, byte: usize) -> (u32, u32) {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line as u32, before[line_start..].chars().count() as u32 + 1)
    }
}

/// What values are allowed.
pub(super) trait Bounds<T> {
    /// `None` where the value is allowed, otherwise the allowed range in words.
    fn broken_by(&self, value: &T) -> Option<String>;
}

impl<T: Setting + PartialOrd> Bounds<T> for RangeInclusive<T> {
    fn broken_by(&self, value: &T) -> Option<String> {
        (!self.contains(value)).then(|| format!("{} to {}", self.start().write(), self.end().write()))
    }
}

/// The known word with the smallest edit distance, where that is small enough to be a slip.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let scored = known.iter().map(|candidate| (distance(word, candidate), *candidate));
    let (best, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    (best <= 1 + candidate.len() / 4).then_some(candidate)
}

/// Levenshtein's distance; a swap of neighbours costs two.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
