//! Tests that need what a machine may not allow: mounts, namespaces, tools. A skip is said where a person sees it, and is
//! a failure where `TENANTRY_TESTS_ALL=1` demands that everything is tested, as `.ci/run` does.
//!
//! What must never happen here: a test that could not look at anything and still looks like one that passed.

use std::io::Write;

/// Demands that nothing is skipped.
const ALL: &str = "TENANTRY_TESTS_ALL";

/// Says that a test is skipped, and why; the caller returns. Panics where everything must be tested.
pub fn skipped(test: &str, why: &str) {
    let demanded = std::env::var_os(ALL).is_some_and(|value| value == "1");
    assert!(!demanded, "{test} cannot be skipped with {ALL}=1: {why}");
    said(test, why);
}

/// Says that a test is skipped for what no installation can change, such as an old kernel; never a failure.
pub fn said(test: &str, why: &str) {
    // Not the captured output: a test that passes hides it.
    drop(writeln!(std::io::stderr(), "SKIPPED {test}: {why}"));
}
