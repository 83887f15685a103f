//! The daemon's modules form floors; a path into another module points down, or sideways without a cycle.

use std::collections::{BTreeMap, BTreeSet};

use crate::lexer::code_only;
use crate::tree::{SourceFile, files, line_of};
use crate::{Finding, assert_caught, assert_clean};

/// Every module of `daemon/src` and its floor; the same table as in `daemon/src/lib.rs`.
const FLOORS: &[(u8, &[&str])] = &[
    (6, &["boot"]),
    (5, &["http", "ingress", "watch", "stage", "upkeep"]),
    (4, &["service"]),
    (3, &["auth", "vault", "egress"]),
    (2, &["store"]),
    (1, &["supervise", "context", "config", "telemetry", "clock", "error"]),
];

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(_, modules)| modules.contains(&module)).map(|(floor, _)| *floor)
}

/// `daemon/src/store/tenant/runs.rs` → (`store`, 3): the room and how many modules deep the file is.
fn room(path: &str) -> Option<(&str, usize)> {
    let inner = path.strip_prefix("daemon/src/")?;
    let parts: Vec<&str> = inner.split('/').collect();
    let depth = parts.len() - usize::from(inner.ends_with("/mod.rs"));
    parts.first().map(|first| (first.trim_end_matches(".rs"), depth))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The modules of the crate that `code` names: after `crate::`, and after as many `super::` as lead to the root.
fn targets(code: &str, depth: usize) -> Vec<(usize, String)> {
    let roots = ["crate::".to_owned(), "super::".repeat(depth.max(1))];
    let mut out = Vec::new();
    for root in roots {
        for (at, _) in code.match_indices(root.as_str()) {
            if code[..at].ends_with([':', '$']) || code[..at].ends_with(is_word) {
                continue;
            }
            out.extend(names_after(&code[at + root.len()..]).into_iter().map(|name| (at, name)));
        }
    }
    out
}

/// The first names of a path tail: one name, or each entry of a brace group.
fn names_after(tail: &str) -> Vec<String> {
    let tail = tail.trim_start();
    let first_word = |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect::<String>();
    let Some(group) = tail.strip_prefix('{') else {
        return vec![first_word(tail)];
    };
    let (mut depth, mut start, mut out) = (0_i32, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                out.push(first_word(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    out
}

fn check(sources: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sideways: BTreeMap<String, BTreeMap<String, (String, usize)>> = BTreeMap::new();
    for file in sources {
        let Some((room, depth)) = room(&file.path).filter(|(room, _)| *room != "lib") else { continue };
        let Some(own) = floor(room) else {
            findings.push(Finding::new(
                &file.path,
                1,
                format!("module `{room}` stands on no floor; add it to FLOORS"),
            ));
            continue;
        };
        let code = code_only(&file.text);
        for (at, target) in targets(&code, depth) {
            let Some(other) = floor(&target).filter(|_| target != room) else { continue };
            let line = line_of(&code, at);
            if other > own {
                let message =
                    format!("`{room}` (floor {own}) uses `{target}` (floor {other}): paths point only down");
                findings.push(Finding::new(&file.path, line, message));
            } else if other == own {
                sideways.entry(room.to_owned()).or_default().insert(target, (file.path.clone(), line));
            }
        }
    }
    findings.extend(cycles(&sideways));
    findings
}

/// Two rooms of one floor may know each other in one direction only.
fn cycles(sideways: &BTreeMap<String, BTreeMap<String, (String, usize)>>) -> Vec<Finding> {
    let reach = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(next) = open.pop() {
            for target in sideways.get(&next).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(target.clone()) {
                    open.push(target.clone());
                }
            }
        }
        seen
    };
    let mut findings = Vec::new();
    for (room, targets) in sideways {
        for (target, (path, line)) in targets {
            if reach(target).contains(room) {
                let message = format!("`{room}` and `{target}` stand on one floor and use each other");
                findings.push(Finding::new(path, *line, message));
            }
        }
    }
    findings
}

#[test]
fn paths_point_only_down() {
    assert_clean("the floors of the daemon (daemon/src/lib.rs)", &check(&files(&["rs"])));
}

#[test]
fn every_floor_is_built() {
    let sources = files(&["rs"]);
    for module in FLOORS.iter().flat_map(|(_, modules)| *modules) {
        let built = sources.iter().any(|f| room(&f.path).is_some_and(|(room, _)| room == *module));
        assert!(built, "FLOORS names `{module}`, which does not exist");
    }
}

#[test]
fn a_path_up_is_caught() {
    let bad = |path: &str, text: &str| check(&[SourceFile::sample(path, text)]);
    assert_caught(&bad("daemon/src/store/mod.rs", "use crate::service::runs;"), "paths point only down");
    assert_caught(&bad("daemon/src/store/a/b.rs", "use crate::{clock::Clock, http::{Router, x}};"), "`http`");
    assert_caught(&bad("daemon/src/auth/policy.rs", "fn f() { crate::stage::driver::go() }"), "`stage`");
    assert_caught(&bad("daemon/src/auth/policy.rs", "use super::super::boot;"), "`boot`");
    assert_caught(&bad("daemon/src/attic.rs", ""), "stands on no floor");
}

#[test]
fn a_sideways_cycle_is_caught() {
    let pair = [
        SourceFile::sample("daemon/src/auth/mod.rs", "use crate::vault::Key;"),
        SourceFile::sample("daemon/src/vault/mod.rs", "use crate::auth::Policy;"),
    ];
    assert_caught(&check(&pair), "use each other");
    assert_eq!(check(&pair[..1]), [], "one direction is fine");
}

#[test]
fn a_path_down_and_a_mention_are_fine() {
    let good = SourceFile::sample(
        "daemon/src/service/runs.rs",
        "//! See crate::http.\nuse crate::store::jobs;\nconst S: &str = \"crate::boot\";\nuse super::tenants;",
    );
    assert_eq!(check(&[good]), []);
}
