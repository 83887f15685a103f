//! The results of tests as they are shown.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use tenantry_protocol::printable::printable;
use tenantry_workflow::rehearsal::{self, Mismatch};

use crate::moment;
use crate::state::step_tone;
use crate::table::{Tone, push_toned};

/// The longest value that is shown whole, in characters.
const VALUE_LIMIT: usize = 300;

/// The results of all files.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) ok: bool,
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) files: Vec<FileReport>,
}

/// The results of one file.
#[derive(Serialize)]
pub(super) struct FileReport {
    pub(super) file: String,
    pub(super) workflow: String,
    pub(super) tests: Vec<rehearsal::Report>,
}

impl Report {
    /// For people, sanitised.
    pub(super) fn text(&self, verbose: bool, colour: bool) -> String {
        let mut out = String::new();
        for file in &self.files {
            push_toned(&mut out, &printable(&file.file), Tone::Strong, colour);
            out.push('\n');
            for test in &file.tests {
                one(test, &file.file, verbose, colour, &mut out);
            }
        }
        out.push('\n');
        let tone = if self.ok { Tone::Good } else { Tone::Bad };
        let failed = if self.failed == 0 { String::new() } else { format!(", {} failed", self.failed) };
        push_toned(&mut out, &format!("{} passed{failed}", self.passed), tone, colour);
        out.push('\n');
        out
    }
}

fn one(test: &rehearsal::Report, file: &str, verbose: bool, colour: bool, out: &mut String) {
    let (word, tone) = if test.passed() { ("ok  ", Tone::Good) } else { ("FAIL", Tone::Bad) };
    out.push_str("  ");
    push_toned(out, word, tone, colour);
    out.push_str("  ");
    out.push_str(&printable(&test.name));
    let run = test.run.map_or_else(
        || "no run".to_owned(),
        |state| format!("{state}, {}", moment::milliseconds(i64::try_from(test.took_ms).unwrap_or(i64::MAX))),
    );
    push_toned(out, &format!("  ({run})"), Tone::Dim, colour);
    out.push('\n');
    if !test.passed() {
        push_toned(out, &format!("        {}:{}\n", printable(file), test.line), Tone::Dim, colour);
    }
    for mismatch in &test.mismatches {
        out.push_str(&text(mismatch, colour));
    }
    if verbose || !test.passed() {
        for step in &test.steps {
            let mut line = String::new();
            push_toned(&mut line, step.state.as_str(), step_tone(step.state), colour);
            let attempts =
                if step.attempts > 1 { format!(", {} attempts", step.attempts) } else { String::new() };
            writeln!(out, "        {}: {line}{attempts}", printable(&step.id)).ok();
        }
    }
}

/// A mismatch over one to three lines.
fn text(mismatch: &Mismatch, colour: bool) -> String {
    let mut out = String::new();
    match &mismatch.wanted {
        None => {
            let why = mismatch.got.as_str().unwrap_or_default();
            writeln!(out, "        {}", printable(why)).ok();
        }
        Some(wanted) => {
            writeln!(out, "        {}", printable(&mismatch.what)).ok();
            for (label, value, tone) in [("wanted", wanted, Tone::Good), ("got", &mismatch.got, Tone::Bad)] {
                let mut line = String::new();
                push_toned(&mut line, &printable(&shown(value)), tone, colour);
                writeln!(out, "          {label:6}  {line}").ok();
            }
        }
    }
    out
}

/// A value, cut where it is long.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= VALUE_LIMIT {
        return text;
    }
    let short: String = text.chars().take(VALUE_LIMIT).collect();
    format!("{short}…")
}
