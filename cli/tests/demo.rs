//! The demo as a newcomer runs it: it must hold on any machine, without root, without a network, again and again.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test that cannot start the program has failed")]

use std::process::{Command, Output};

use serde_json::Value;

/// Runs the demo with everything of the user's own out of reach.
fn demo(args: &[&str]) -> (Output, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .arg("demo")
        .args(args)
        .env("HOME", home.path())
        .env("TMPDIR", home.path())
        .env_remove("XDG_STATE_HOME")
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .unwrap();
    (output, home)
}

#[test]
fn every_check_holds_twice_in_a_row_and_nothing_is_left_behind() {
    for _ in 0..2 {
        let (output, home) = demo(&["-o", "json"]);
        let told = String::from_utf8_lossy(&output.stdout);
        let report: Value = serde_json::from_str(&told).unwrap_or_default();
        assert_eq!(report["ok"], true, "{told}\n{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0));
        for tenant in ["acme", "globex"] {
            for stage in ["trigger-ms", "action-ms", "logging-ms", "notification-ms"] {
                assert!(report["stages"][tenant][stage].is_u64(), "{tenant} {stage}: {told}");
            }
        }
        let names: Vec<_> =
            report["checks"].as_array().unwrap().iter().filter_map(|check| check["name"].as_str()).collect();
        for name in
            ["forged", "foreign-read", "foreign-as-absent", "inbox", "notification", "audit-log", "drain"]
        {
            assert!(names.contains(&name), "{name} was not checked: {names:?}");
        }
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "something was left behind");
    }
}

#[test]
fn a_person_reads_what_happened_and_what_to_do_next() {
    let (output, _home) = demo(&[]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("Trigger → Action → Logging → Notification"), "{told}");
    assert!(told.contains("tenantry up") && !told.contains("failed"), "{told}");
    assert!(!told.contains('\u{1b}'), "no colour in a pipe");
}
