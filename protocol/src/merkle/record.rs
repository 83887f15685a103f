//! An audit record as a leaf, and the verification of an export without the daemon.
//!
//! **Invariant:** the canonical form never changes: compact JSON with the keys in the order of [`Record`]'s fields,
//! objects inside of `detail` sorted by key. Every leaf ever written depends on it.

use serde_json::Value;

use super::note::{Note, VerifyingKey};
use super::{Frontier, Hash, leaf_hash};
use crate::audit::{AuditFault, AuditVerified, AuditView};
use crate::error::Severity;

/// What a leaf is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the log, from 0.
    pub seq: u64,
    /// Unix milliseconds.
    pub at: i64,
    /// Who acted.
    pub actor: &'a str,
    /// What was done, `noun.verb`.
    pub verb: &'a str,
    /// On what.
    pub resource: &'a str,
    /// `ok` or an error code.
    pub outcome: &'a str,
    /// Joins it with the answer and the telemetry.
    pub request_id: &'a str,
    /// Canonical JSON, from [`canonical`].
    pub detail: &'a str,
}

impl Record<'_> {
    /// The bytes that are hashed.
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = String::with_capacity(192 + self.detail.len());
        out.push_str("{\"seq\":");
        out.push_str(&self.seq.to_string());
        out.push_str(",\"at\":");
        out.push_str(&self.at.to_string());
        for (key, value) in [
            ("actor", self.actor),
            ("verb", self.verb),
            ("resource", self.resource),
            ("outcome", self.outcome),
            ("request_id", self.request_id),
        ] {
            out.push_str(",\"");
            out.push_str(key);
            out.push_str("\":");
            push_text(&mut out, value);
        }
        out.push_str(",\"detail\":");
        out.push_str(self.detail);
        out.push('}');
        out.into_bytes()
    }

    /// The leaf's hash.
    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.canonical())
    }
}

/// JSON that is the same for the same value: compact, objects sorted by key.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    push_value(&mut out, value);
    out
}

fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (place, (key, value)) in entries.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                push_text(out, key);
                out.push(':');
                push_value(out, value);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                push_value(out, item);
            }
            out.push(']');
        }
        Value::String(text) => push_text(out, text),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

/// A JSON string: `"`, `\` and control characters escaped, everything else as it is.
fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                out.push_str("\\u00");
                for digit in [u32::from(c) >> 4, u32::from(c) & 15] {
                    out.extend(char::from_digit(digit, 16));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Checks an audit log record by record, and its checkpoints where the tree reaches their size.
#[derive(Debug)]
pub struct Verifier<'k> {
    frontier: Frontier,
    /// Ascending by size.
    checkpoints: Vec<Checkpoint>,
    next_checkpoint: usize,
    key: Option<&'k VerifyingKey>,
    faults: Vec<AuditFault>,
}

/// A checkpoint as it is stored or exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The size it was made at.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

/// A log with more faults than this is not worth listing further.
const FAULT_LIMIT: usize = 100;

impl<'k> Verifier<'k> {
    /// A verifier of a log with these checkpoints. Signatures are checked where a key is given.
    pub fn new(mut checkpoints: Vec<Checkpoint>, key: Option<&'k VerifyingKey>) -> Self {
        checkpoints.sort_by_key(|checkpoint| checkpoint.size);
        Self { frontier: Frontier::default(), checkpoints, next_checkpoint: 0, key, faults: Vec::new() }
    }

    /// Takes the next record, with the leaf that was stored beside it.
    pub fn record(&mut self, record: &Record, stored_leaf: Option<&Hash>) {
        let expected = self.frontier.size();
        self.checkpoint_here();
        if record.seq != expected {
            self.fault(
                record.seq,
                format!("record {expected} is missing: record {} follows instead", record.seq),
            );
        }
        let leaf = record.leaf();
        if stored_leaf.is_some_and(|stored| *stored != leaf) {
            self.fault(record.seq, "the record does not match its leaf: it was changed".to_owned());
        }
        self.frontier.push(leaf);
    }

    /// Takes the next line of an export.
    pub fn line(&mut self, line: &str) {
        let view: AuditView = match serde_json::from_str(line) {
            Ok(view) => view,
            Err(error) => return self.fault(self.frontier.size(), format!("not an audit record: {error}")),
        };
        let detail = canonical(&view.detail);
        let leaf = from_hex(&view.leaf);
        if leaf.is_none() {
            self.fault(view.seq, "the leaf is not a SHA-256 in hexadecimal digits".to_owned());
        }
        let AuditView { seq, at, actor, verb, resource, outcome, request_id, .. } = &view;
        let record =
            Record { seq: *seq, at: *at, actor, verb, resource, outcome, request_id, detail: &detail };
        self.record(&record, leaf.as_ref());
    }

    /// What was found, when all records are in.
    pub fn finish(mut self) -> AuditVerified {
        self.checkpoint_here();
        for checkpoint in self.checkpoints.split_off(self.next_checkpoint.min(self.checkpoints.len())) {
            let size = checkpoint.size;
            self.fault(size, format!("records are missing at the end: a checkpoint says there were {size}"));
            self.checkpoints.push(checkpoint);
        }
        AuditVerified {
            ok: self.faults.is_empty(),
            records: self.frontier.size(),
            checkpoints: self.checkpoints.len() as u64,
            root: super::note::base64_text(&self.frontier.root()),
            checkpoint: self.checkpoints.pop().map(|checkpoint| checkpoint.note),
            faults: self.faults,
        }
    }

    /// Compares the checkpoints made at the present size.
    fn checkpoint_here(&mut self) {
        while let Some(checkpoint) = self.checkpoints.get(self.next_checkpoint) {
            if checkpoint.size > self.frontier.size() {
                return;
            }
            self.next_checkpoint += 1;
            let (size, root) = (checkpoint.size, self.frontier.root());
            let Some(note) = Note::parse(&checkpoint.note) else {
                self.fault(size, "the checkpoint is not a signed note".to_owned());
                continue;
            };
            let signed = self.key.is_none_or(|key| note.verify(key));
            if note.head.size != size || note.head.root != root {
                self.fault(size, "the records up to here are not those of the checkpoint".to_owned());
            }
            if !signed {
                self.fault(size, "the checkpoint is not signed by the given key".to_owned());
            }
        }
    }

    fn fault(&mut self, at: u64, message: String) {
        if self.faults.len() < FAULT_LIMIT {
            self.faults.push(AuditFault { at, severity: Severity::Error, message });
        }
    }
}

/// Verifies an export: one [`AuditView`] a line, oldest first.
pub fn verify_export<'l>(
    lines: impl IntoIterator<Item = &'l str>,
    checkpoints: Vec<Checkpoint>,
    key: Option<&VerifyingKey>,
) -> AuditVerified {
    let mut verifier = Verifier::new(checkpoints, key);
    for line in lines {
        if !line.trim().is_empty() {
            verifier.line(line);
        }
    }
    verifier.finish()
}

/// A hash in lower-case hexadecimal digits.
pub fn to_hex(hash: &Hash) -> String {
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// The hash that the digits stand for.
pub fn from_hex(digits: &str) -> Option<Hash> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    let mut hash = Hash::default();
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(hash)
}
