//! The shape of a file: a module doc first, at most 500 lines, no silenced lint, `unsafe` in one room, no skipped test
//! without a reason, nothing left half built.

use crate::lexer::code_only;
use crate::tree::{SourceFile, files, line_of};
use crate::{Finding, assert_caught, assert_clean};

/// Lines of a file without its test module.
const CEILING: usize = 500;

/// The only rooms in which `unsafe` may stand: what is done between fork and exec has no safe form.
const UNSAFE_ROOMS: &[&str] = &["runner/src/sandbox"];

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Lines before the trailing `#[cfg(test)] mod …`.
fn product_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests =
        lines.windows(2).position(|w| w[0].trim() == "#[cfg(test)]" && w[1].trim_start().starts_with("mod "));
    tests.unwrap_or(lines.len())
}

fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |line: usize, message: String| findings.push(Finding::new(&file.path, line, message));
    let code = code_only(&file.text);
    let in_tests = file.under("tests") || file.path.ends_with("/tests.rs") || file.path.contains("/tests/");

    // A `tests.rs` beside its module is told by that module's doc.
    if !file.text.trim_start().starts_with("//!") && !file.path.ends_with("/tests.rs") {
        find(1, "begins without a module doc (`//!`): what is this room for?".to_owned());
    }
    if file.text.trim_start().starts_with("//! Being built") {
        find(1, "is still a placeholder".to_owned());
    }
    let lines = product_lines(&file.text);
    if lines > CEILING && !in_tests {
        find(CEILING, format!("has {lines} lines, more than {CEILING}: cut it by noun"));
    }
    for pattern in ["#[allow(", "#![allow("] {
        for (at, _) in code.match_indices(pattern) {
            find(
                line_of(&code, at),
                "`allow` hides a lint for good; write `expect` with a reason".to_owned(),
            );
        }
    }
    for (at, _) in code.match_indices("#[ignore]") {
        find(line_of(&code, at), "a skipped test says why: `#[ignore = \"…\"]`".to_owned());
    }
    if !UNSAFE_ROOMS.iter().any(|room| file.under(room) || file.path == format!("{room}.rs")) {
        for (at, word) in code.match_indices("unsafe") {
            let after = code[at + word.len()..].chars().next().unwrap_or(' ');
            if !code[..at].ends_with(is_word) && !is_word(after) {
                find(line_of(&code, at), format!("`unsafe` outside of {UNSAFE_ROOMS:?}"));
            }
        }
    }
    findings
}

#[test]
fn every_file_has_the_shape_of_the_house() {
    let findings: Vec<_> = files(&["rs"]).iter().flat_map(check).collect();
    assert_clean("file shape (CONTRIBUTING.md)", &findings);
}

#[test]
fn every_wrong_shape_is_caught() {
    let bad = |text: &str| check(&SourceFile::sample("daemon/src/clock.rs", text));
    assert_caught(&bad("use std::fs;"), "without a module doc");
    assert_caught(&bad("//! Being built."), "placeholder");
    assert_caught(&bad(&format!("//! Doc.\n{}", "fn f() {}\n".repeat(CEILING))), "cut it by noun");
    assert_caught(&bad("//! Doc.\n#[allow(dead_code)]\nfn f() {}"), "write `expect`");
    assert_caught(&bad("//! Doc.\n#[test]\n#[ignore]\nfn f() {}"), "says why");
    assert_caught(&bad("//! Doc.\nfn f() { unsafe { g() } }"), "`unsafe` outside");
}

#[test]
fn right_shapes_pass() {
    let long_tests =
        format!("//! Doc.\nfn f() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}", "// line\n".repeat(CEILING));
    let good =
        ["//! Doc.\n#[ignore = \"needs an hour\"]\nfn unsafe_code() {} // unsafe", long_tests.as_str()];
    for text in good {
        assert_eq!(check(&SourceFile::sample("daemon/src/clock.rs", text)), []);
    }
    let sandbox = SourceFile::sample("runner/src/sandbox/child.rs", "//! Doc.\nunsafe { fork() }");
    assert_eq!(check(&sandbox), []);
}
