//! Holds a tree against the table: unknown, planned, missing and misplaced keys, wrong types.
//!
//! What this room accepts has the right shape everywhere, so the builder asks only what things mean.

use super::{Key, Object, Shape};
use crate::duration;
use crate::findings::Findings;
use crate::limits::MAX_ENTRIES;
use crate::source::{Kind, Node, Scalar};
use crate::suggest::closest;

/// Checks a value against what may stand in its place. `name` is the key it belongs to.
pub(crate) fn check(node: &Node, shape: &Shape, name: &str, findings: &mut Findings<'_>) {
    match shape {
        Shape::Text | Shape::Pattern(_) => text(node, name, findings),
        Shape::Scalar => scalar(node, name, findings),
        Shape::Duration => match node.text() {
            Some(text) => {
                if let Err(error) = duration::parse_ms(text) {
                    findings.error("bad-duration", node.span.clone(), error.to_string(), None);
                }
            }
            None => wrong(node, name, "a duration such as 30s, 5m or 1h30m", findings),
        },
        Shape::Boolean => {
            if !matches!(node.kind, Kind::Scalar { value: Scalar::Bool(_), .. }) {
                wrong(node, name, "true or false", findings);
            }
        }
        Shape::Whole(least, most) => {
            if !whole(node).is_some_and(|number| (*least..=*most).contains(&number)) {
                wrong(node, name, &format!("a whole number from {least} to {most}"), findings);
            }
        }
        Shape::Word(words) => word(node, words, name, findings),
        Shape::Json => {}
        Shape::List(item, most) => match &node.kind {
            Kind::List(items) => list(node, items, item, *most, name, findings),
            Kind::Scalar { .. } | Kind::Mapping(_) => wrong(node, name, "a list", findings),
        },
        Shape::NoneOrMany(_, _) if matches!(&node.kind, Kind::List(items) if items.is_empty()) => {}
        Shape::OneOrMany(item, most) | Shape::NoneOrMany(item, most) => match &node.kind {
            Kind::List(items) => list(node, items, item, *most, name, findings),
            Kind::Scalar { .. } | Kind::Mapping(_) => check(node, item, name, findings),
        },
        Shape::Map(value) => match &node.kind {
            Kind::Mapping(fields) if fields.len() > MAX_ENTRIES => {
                let message = format!("`{name}` has more than {MAX_ENTRIES} entries");
                findings.error("too-many", node.span.clone(), message, None);
            }
            Kind::Mapping(fields) => {
                for (key, field) in fields {
                    check(field, value, &key.text, findings);
                }
            }
            Kind::Scalar { .. } | Kind::List(_) => wrong(node, name, "a mapping", findings),
        },
        Shape::Object(table) => object(node, table, name, findings),
        Shape::Either(inner, table) => match node.kind {
            Kind::Mapping(_) => object(node, table, name, findings),
            Kind::Scalar { .. } | Kind::List(_) => check(node, inner, name, findings),
        },
        Shape::Optional(inner) => {
            if !node.is_null() {
                check(node, inner, name, findings);
            }
        }
    }
}

fn wrong(node: &Node, name: &str, wanted: &str, findings: &mut Findings<'_>) {
    let message = format!("`{name}` must be {wanted}, not {}", node.noun());
    findings.error("wrong-type", node.span.clone(), message, None);
}

fn text(node: &Node, name: &str, findings: &mut Findings<'_>) {
    match &node.kind {
        Kind::Scalar { value: Scalar::Text, .. } => {}
        Kind::Scalar { value: Scalar::Bool(_) | Scalar::Number(_), text } => {
            let message = format!("`{name}` must be text, not {}", node.noun());
            let help = format!("quote it: \"{text}\"");
            findings.error("wrong-type", node.span.clone(), message, Some(help));
        }
        Kind::Scalar { .. } | Kind::List(_) | Kind::Mapping(_) => wrong(node, name, "text", findings),
    }
}

fn scalar(node: &Node, name: &str, findings: &mut Findings<'_>) {
    if node.text().is_none() {
        wrong(node, name, "text, a number or a boolean", findings);
    }
}

/// The whole number that a node is.
pub(crate) fn whole(node: &Node) -> Option<u64> {
    match &node.kind {
        Kind::Scalar { value: Scalar::Number(number), .. } => number.as_u64(),
        Kind::Scalar { .. } | Kind::List(_) | Kind::Mapping(_) => None,
    }
}

/// Whether a node says `true`.
pub(crate) fn is_true(node: Option<&Node>) -> bool {
    node.is_some_and(|node| matches!(node.kind, Kind::Scalar { value: Scalar::Bool(true), .. }))
}

/// Words of other systems, and what is meant where that is a word.
const WORD_HABITS: &[(&str, &str)] = &[
    ("enum", "choice"),
    ("select", "choice"),
    ("text", "string"),
    ("int", "integer"),
    ("float", "number"),
    ("bool", "boolean"),
    ("object", "json"),
    ("svix", "standard-webhooks"),
    ("standard", "standard-webhooks"),
    ("bearer", "token"),
    ("failed", "failure"),
    ("succeeded", "success"),
    ("completed", "always"),
    ("sync", "result"),
    ("async", "ack"),
];

