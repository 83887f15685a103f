//! Every snippet of YAML in the README and in `docs/` is accepted without a finding. The reference lists every
//! key from the table that the checker reads:
//! `UPDATE_SCHEMA=1 cargo test -p tenantry-workflow --test guides` writes it.
#![expect(clippy::unwrap_used, reason = "a guide that cannot be read fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use tenantry_workflow::{Format, check, rehearsal};

const BEGIN: &str =
    "<!-- generated from the schema: UPDATE_SCHEMA=1 cargo test -p tenantry-workflow --test guides -->\n";
const END: &str = "<!-- end -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The README and every guide, by its path.
fn pages() -> Vec<(String, String)> {
    let mut paths = vec![root().join("README.md")];
    for folder in ["docs", "docs/triggers"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            paths.push(entry.unwrap().path());
        }
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    paths.into_iter().map(|path| (name(&path), fs::read_to_string(path).unwrap())).collect()
}

/// What is wrong with the snippets of a page, each with the line of the page; and how many were checked.
fn faults(page: &str, text: &str) -> (Vec<String>, usize) {
    let (mut faults, mut checked, mut read) = (Vec::new(), 0, 0);
    for part in text.split_inclusive("```yaml\n") {
        let line = text[..read].lines().count();
        read += part.len();
        let block = text[read - part.len()..].split("```").next().unwrap_or_default();
        // The text before the first snippet; a line for editors alone.
        if line == 0 || block.lines().all(|line| line.starts_with('#')) {
            continue;
        }
        checked += 1;
        let said: Vec<_> = if block.lines().any(|line| line == "tests:" || line.starts_with("tests: ")) {
            let read = rehearsal::read("snippet.test.yaml", block);
            read.err().into_iter().map(|error| format!("{error:?}")).collect()
        } else {
            // A snippet that is only the trigger gets a workflow around it.
            let whole = if block.contains("steps:") {
                block.to_owned()
            } else {
                format!("name: snippet\n{block}steps: [{{ run: echo }}]\n")
            };
            let found = check(page, &whole, Format::Yaml);
            let mut said: Vec<_> = found
                .findings
                .iter()
                .map(|finding| format!("{}: {}", finding.code, finding.message))
                .collect();
            if said.is_empty() && found.workflow.is_none() {
                said.push("gives no workflow".to_owned());
            }
            said
        };
        faults.extend(said.into_iter().map(|said| format!("{page}, snippet after line {line}: {said}")));
    }
    (faults, checked)
}

#[test]
fn the_guides_snippets_are_accepted() {
    let mut all = Vec::new();
    for (page, text) in pages() {
        let (faults, checked) = faults(&page, &text);
        assert_eq!(checked + skipped(&text), text.matches("```yaml").count(), "{page}");
        all.extend(faults);
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Snippets that are comments alone.
fn skipped(text: &str) -> usize {
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.lines().all(|line| line.starts_with('#'))).count()
}

#[test]
fn a_wrong_snippet_is_found_with_its_page_and_line() {
    let good = "name: a\non: { manual: }\nsteps: [{ run: echo }]\n";
    let bad = good.replace("run", "rum");
    let text = format!("# A\n\n```yaml\n{good}```\n\nB\n\n```yaml\n{bad}```\n");
    let (found, checked) = faults("docs/a.md", &text);
    assert_eq!(checked, 2);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("docs/a.md, snippet after line 11: unknown-key"), "{found:?}");
    let only_trigger = "x\n```yaml\non: { webhook: { path: a } }\n```\n";
    assert!(faults("docs/a.md", only_trigger).0[0].contains("missing-key"));
    let test = "x\n```yaml\ntests: [{ name: a }]\n```\n";
    assert_eq!(faults("docs/a.md", test).0.len(), 1);
}

#[test]
fn the_reference_has_the_keys_of_the_language() {
    let path = root().join("docs/workflow-language.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let wanted = format!("{before}{BEGIN}\n{}{END}{after}", tenantry_workflow::reference());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    assert!(text == wanted, "docs/workflow-language.md is stale: run the test with UPDATE_SCHEMA=1");
}
