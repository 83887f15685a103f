//! SQL is written in one room: `daemon/src/store` and `migrations/`. Everyone else calls a function there.

use crate::lexer::{Kind, code_only, pieces};
use crate::tree::{SourceFile, files, line_of};
use crate::{Finding, assert_caught, assert_clean};

/// Where SQL lives. The tests and the benchmark look at files from outside and are free.
const ROOMS: &[&str] = &["daemon/src/store", "migrations", "tests"];

/// Statement openings; the second word must follow somewhere in the same literal.
const STATEMENTS: &[(&str, &str)] = &[
    ("select ", " from "),
    ("insert into ", ""),
    ("insert or ", " into "),
    ("replace into ", ""),
    ("update ", " set "),
    ("delete from ", ""),
    ("create table", ""),
    ("create index", ""),
    ("create unique index", ""),
    ("create trigger", ""),
    ("alter table", ""),
    ("drop table", ""),
    ("pragma ", ""),
    ("begin immediate", ""),
    ("vacuum", ""),
    ("attach ", " as "),
];

fn is_sql(literal: &str) -> bool {
    let words = literal.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    STATEMENTS.iter().any(|(opening, then)| words.starts_with(opening) && words.contains(then))
}

fn check(sources: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in sources.iter().filter(|f| !ROOMS.iter().any(|room| f.under(room))) {
        for piece in pieces(&file.text).iter().filter(|p| p.kind == Kind::Text && is_sql(&p.text)) {
            let message = format!("SQL outside of the store: {:?}", piece.text.trim());
            findings.push(Finding::new(&file.path, piece.line, message));
        }
        let code = code_only(&file.text);
        for (at, _) in code.match_indices("rusqlite::") {
            findings.push(Finding::new(
                &file.path,
                line_of(&code, at),
                "`rusqlite` is known only to the store",
            ));
        }
    }
    findings
}

#[test]
fn sql_is_written_only_in_the_store() {
    assert_clean("SQL lives in daemon/src/store and migrations", &check(&files(&["rs"])));
}

#[test]
fn sql_elsewhere_is_caught() {
    let bad = |text: &str| check(&[SourceFile::sample("daemon/src/service/runs.rs", text)]);
    assert_caught(&bad("let s = \"select id\\n  from runs\";"), "SQL outside");
    assert_caught(&bad("let s = r#\"INSERT INTO jobs values (1)\"#;"), "SQL outside");
    assert_caught(&bad("let s = \"pragma user_version\";"), "SQL outside");
    assert_caught(&bad("fn f(c: &rusqlite::Connection) {}"), "known only to the store");
}

#[test]
fn words_that_only_look_like_sql_are_fine() {
    let good = "// select x from y\nlet s = \"select a tenant\"; let t = \"update the workflow\";";
    assert_eq!(check(&[SourceFile::sample("cli/src/main.rs", good)]), []);
    assert_eq!(check(&[SourceFile::sample("daemon/src/store/jobs.rs", "\"delete from jobs\"")]), []);
}
