//! The program itself, without a daemon: what it says about itself and how it ends.
//!
//! This test is also why `cargo test --workspace` builds the program, which the tests in `tests/` then run.

#![expect(clippy::unwrap_used, reason = "a test that cannot start the program has failed")]

use std::process::{Command, Output};

fn tenantry(args: &[&str]) -> Output {
    let nowhere = std::env::temp_dir().join("tenantry-test-no-such-socket");
    Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(args)
        .env("TENANTRY_SOCKET", nowhere)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

#[test]
fn it_says_its_version_and_helps() {
    let version = tenantry(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        concat!("tenantry ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let help = tenantry(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("tenantry demo"));
}

#[test]
fn a_mistake_ends_with_2_and_a_suggestion() {
    let output = tenantry(&["tenannt", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("'tenant'"), "{output:?}");
}

#[test]
fn without_a_daemon_it_ends_with_69() {
    let output = tenantry(&["tenant", "list"]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert!(output.stdout.is_empty());
}
