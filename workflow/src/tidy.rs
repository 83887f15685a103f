//! A definition's text in one layout, with every comment kept: `tenantry workflow fmt`.
//!
//! **Invariant:** the definition before is the definition after. Each result is read again and compared; where the two
//! would differ, the text is left as it was. A tidy text stays as it is.
//!
//! YAML: two columns an indentation, lists below their key by two, no space at line ends, one empty line at most, the
//! keys of the workflow in the order of the reference unless a comment or an alias would lose its place. What stands in
//! brackets, quotes and blocks keeps its own layout. TOML: space at line ends and empty lines. JSON: written anew.
//! Go next to [`yaml`].

mod json;
mod yaml;

use tenantry_protocol::error::Finding;

use crate::findings::Findings;
use crate::format::Format;
use crate::limits::MAX_TEXT_BYTES;
use crate::source::{self, Kind, Node, Source};

/// The text in the one layout. The findings say why a text cannot be read; whether it is a valid workflow does not
/// matter.
pub fn tidy(file: &str, text: &str, format: Format) -> Result<String, Vec<Finding>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let before = read(file, text, format)?;
    let tidied = layout(text, format, before.as_ref());
    match read(file, &tidied, format) {
        Ok(after)
            if same(before.as_ref(), after.as_ref(), true)
                && layout(&tidied, format, after.as_ref()) == tidied =>
        {
            Ok(tidied)
        }
        _ => Ok(text.to_owned()),
    }
}

fn layout(text: &str, format: Format, root: Option<&Node>) -> String {
    match format {
        Format::Yaml => yaml::tidy(text, root),
        Format::Toml => lines(text),
        Format::Json => root.map_or_else(|| text.to_owned(), json::write),
    }
}

fn read(file: &str, text: &str, format: Format) -> Result<Option<Node>, Vec<Finding>> {
    let source = Source::new(file, text);
    let mut findings = Findings::new(&source);
    if text.len() > MAX_TEXT_BYTES {
        findings.error("too-large", 0..0, format!("the text is larger than {MAX_TEXT_BYTES} bytes"), None);
        return Err(findings.finish());
    }
    let root = source::parse(text, format, &mut findings);
    if findings.has_errors() { Err(findings.finish()) } else { Ok(root) }
}

/// Space at line ends and more than one empty line; a text with strings over several lines is left alone.
fn lines(text: &str) -> String {
    if text.contains("\"\"\"") || text.contains("'''") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for line in text.lines().map(str::trim_end) {
        if !line.is_empty() || !(out.is_empty() || out.ends_with("\n\n")) {
            out.push_str(line);
            out.push('\n');
        }
    }
    ended(&out)
}

/// The text with exactly one line break at its end.
fn ended(text: &str) -> String {
    let text = text.trim_end_matches('\n');
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}

/// Whether two trees say the same; in the outermost mapping the order of the keys says nothing.
fn same(a: Option<&Node>, b: Option<&Node>, outermost: bool) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return a.is_none() && b.is_none() };
    match (&a.kind, &b.kind) {
        (Kind::Scalar { text: a, value: x }, Kind::Scalar { text: b, value: y }) => a == b && x == y,
        (Kind::List(a), Kind::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Some(a), Some(b), false))
        }
        (Kind::Mapping(a), Kind::Mapping(_)) if outermost => {
            a.len() == b.fields().len()
                && a.iter().all(|(key, value)| same(Some(value), b.get(&key.text), false))
        }
        (Kind::Mapping(a), Kind::Mapping(b)) => {
            let equal = |((k, a), (l, b)): (&(_, Node), &(_, Node))| {
                let (k, l): (&crate::source::Key, &crate::source::Key) = (k, l);
                k.text == l.text && same(Some(a), Some(b), false)
            };
            a.len() == b.len() && a.iter().zip(b).all(equal)
        }
        (Kind::Scalar { .. } | Kind::List(_) | Kind::Mapping(_), _) => false,
    }
}

#[cfg(test)]
mod tests;
