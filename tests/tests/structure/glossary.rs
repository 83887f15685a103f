//! One word, one meaning (docs/glossary.md): the synonyms that would blur it are found in code, docs and help.
//!
//! Words are compared, not letters: `LogEntry`, `log_entry` and "log entries" are the same phrase, and "organize" is
//! not "org". Only phrases with no second honest meaning in this code base are listed; `session`, `scope`, `worker`
//! and `pipeline` have one and are left to the reviewer.

use crate::tree::{SourceFile, files};
use crate::{Finding, assert_caught, assert_clean};

/// Phrase → the word of the glossary to use instead.
const BANNED: &[(&str, &str)] = &[
    ("organisation", "tenant"),
    ("organization", "tenant"),
    ("account", "tenant or principal"),
    ("playbook", "workflow"),
    ("dag", "workflow"),
    ("workflow version", "revision"),
    ("workflow execution", "run"),
    ("execution id", "run id"),
    ("workflow instance", "run"),
    ("run instance", "run"),
    ("activity", "step"),
    ("plugin", "action"),
    ("topic", "queue"),
    ("visibility timeout", "lease"),
    ("nack", "settle or release"),
    ("dlq", "dead letter"),
    ("poison message", "dead letter"),
    ("poison pill", "dead letter"),
    ("side effect", "effect"),
    ("dedupe id", "idempotency key"),
    ("dedup id", "idempotency key"),
    ("deduplication id", "idempotency key"),
    ("acl", "permission"),
    ("log entry", "log line"),
    ("audit entry", "audit record"),
    ("audit event", "audit record"),
    ("event bus", "feed"),
    ("websocket", "feed"),
    ("janitor", "upkeep"),
    ("housekeeping", "upkeep"),
    ("background task", "upkeep"),
    ("graceful shutdown", "drain"),
    ("trace id", "request id"),
    ("correlation id", "request id"),
];

/// Where a phrase stands rightly: path, phrase (`*` for all), reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("docs/glossary.md", "*", "tells which words not to use"),
    ("tests/tests/structure/glossary.rs", "*", "this list"),
];

/// Method names of other crates that carry a banned phrase; they are not our words.
const FOREIGN: &[&str] = &["graceful_shutdown", "with_graceful_shutdown"];

/// Splits a line into lower-case words: at every non-letter, and at the humps of camel case.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous = ' ';
    for c in line.chars() {
        let hump = c.is_uppercase() && previous.is_lowercase();
        if (!c.is_alphanumeric() || hump) && words.last().is_some_and(|w| !w.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        previous = c;
    }
    words.retain(|w| !w.is_empty());
    words
}

/// Whether `word` is `wanted` in the singular or the plural.
fn same(word: &str, wanted: &str) -> bool {
    word == wanted
        || word.strip_suffix('s') == Some(wanted)
        || wanted.strip_suffix('y').is_some_and(|stem| word.strip_suffix("ies") == Some(stem))
}

fn contains(words: &[String], phrase: &str) -> bool {
    let wanted: Vec<&str> = phrase.split(' ').collect();
    words.windows(wanted.len()).any(|w| {
        let (last, first) = (w.len() - 1, &wanted[..wanted.len() - 1]);
        w[..last].iter().zip(first).all(|(a, b)| a == b) && same(&w[last], wanted[last])
    })
}

fn excepted(path: &str, phrase: &str) -> bool {
    EXCEPTIONS.iter().any(|(file, what, _)| *file == path && (*what == "*" || *what == phrase))
}

fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let line = FOREIGN.iter().fold(line.to_owned(), |line, foreign| line.replace(foreign, ""));
        let words = words(&line);
        for (phrase, instead) in BANNED {
            if contains(&words, phrase) && !excepted(&file.path, phrase) {
                let message = format!("\"{phrase}\": the glossary says {instead}");
                findings.push(Finding::new(&file.path, index + 1, message));
            }
        }
    }
    findings
}

#[test]
fn one_word_has_one_meaning() {
    let findings: Vec<_> =
        files(&["rs", "md", "sql", "yaml", "yml", "toml"]).iter().flat_map(check).collect();
    assert_clean("synonyms (docs/glossary.md)", &findings);
}

#[test]
fn the_glossary_explains_every_word_it_demands() {
    let path = crate::tree::root().join("docs/glossary.md");
    let glossary = std::fs::read_to_string(path).expect("docs/glossary.md is there");
    for (phrase, instead) in BANNED {
        for word in instead.split(" or ").filter(|word| *word != "run id") {
            assert!(
                glossary.contains(&format!("**{word}")),
                "the glossary does not explain {word:?} (not {phrase:?})"
            );
        }
    }
}

#[test]
fn exceptions_are_needed() {
    let sources = files(&["rs", "md", "sql", "yaml", "yml", "toml"]);
    for (path, phrase, reason) in EXCEPTIONS {
        assert!(!reason.is_empty());
        let file = sources
            .iter()
            .find(|f| f.path == *path)
            .unwrap_or_else(|| panic!("{path} is gone; drop its row"));
        let bare = SourceFile::sample("elsewhere.rs", &file.text);
        let hits =
            check(&bare).iter().any(|f| *phrase == "*" || f.message.contains(&format!("\"{phrase}\"")));
        assert!(hits, "{path} no longer says {phrase:?}; drop its row");
    }
}

#[test]
fn synonyms_are_caught_in_every_spelling() {
    for bad in [
        "struct LogEntry;",
        "let log_entries = 1;",
        "// a log entry",
        "tenantActivities",
        "the DLQ",
        "Side effects",
    ] {
        assert!(!check(&SourceFile::sample("daemon/src/clock.rs", bad)).is_empty(), "missed: {bad}");
    }
    assert_caught(&check(&SourceFile::sample("README.md", "An account.")), "tenant or principal");
}

#[test]
fn near_misses_are_fine() {
    for good in
        ["accounted", "factor", "server.with_graceful_shutdown(x)", "log line", "inactivity", "the diagram"]
    {
        assert_eq!(check(&SourceFile::sample("daemon/src/clock.rs", good)), [], "{good}");
    }
}
