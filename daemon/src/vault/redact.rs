//! Redaction: a tenant's secrets are cut out of everything its runs print, before it is stored or shown.
//!
//! All forms of all secrets are searched at once (Aho-Corasick), over a stream: a secret that is torn over two
//! chunks is found, and a chunk is held back only as far as its end could be the beginning of a secret.
//! It cannot find what a program encrypts, compresses or spells backwards. **Invariant:** the output does not
//! depend on where the stream was cut.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use tenantry_protocol::error::ErrorCode;
use zeroize::Zeroizing;

use super::forms;
use super::secret::{SecretValue, VALUE_MIN};
use crate::error::{Error, Result};

/// What stands where a secret stood.
pub const MARKER: &[u8] = b"***";

/// Longer forms are searched block by block, so that little is held back and a cut costs little work. A block is
/// found wherever it occurs; whoever prints a quarter of a kilobyte of a secret has printed too much.
const BLOCK: usize = 256;

/// The secrets to cut out, ready to search for; cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    search: AhoCorasick,
    /// The forms in order, to see whether the end of a chunk begins one.
    forms: Vec<Zeroizing<Vec<u8>>>,
    longest: usize,
}

/// Cuts secrets out of one stream.
pub struct Redactor {
    secrets: Secrets,
    /// What could be the beginning of a secret.
    held: Zeroizing<Vec<u8>>,
    /// How many bytes of `held` belong to a secret that was found already.
    covered: usize,
    /// Whether the last byte that was passed on was cut out.
    within: bool,
}

impl Secrets {
    /// Prepares the search for these values. That costs about a millisecond for a dozen of them, so whoever
    /// redacts often keeps the result until a secret changes.
    pub fn new<'v>(values: impl IntoIterator<Item = &'v SecretValue>) -> Result<Self> {
        let whole = values.into_iter().flat_map(|value| forms::of_secret(value.expose()));
        let mut forms: Vec<_> = whole.flat_map(|form| blocks(&form)).collect();
        forms.sort_unstable_by(|left, right| left.as_slice().cmp(right.as_slice()));
        forms.dedup();
        let Some(longest) = forms.iter().map(|form| form.len()).max() else {
            return Ok(Self { inner: None });
        };
        let patterns = forms.iter().map(|form| form.as_slice());
        let search = AhoCorasick::builder().match_kind(MatchKind::Standard).build(patterns);
        let search = search.map_err(|error| {
            Error::new(ErrorCode::BadRequest, "the tenant has too many secrets to redact them")
                .with_source(error)
        })?;
        Ok(Self { inner: Some(Arc::new(Inner { search, forms, longest })) })
    }

    /// Whether there is nothing to cut out.
    pub const fn is_empty(&self) -> bool {
        self.inner.is_none()
    }

    /// Starts on a stream.
    pub fn redactor(&self) -> Redactor {
        Redactor { secrets: self.clone(), held: Zeroizing::default(), covered: 0, within: false }
    }

    /// Cuts the secrets out of a whole text.
    pub fn redact(&self, bytes: &[u8]) -> Vec<u8> {
        let mut redactor = self.redactor();
        let mut out = redactor.push(bytes);
        out.extend(redactor.finish());
        out
    }

    /// Cuts the secrets out of a whole text.
    pub fn redact_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.inner.as_ref().is_some_and(|inner| inner.search.is_match(text)) {
            return Cow::Borrowed(text);
        }
        // Only whole forms are cut out; where a form is no text, what is left around it may be none either.
        Cow::Owned(String::from_utf8_lossy(&self.redact(text.as_bytes())).into_owned())
    }

    /// Cuts the secrets out of every text in a JSON value, keys and numbers included.
    pub fn redact_json(&self, value: &mut serde_json::Value) {
        if self.is_empty() {
            return;
        }
        match value {
            serde_json::Value::String(text) => {
                if let Cow::Owned(redacted) = self.redact_text(text) {
                    *text = redacted;
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.redact_json(item)),
            serde_json::Value::Object(entries) => {
                entries.values_mut().for_each(|value| self.redact_json(value));
                if entries.keys().any(|key| matches!(self.redact_text(key), Cow::Owned(_))) {
                    let taken = std::mem::take(entries);
                    entries.extend(
                        taken.into_iter().map(|(key, value)| (self.redact_text(&key).into_owned(), value)),
                    );
                }
            }
            serde_json::Value::Number(number) => {
                if let Cow::Owned(redacted) = self.redact_text(&number.to_string()) {
                    *value = serde_json::Value::String(redacted);
                }
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) => {}
        }
    }
}

impl Redactor {
    /// Takes a chunk and returns what is certain by now.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let Some(inner) = self.secrets.inner.clone() else { return chunk.to_vec() };
        self.held.extend_from_slice(chunk);
        let certain = inner.certain(&self.held);
        self.pass_on(&inner, certain)
    }

    /// The stream has ended; returns what was held back. The redactor is ready for the next stream.
    pub fn finish(&mut self) -> Vec<u8> {
        let Some(inner) = self.secrets.inner.clone() else { return Vec::new() };
        let rest = self.pass_on(&inner, self.held.len());
        self.within = false;
        self.covered = 0;
        rest
    }

    /// Passes the first `certain` bytes of `held` on, those of secrets replaced.
    fn pass_on(&mut self, inner: &Inner, certain: usize) -> Vec<u8> {
        let found = inner.search.find_overlapping_iter(self.held.as_slice());
        let mut spans: Vec<_> =
            found.map(|found| found.range()).filter(|span| span.start < certain).collect();
        spans.push(Range { start: 0, end: self.covered });
        spans.sort_unstable_by_key(|span| span.start);
        let covered = spans.iter().map(|span| span.end).max().unwrap_or_default();
        let mut out = Vec::with_capacity(certain);
        let mut at = 0;
        for span in spans {
            let (start, end) = (span.start, span.end.min(certain));
            if start > at {
                out.extend_from_slice(&self.held[at..start]);
                self.within = false;
                at = start;
            }
            if end > at {
                if !self.within {
                    out.extend_from_slice(MARKER);
                }
                self.within = true;
                at = end;
            }
        }
        if certain > at {
            out.extend_from_slice(&self.held[at..certain]);
            self.within = false;
        }
        self.held.drain(..certain);
        self.covered = covered.saturating_sub(certain);
        out
    }
}

impl Inner {
    /// How many leading bytes cannot belong to a secret that is still to come in full.
    fn certain(&self, held: &[u8]) -> usize {
        let from = held.len().saturating_sub(self.longest - 1);
        let begins = |at: &usize| {
            let rest = &held[*at..];
            // In order, the forms that go on after `rest` follow it directly.
            let next = self.forms.partition_point(|form| form.as_slice() <= rest);
            self.forms.get(next).is_some_and(|form| form.starts_with(rest))
        };
        (from..held.len()).find(begins).unwrap_or(held.len())
    }
}

/// The form itself, or its blocks, none of them shorter than a secret may be.
fn blocks(form: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut blocks = Vec::new();
    let mut rest = form;
    while rest.len() > BLOCK + VALUE_MIN {
        let (block, after) = rest.split_at(BLOCK);
        blocks.push(Zeroizing::new(block.to_vec()));
        rest = after;
    }
    blocks.push(Zeroizing::new(rest.to_vec()));
    blocks
}

#[cfg(test)]
mod tests;
