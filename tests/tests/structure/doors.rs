//! Doors: what only one room may do is locked for all others by `daemon/clippy.toml`, and opened where the room is.

use crate::lexer::code_only;
use crate::tree::{SourceFile, files, line_of, root};
use crate::{Finding, assert_caught, assert_clean};

/// What must be locked, and the word by which the lock's reason names the right door.
const LOCKS: &[(&str, &str)] = &[
    ("tokio::spawn", "supervise"),
    ("std::thread::spawn", "supervise"),
    ("std::time::SystemTime::now", "clock"),
    ("std::time::Instant::now", "clock"),
    ("tokio::time::sleep", "clock"),
    ("std::env::var", "config"),
    ("std::process::exit", "main"),
    ("rusqlite::Connection::open", "store"),
    ("rusqlite::Connection::open_with_flags", "store"),
];

/// The rooms that open a door for themselves.
const KEYHOLDERS: &[&str] = &[
    "daemon/src/supervise",
    "daemon/src/clock.rs",
    "daemon/src/config",
    "daemon/src/store",
    "daemon/src/egress",
];

fn check_locks(text: &str) -> Vec<Finding> {
    let path = "daemon/clippy.toml";
    let table: toml::Table = text.parse().expect("clippy.toml is TOML");
    let locked = table.get("disallowed-methods").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let reason = |wanted: &str| {
        let entry = locked.iter().find(|e| e.get("path").and_then(toml::Value::as_str) == Some(wanted))?;
        entry.get("reason").and_then(toml::Value::as_str).map(str::to_owned)
    };
    LOCKS
        .iter()
        .filter(|(method, door)| !reason(method).is_some_and(|reason| reason.contains(door)))
        .map(|(method, door)| {
            Finding::new(path, 1, format!("`{method}` is not locked with a word on `{door}`"))
        })
        .collect()
}

fn check_keys(sources: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in sources.iter().filter(|f| f.under("daemon/src")) {
        if KEYHOLDERS.iter().any(|room| file.path == *room || file.under(room)) {
            continue;
        }
        let code = code_only(&file.text);
        for (at, _) in code.match_indices("clippy::disallowed_methods") {
            let message = "opens a door that is another room's (daemon/clippy.toml)";
            findings.push(Finding::new(&file.path, line_of(&code, at), message));
        }
    }
    findings
}

#[test]
fn the_doors_are_locked() {
    let text =
        std::fs::read_to_string(root().join("daemon/clippy.toml")).expect("daemon/clippy.toml is there");
    assert_clean("the locks of the daemon", &check_locks(&text));
}

#[test]
fn only_the_room_itself_opens_its_door() {
    assert_clean("the keys to the daemon's doors", &check_keys(&files(&["rs"])));
}

#[test]
fn a_missing_lock_and_a_stolen_key_are_caught() {
    assert_caught(&check_locks("disallowed-methods = []"), "tokio::spawn");
    let vague = "disallowed-methods = [{ path = \"tokio::spawn\", reason = \"no\" }]";
    assert_caught(&check_locks(vague), "tokio::spawn");
    let text = "//! Doc.\n#[expect(clippy::disallowed_methods, reason = \"quick\")]\nfn f() {}";
    assert_caught(&check_keys(&[SourceFile::sample("daemon/src/service/runs.rs", text)]), "another room's");
    assert_eq!(check_keys(&[SourceFile::sample("daemon/src/clock.rs", text)]), []);
}
