//! JSON into the tree. The strict parser decides whether it is JSON; the places come from the YAML parser,
//! because JSON is a part of YAML 1.2.

use super::{Node, yaml};
use crate::findings::Findings;

pub(super) fn parse(text: &str, findings: &mut Findings<'_>) -> Option<Node> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let at = findings.source().byte(error.line(), error.column());
        let shown = error.to_string();
        let message = shown.split(" at line ").next().unwrap_or_default().to_owned();
        findings.error("json-syntax", at..at, message, None);
        return None;
    }
    // Tabs may not indent YAML; in JSON they are space like any other and are never inside of a string.
    if text.contains('\t') {
        yaml::parse(&text.replace('\t', " "), findings)
    } else {
        yaml::parse(text, findings)
    }
}
