//! A text into a workflow, or into everything that is wrong with it.
//!
//! Four passes, each of which reports all it finds: the notation ([`Format`]), the keys and types, the
//! meaning, the expressions. The meaning is looked at even if keys are wrong, so one round shows as much as
//! possible. Never panics, whatever the text.

use tenantry_protocol::error::Finding;

use crate::build;
use crate::definition::Workflow;
use crate::findings::Findings;
use crate::format::Format;
use crate::language::repair::repair;
use crate::language::{Shape, WORKFLOW, structure};
use crate::limits::MAX_TEXT_BYTES;
use crate::source::{self, Kind, Source};

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// The workflow; `None` if and only if there is a finding of severity error.
    pub workflow: Option<Workflow>,
    /// Everything found, in the order of the text.
    pub findings: Vec<Finding>,
}

/// Checks a text. `file` is only a name for the findings.
pub fn check(file: &str, text: &str, format: Format) -> Checked {
    if text.len() > MAX_TEXT_BYTES {
        let source = Source::new(file, "");
        let mut findings = Findings::new(&source);
        findings.error("too-large", 0..0, format!("the text is larger than {MAX_TEXT_BYTES} bytes"), None);
        return Checked { workflow: None, findings: findings.finish() };
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Source::new(file, text);
    let mut findings = Findings::new(&source);
    let root = source::parse(text, format, &mut findings);
    let workflow = match root {
        Some(mut root) if matches!(root.kind, Kind::Mapping(_)) => {
            let shape = Shape::Object(&WORKFLOW);
            structure::check(&root, &shape, "the workflow", &mut findings);
            if findings.has_errors() {
                repair(&mut root, &shape);
            }
            build::workflow(&root, &mut findings)
        }
        Some(root) if !findings.has_errors() => {
            let message = format!("a workflow is a mapping with name, on and steps, not {}", root.noun());
            findings.error("wrong-type", root.span, message, None);
            None
        }
        None if !findings.has_errors() => {
            findings.error("empty", 0..0, "there is no workflow in the text", None);
            None
        }
        Some(_) | None => None,
    };
    let failed = findings.has_errors() || workflow.is_none();
    Checked { workflow: if failed { None } else { workflow }, findings: findings.finish() }
}

#[cfg(test)]
mod tests;
