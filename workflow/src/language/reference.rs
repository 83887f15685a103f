//! The table as Markdown: every mapping with its keys, for `docs/workflow-language.md`.
//!
//! What stands there is what the checker holds files against, so it cannot be out of date: a test compares, and
//! writes it. Prose about what things are for is written by hand around it, never here.

use std::fmt::Write as _;

use super::{Key, Object, STEP, Shape, WORKFLOW};

/// A mapping and the places at which it stands.
struct Part {
    table: &'static Object,
    places: Vec<String>,
}

/// Every mapping that is reached from `root`, each once, before the ones inside of it.
fn parts(root: &'static Object) -> Vec<Part> {
    let mut parts = vec![Part { table: root, places: Vec::new() }];
    collect(root, "", &mut parts);
    parts
}

fn collect(table: &'static Object, at: &str, parts: &mut Vec<Part>) {
    for key in table.keys {
        let Some(inner) = inner(&key.shape) else {
            continue;
        };
        // Where steps stand inside of steps is told by their own table.
        if std::ptr::eq(inner, table) {
            continue;
        }
        let place = if at.is_empty() { key.name.to_owned() } else { format!("{at}.{}", key.name) };
        if let Some(known) = parts.iter_mut().find(|part| std::ptr::eq(part.table, inner)) {
            known.places.push(place);
        } else {
            parts.push(Part { table: inner, places: vec![place.clone()] });
            collect(inner, &place, parts);
        }
    }
}

/// The mapping with fixed keys that a shape leads to.
fn inner(shape: &Shape) -> Option<&'static Object> {
    match shape {
        Shape::List(item, _)
        | Shape::OneOrMany(item, _)
        | Shape::NoneOrMany(item, _)
        | Shape::Map(item)
        | Shape::Optional(item) => inner(item),
        Shape::Object(table) | Shape::Either(_, table) => Some(table),
        Shape::Text
        | Shape::Pattern(_)
        | Shape::Scalar
        | Shape::Duration
        | Shape::Boolean
        | Shape::Whole(..)
        | Shape::Word(_)
        | Shape::Json => None,
    }
}

/// The reference of all keys of a workflow.
pub(crate) fn reference() -> String {
    let mut out = String::new();
    for Part { table, places } in parts(&WORKFLOW) {
        let places: Vec<_> = places.iter().map(|place| format!("`{place}`")).collect();
        let title = if places.is_empty() { "The top".to_owned() } else { places.join(", ") };
        writeln!(out, "#### {title}\n\n| key | value | if left out | what it is |\n|---|---|---|---|").ok();
        for key in table.keys {
            row(&mut out, key);
        }
        out.push('\n');
        rules(&mut out, table);
    }
    out
}

fn row(out: &mut String, key: &Key) {
    let (sentence, default) = split(key.doc);
    let default =
        if key.required { "**required**".to_owned() } else { default.map_or_else(String::new, quoted) };
    // A pipe ends a cell, even inside of code.
    let value = value(&key.shape).replace('|', "\\|");
    writeln!(out, "| `{}` | {value} | {default} | {sentence} |", key.name).ok();
}

/// A word of the language as code, a sentence as it is.
fn quoted(default: &str) -> String {
    let is_word = default.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_word && default != "none" && default != "never" {
        format!("`{default}`")
    } else {
        default.to_owned()
    }
}

/// `What it is; 3 if left out, at most 9.` in two: what it is, and what holds if it is left out.
fn split(doc: &str) -> (String, Option<&str>) {
    let whole = || (doc.to_owned(), None);
    let Some((before, after)) = doc.split_once(" if left out") else {
        return whole();
    };
    let Some((sentence, default)) = before.rsplit_once("; ") else {
        return whole();
    };
    (format!("{sentence}{after}"), Some(default.trim_end_matches(',')))
}

/// What may stand at a place, in words.
fn value(shape: &Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Pattern(pattern) => format!("text like `{pattern}`"),
        Shape::Scalar => "text, number or boolean".to_owned(),
        Shape::Duration => "duration".to_owned(),
        Shape::Boolean => "`true`, `false`".to_owned(),
        Shape::Whole(least, u64::MAX) => format!("whole number from {least}"),
        Shape::Whole(least, most) => format!("whole number, {least} to {most}"),
        Shape::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Shape::Json => "anything".to_owned(),
        Shape::List(item, most) => format!("list of 1 to {most}: {}", value(item)),
        Shape::OneOrMany(item, most) => format!("{}; or a list of 1 to {most}", value(item)),
        Shape::NoneOrMany(item, most) => format!("{}; or a list of 0 to {most}", value(item)),
        Shape::Map(item) => format!("by name: {}", value(item)),
        Shape::Object(table) if std::ptr::eq(*table, &raw const STEP) => "step".to_owned(),
        Shape::Object(_) => "mapping".to_owned(),
        Shape::Either(item, _) => format!("{}; or a mapping", value(item)),
        Shape::Optional(item) => format!("nothing, or {}", value(item)),
    }
}

/// Which keys must or may not stand together, a line each.
fn rules(out: &mut String, table: &Object) {
    let named = |keys: &[&str]| keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    if !table.exactly_one.is_empty() {
        lines.push(format!("Exactly one of {}.", named(table.exactly_one)));
    }
    if !table.at_least_one.is_empty() {
        lines.push(format!("At least one of {}.", named(table.at_least_one)));
    }
    lines.extend(table.at_most_one.iter().map(|keys| format!("At most one of {}.", named(keys))));
    let mut owners: Vec<&str> = table.only_with.iter().map(|(_, with)| *with).collect();
    owners.dedup();
    for with in owners {
        let keys: Vec<_> =
            table.only_with.iter().filter(|(_, of)| *of == with).map(|(key, _)| *key).collect();
        lines.push(format!("Only with `{with}`: {}.", named(&keys)));
    }
    if !lines.is_empty() {
        writeln!(out, "{}\n", lines.join("\n")).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::rehearsal::TEST_FILE;

    #[test]
    fn a_description_splits_into_what_it_is_and_what_holds_without_it() {
        assert_eq!(split("All attempts; 3 if left out."), ("All attempts.".to_owned(), Some("3")));
        assert_eq!(
            split("How far; 5m if left out, at most 24h."),
            ("How far, at most 24h.".to_owned(), Some("5m"))
        );
        assert_eq!(split("What it is for."), ("What it is for.".to_owned(), None));
    }

    #[test]
    fn no_description_tells_a_default_in_other_words() {
        for root in [&WORKFLOW, &TEST_FILE] {
            for Part { table, .. } in parts(root) {
                for key in table.keys {
                    let (sentence, default) = split(key.doc);
                    assert!(!sentence.contains("left out"), "{} of {}: {sentence}", key.name, table.noun);
                    assert!(!key.required || default.is_none(), "{} of {}", key.name, table.noun);
                    assert!(
                        !key.doc.contains('|') && !key.doc.contains('\n'),
                        "{} would break the row",
                        key.name
                    );
                }
            }
        }
    }

    #[test]
    fn every_mapping_is_there_once_with_all_its_places() {
        let text = reference();
        for title in
            ["The top", "`steps`, `finally`", "`defaults.retry`, `steps.retry`", "`on.webhook.verify`"]
        {
            assert_eq!(text.matches(&format!("#### {title}\n")).count(), 1, "{title}\n{text}");
        }
        assert!(
            text.contains(
                "| `attempts` | whole number, 1 to 100 | `3` | All attempts, the first included. |"
            )
        );
        assert!(text.contains("\nOnly with `run`: `shell`, `stdin`, `env`.\n"));
    }
}
