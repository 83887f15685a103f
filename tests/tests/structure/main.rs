//! Holds the house together: floors, crate directions, doors, words and file shape, each as a test over the source.
//!
//! A rule is a pure function from files to findings, so every rule also has a test that feeds it a bad sample and
//! expects a finding: a rule that cannot fail proves nothing. An exception is a row in the rule's own list, with its
//! reason. Read `tree.rs` and `lexer.rs` first; every other file here is one rule.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod crates;
mod doors;
mod floors;
mod glossary;
mod lexer;
mod shape;
mod sql;
mod supply;
mod tree;

/// One broken rule, with its place.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

/// Fails with every finding at once, one a line, in the form that editors can jump to.
#[track_caller]
fn assert_clean(rule: &str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    let lines: Vec<_> = findings.iter().map(|f| format!("  {}:{}: {}", f.path, f.line, f.message)).collect();
    panic!("{rule}\n{} finding(s):\n{}", findings.len(), lines.join("\n"));
}

/// Asserts that a rule finds something in a bad sample and that the finding says what is wrong.
#[track_caller]
fn assert_caught(findings: &[Finding], needle: &str) {
    assert!(
        findings.iter().any(|f| f.message.contains(needle)),
        "the rule missed the bad sample; expected {needle:?} in {findings:?}"
    );
}
