//! Which crate may know which: ours by direction, others by the one crate that is their home.

use std::collections::BTreeSet;

use crate::lexer::code_only;
use crate::tree::{SourceFile, files, line_of};
use crate::{Finding, assert_caught, assert_clean};

/// Crate → those of ours that it may depend on.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("tenantry-protocol", &[]),
    ("tenantry-workflow", &["tenantry-protocol"]),
    ("tenantry-daemon", &["tenantry-protocol", "tenantry-workflow"]),
    ("tenantry-runner", &["tenantry-protocol"]),
    ("tenantry-tui", &["tenantry-protocol"]),
    (
        "tenantry",
        &["tenantry-protocol", "tenantry-workflow", "tenantry-tui", "tenantry-daemon", "tenantry-runner"],
    ),
];

/// Crates that stand outside of the product and may know everything.
const OUTSIDE: &[&str] = &["tenantry-tests", "tenantry-bench"];

/// Third-party crate → its only homes in the product. The rest of the product must not feel it when it is replaced.
const HOMES: &[(&str, &[&str])] = &[
    ("axum", &["tenantry-daemon"]),
    ("clap", &["tenantry"]),
    ("crossterm", &["tenantry-tui"]),
    ("governor", &["tenantry-daemon"]),
    ("jaq-core", &["tenantry-runner"]),
    ("landlock", &["tenantry-runner"]),
    ("minijinja", &["tenantry-workflow"]),
    ("ratatui", &["tenantry-tui"]),
    ("rusqlite", &["tenantry-daemon"]),
    ("seccompiler", &["tenantry-runner"]),
];

/// Third-party crate → the one room in its home that may use it.
const ROOMS: &[(&str, &str)] = &[("landlock", "runner/src/sandbox"), ("seccompiler", "runner/src/sandbox")];

/// The files of the `tenantry` binary through which the server enters it.
const SERVER_DOORS: &[&str] =
    &["cli/src/commands/daemon.rs", "cli/src/commands/runner.rs", "cli/src/commands/demo.rs"];

/// Names that tell no one what belongs into a room.
const EMPTY_NAMES: &[&str] =
    &["core", "common", "util", "utils", "types", "models", "helpers", "helper", "misc"];

fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    let manifest: toml::Table = text.parse().expect("a manifest is TOML");
    let Some(name) = manifest.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str) else {
        return Vec::new();
    };
    if OUTSIDE.contains(&name) {
        return Vec::new();
    }
    let Some((_, allowed)) = DIRECTIONS.iter().find(|(crate_name, _)| *crate_name == name) else {
        return vec![Finding::new(path, 1, format!("crate `{name}` has no row in DIRECTIONS"))];
    };
    let mut findings = Vec::new();
    for section in ["dependencies", "build-dependencies"] {
        let table = manifest.get(section).and_then(toml::Value::as_table);
        for dependency in table.into_iter().flat_map(toml::Table::keys) {
            let ours = dependency.starts_with("tenantry");
            if ours && !allowed.contains(&dependency.as_str()) {
                findings.push(Finding::new(path, 1, format!("`{name}` must not depend on `{dependency}`")));
            }
            if let Some((_, homes)) = HOMES.iter().find(|(third, _)| third == dependency)
                && !homes.contains(&name)
            {
                findings.push(Finding::new(
                    path,
                    1,
                    format!("`{dependency}` lives only in {homes:?}, not in `{name}`"),
                ));
            }
        }
    }
    if manifest.get("lints").and_then(|l| l.get("workspace")).and_then(toml::Value::as_bool) != Some(true) {
        findings.push(Finding::new(path, 1, "`[lints] workspace = true` is missing"));
    }
    findings
}

fn check_doors(sources: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in sources.iter().filter(|f| f.under("cli/src") && !SERVER_DOORS.contains(&f.path.as_str())) {
        let code = code_only(&file.text);
        for server in ["tenantry_daemon", "tenantry_runner"] {
            for (at, _) in code.match_indices(server) {
                let message = format!(
                    "`{server}` is reached only from {SERVER_DOORS:?}: the client must build without it"
                );
                findings.push(Finding::new(&file.path, line_of(&code, at), message));
            }
        }
    }
    findings
}

fn check_rooms(sources: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (third, room) in ROOMS {
        let path = format!("{third}::");
        for file in sources.iter().filter(|file| !file.under(room)) {
            let code = code_only(&file.text);
            for (at, _) in code.match_indices(&path) {
                let message = format!("`{third}` is used only in {room}");
                findings.push(Finding::new(&file.path, line_of(&code, at), message));
            }
        }
    }
    findings
}

fn check_names(sources: &[SourceFile]) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for file in sources {
        for part in file.path.split('/').map(|part| part.trim_end_matches(".rs")) {
            if EMPTY_NAMES.contains(&part) && seen.insert(file.path.clone()) {
                let message = format!("`{part}` names no room; name the noun that lives there");
                findings.push(Finding::new(&file.path, 1, message));
            }
        }
    }
    findings
}

#[test]
fn crates_know_only_what_they_may() {
    let findings: Vec<_> = files(&["toml"])
        .iter()
        .filter(|f| f.path.ends_with("Cargo.toml"))
        .flat_map(|f| check_manifest(&f.path, &f.text))
        .collect();
    assert_clean("crate directions (ARCHITECTURE.md)", &findings);
}

#[test]
fn the_server_enters_the_binary_by_its_doors_only() {
    assert_clean("the doors of the server feature", &check_doors(&files(&["rs"])));
}

#[test]
fn the_walls_of_the_runner_are_built_in_one_room() {
    assert_clean("the rooms of third-party crates", &check_rooms(&files(&["rs"])));
    let outside = SourceFile::sample("runner/src/serve/run.rs", "use seccompiler::BpfProgram;");
    assert_caught(&check_rooms(&[outside]), "is used only in");
    let inside = SourceFile::sample("runner/src/sandbox/filter.rs", "use seccompiler::BpfProgram;");
    assert_eq!(check_rooms(&[inside]), []);
}

#[test]
fn rooms_have_names() {
    assert_clean("room names", &check_names(&files(&["rs"])));
}

#[test]
fn a_wrong_direction_is_caught() {
    let manifest = |name: &str, dependency: &str| {
        format!(
            "[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n[dependencies]\n{dependency} = \"1\"\n"
        )
    };
    let check = |name, dependency| check_manifest("x/Cargo.toml", &manifest(name, dependency));
    assert_caught(&check("tenantry-tui", "tenantry-daemon"), "must not depend");
    assert_caught(&check("tenantry-runner", "tenantry-workflow"), "must not depend");
    assert_caught(&check("tenantry-workflow", "rusqlite"), "lives only in");
    assert_caught(&check("tenantry-attic", "serde"), "no row in DIRECTIONS");
    assert_eq!(check("tenantry-daemon", "rusqlite"), []);
    assert_caught(&check_manifest("x", "[package]\nname = \"tenantry-tui\"\n"), "lints");
}

#[test]
fn a_wrong_door_and_an_empty_name_are_caught() {
    let bad = [SourceFile::sample("cli/src/commands/run.rs", "use tenantry_daemon::boot;")];
    assert_caught(&check_doors(&bad), "reached only from");
    assert_caught(&check_names(&[SourceFile::sample("daemon/src/store/util.rs", "")]), "names no room");
}