fn word(node: &Node, words: &[&'static str], name: &str, findings: &mut Findings<'_>) {
    let Some(text) = node.text() else {
        return wrong(node, name, &format!("one of {}", words.join(", ")), findings);
    };
    if words.contains(&text) {
        return;
    }
    let shown: String = text.chars().take(60).collect();
    let habit = WORD_HABITS.iter().find(|(habit, meant)| *habit == text && words.contains(meant));
    let help = habit
        .map(|(_, meant)| *meant)
        .or_else(|| closest(text, words.iter().copied()))
        .map_or_else(|| format!("use one of {}", words.join(", ")), |word| format!("did you mean `{word}`?"));
    findings.error(
        "unknown-word",
        node.span.clone(),
        format!("`{name}` does not know `{shown}`"),
        Some(help),
    );
}

fn list(node: &Node, items: &[Node], shape: &Shape, most: usize, name: &str, findings: &mut Findings<'_>) {
    if items.is_empty() {
        findings.error("empty-list", node.span.clone(), format!("`{name}` is an empty list"), None);
    }
    if items.len() > most {
        let message = format!("`{name}` has more than {most} entries");
        findings.error("too-many", node.span.clone(), message, None);
        return;
    }
    for item in items {
        check(item, shape, name, findings);
    }
}

fn object(node: &Node, table: &Object, name: &str, findings: &mut Findings<'_>) {
    let Kind::Mapping(fields) = &node.kind else {
        let keys: Vec<_> = table.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
        let wanted = if keys.is_empty() {
            "a mapping".to_owned()
        } else {
            format!("a mapping with {}", keys.join(", "))
        };
        return wrong(node, name, &wanted, findings);
    };
    let mut meant = Vec::new();
    for (key, value) in fields {
        match table.keys.iter().find(|known| known.name == &*key.text) {
            Some(known) => check(value, &known.shape, known.name, findings),
            None => meant.extend(unknown(&key.text, key.span.clone(), table, findings)),
        }
    }
    // A key that was told to be meant is not missed a second time.
    let missed = |key: &&Key| key.required && node.get(key.name).is_none() && !meant.contains(&key.name);
    for Key { name, .. } in table.keys.iter().filter(missed) {
        let at = node.span.start..node.span.start;
        findings.error("missing-key", at, format!("{} needs the key `{name}`", table.noun), None);
    }
    rules(node, table, &meant, findings);
}

/// What keys must or may not stand together. `meant` are those that stand there under another name.
fn rules(node: &Node, table: &Object, meant: &[&str], findings: &mut Findings<'_>) {
    let present = |keys: &'static [&'static str]| -> Vec<&'static str> {
        keys.iter().copied().filter(|name| node.get(name).is_some()).collect()
    };
    let quoted = |keys: &[&str]| keys.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let is_missing = |group: &'static [&'static str]| !group.is_empty() && present(group).is_empty();
    for group in [table.exactly_one, table.at_least_one] {
        if is_missing(group) && !group.iter().any(|name| meant.contains(name)) {
            let at = node.span.start..node.span.start;
            let message = format!("{} must have one of {}", table.noun, quoted(group));
            findings.error("missing-key", at, message, None);
        }
    }
    for group in std::iter::once(&table.exactly_one).chain(table.at_most_one) {
        let keys = present(group);
        if let Some(second) = keys.get(1) {
            let at = node.key_span(second).unwrap_or_default();
            let message = format!("{} can have only one of {}", table.noun, quoted(&keys));
            findings.error("conflicting-keys", at, message, None);
        }
    }
    for (name, with) in table.only_with {
        if let Some(at) = node.key_span(name)
            && node.get(with).is_none()
            && !meant.contains(with)
            // That all of them are missing is said once.
            && !(table.exactly_one.contains(with) && is_missing(table.exactly_one))
        {
            findings.error("misplaced-key", at, format!("`{name}` has a meaning only with `{with}`"), None);
        }
    }
}

/// Reports a key that the table does not have. Answers the one that is meant, as far as that can be told.
fn unknown(
    name: &str,
    at: std::ops::Range<usize>,
    table: &Object,
    findings: &mut Findings<'_>,
) -> Option<&'static str> {
    let shown: String = name.chars().take(60).collect();
    let meant = table.habits.iter().find(|(habit, _)| *habit == name).map(|(_, meant)| *meant);
    let planned = meant.unwrap_or(name);
    if table.planned.contains(&planned) {
        let message = format!("`{planned}` is not supported yet in this release");
        findings.error("not-supported", at, message, None);
        return meant;
    }
    let message = format!("{} has no key `{shown}`", table.noun);
    if findings.is_full() {
        findings.error("unknown-key", at, message, None);
        return meant;
    }
    let meant = meant.or_else(|| closest(name, table.keys.iter().map(|key| key.name)));
    let help = meant.map_or_else(
        || format!("known keys: {}", table.keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")),
        |known| format!("did you mean `{known}`?"),
    );
    findings.error("unknown-key", at, message, Some(help));
    meant
}
