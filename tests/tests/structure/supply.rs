//! What enters the build: the licences, bans and sources of `deny.toml`, checked here too because not every machine has
//! cargo-deny, and a rule that is checked only sometimes is broken only sometimes.

use std::process::Command;

use crate::tree::root;
use crate::{Finding, assert_caught, assert_clean};

struct Policy {
    licenses: Vec<String>,
    banned: Vec<String>,
}

fn policy(text: &str) -> Policy {
    let policy: toml::Table = text.parse().expect("deny.toml is TOML");
    let list = |section: &str, key: &str| {
        policy
            .get(section)
            .and_then(|s| s.get(key))
            .and_then(toml::Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let text = |value: &toml::Value| value.as_str().map(str::to_owned);
    // A ban with wrappers allows some parents; that needs the whole graph and is left to cargo-deny and `crates.rs`.
    let banned = |ban: &toml::Value| match ban.get("wrappers") {
        Some(_) => None,
        None => ban.get("crate").and_then(text),
    };
    Policy {
        licenses: list("licenses", "allow").iter().filter_map(text).collect(),
        banned: list("bans", "deny").iter().filter_map(banned).collect(),
    }
}

/// Whether an SPDX expression can be met with the allowed licences. Old manifests write `/` for OR.
fn allowed(expression: &str, licenses: &[String]) -> bool {
    let flat = expression.replace('/', " OR ");
    let mut alternatives = vec![Vec::new()];
    // Every expression among our dependencies is an OR of ANDs or an AND whose groups in parentheses are ORs.
    for group in flat.split(" AND ") {
        let choices: Vec<&str> = group.split(" OR ").map(|l| l.trim_matches(['(', ')', ' '])).collect();
        alternatives.push(choices);
    }
    alternatives
        .iter()
        .filter(|group| !group.is_empty())
        .all(|group| group.iter().any(|license| licenses.iter().any(|known| known == license)))
}

fn check(metadata: &serde_json::Value, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let license = package["license"].as_str().unwrap_or("none");
        let mut find =
            |message: String| findings.push(Finding::new("Cargo.lock", 1, format!("`{name}`: {message}")));
        if !allowed(license, &policy.licenses) {
            find(format!("the licence {license:?} is not in deny.toml"));
        }
        if policy.banned.iter().any(|banned| banned == name) {
            find("is banned by deny.toml".to_owned());
        }
        if package["source"].as_str().is_some_and(|source| !source.starts_with("registry+")) {
            find("comes neither from the registry nor from this workspace".to_owned());
        }
    }
    findings
}

fn our_policy() -> Policy {
    policy(&std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml is there"))
}

#[test]
fn nothing_enters_the_build_that_may_not() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(root())
        .output()
        .expect("run cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    assert!(metadata["packages"].as_array().is_some_and(|packages| packages.len() > 50), "too few packages");
    assert_clean("what may enter the build (deny.toml)", &check(&metadata, &our_policy()));
}

#[test]
fn a_wrong_licence_ban_and_source_are_caught() {
    let package = |name: &str, license: &str, source: &str| {
        let package = serde_json::json!({ "name": name, "license": license, "source": source });
        check(&serde_json::json!({ "packages": [package] }), &our_policy())
    };
    let registry = "registry+index";
    assert_caught(&package("a", "GPL-3.0-only", registry), "licence");
    assert_caught(&package("a", "MIT AND GPL-3.0-only", registry), "licence");
    assert_caught(&package("openssl-sys", "MIT", registry), "banned");
    assert_caught(&package("a", "MIT", "git+somewhere"), "neither");
    assert_eq!(package("a", "(MIT OR GPL-3.0-only) AND Unicode-3.0", registry), []);
    assert_eq!(package("a", "GPL-2.0-only/Apache-2.0", registry), []);
}
