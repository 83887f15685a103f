//! Every fixture: the invalid ones are refused for the one reason and at the one place they name, the valid
//! ones and the examples are accepted without a finding (the snippets of the guides: `guides.rs`).
#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use tenantry_protocol::error::Severity;
use tenantry_workflow::{Format, check};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(name: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn invalid_fixtures_have_exactly_their_finding() {
    let mut wrong = Vec::new();
    let fixtures = files("tests/invalid");
    assert!(fixtures.len() >= 40, "only {} invalid fixtures", fixtures.len());
    for (name, text) in fixtures {
        let wanted = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")).unwrap_or_default();
        let checked = check(&name, &text, Format::of_path(&name));
        let errors: Vec<_> =
            checked.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        let got: Vec<_> = errors
            .iter()
            .map(|finding| format!("{} {}:{}", finding.code, finding.line, finding.column))
            .collect();
        if got != [wanted] || checked.workflow.is_some() {
            let said: Vec<_> = errors
                .iter()
                .map(|f| {
                    format!("{} | {:?}\n{}", f.message, f.suggestion, f.snippet.as_deref().unwrap_or(""))
                })
                .collect();
            wrong.push(format!("{name}: wanted {wanted:?}, got {got:?}\n{}", said.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}

fn assert_clean(name: &str, text: &str, format: Format) {
    let checked = check(name, text, format);
    let said: Vec<_> = checked
        .findings
        .iter()
        .map(|f| {
            format!(
                "{} {}:{} {}\n{}",
                f.code,
                f.line,
                f.column,
                f.message,
                f.snippet.as_deref().unwrap_or("")
            )
        })
        .collect();
    assert!(said.is_empty(), "{name}:\n{}", said.join("\n"));
    assert!(checked.workflow.is_some(), "{name} gives no workflow");
}

#[test]
fn valid_fixtures_are_accepted() {
    let fixtures = files("tests/valid");
    assert!(fixtures.len() >= 5, "only {} valid fixtures", fixtures.len());
    for (name, text) in fixtures {
        assert_clean(&name, &text, Format::of_path(&name));
    }
}

#[test]
fn examples_are_accepted() {
    let mut examples = files("../config/workflows");
    examples.retain(|(name, _)| !name.contains(".test."));
    assert!(examples.len() >= 5, "only {} examples", examples.len());
    for (name, text) in examples {
        assert_clean(&name, &text, Format::of_path(&name));
    }
}

#[test]
fn the_reference_lists_every_code_of_the_fixtures() {
    let text = fs::read_to_string(folder("../docs/workflow-language.md")).unwrap();
    for (name, fixture) in files("tests/invalid") {
        let code = fixture.strip_prefix("# expect: ").and_then(|rest| rest.split(' ').next()).unwrap();
        assert!(text.contains(&format!("`{code}`")), "{name}: {code} is not in the reference");
    }
}
