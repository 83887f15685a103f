//! Whole texts: every finding has a place in the text, a workflow comes out exactly if there is no error, and the same
//! text gives the same answer.

use tenantry_protocol::error::Severity;
use tenantry_workflow::limits::MAX_FINDINGS;
use tenantry_workflow::{Checked, Format, check};

use super::{outline, shape};

pub(super) fn try_input(input: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(input);
    let format = match text.trim_start().bytes().next() {
        Some(b'{') => Format::Json,
        Some(b'[') => Format::Toml,
        _ => Format::Yaml,
    };
    let checked = check("fuzz", &text, format);
    judge(&text, &checked)?;
    if input.len().is_multiple_of(16) {
        let again = check("fuzz", &text, format);
        if again.findings != checked.findings || again.workflow.is_some() != checked.workflow.is_some() {
            return Err("the same text gave another answer".to_owned());
        }
    }
    let mut kinds: Vec<_> =
        checked.findings.iter().map(|finding| (finding.code.clone(), outline(&finding.message))).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let steps = checked.workflow.map(|workflow| (workflow.steps.len().min(8), workflow.sequential));
    Ok(shape((kinds, steps, text.len().ilog2_or_zero())))
}

fn judge(text: &str, checked: &Checked) -> Result<(), String> {
    let errors = checked.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if (errors == 0) != checked.workflow.is_some() {
        return Err(format!("{errors} errors, and a workflow: {}", checked.workflow.is_some()));
    }
    if checked.findings.len() > MAX_FINDINGS + 1 {
        return Err(format!("{} findings", checked.findings.len()));
    }
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').split('\n').collect();
    for finding in &checked.findings {
        let (line, column) = (finding.line as usize, finding.column as usize);
        let is_inside = match line.checked_sub(1).map(|index| lines.get(index)) {
            None => true,
            Some(Some(text)) => column >= 1 && column <= text.chars().count() + 1,
            Some(None) => false,
        };
        if !is_inside {
            return Err(format!("{} is said to be at {line}:{column}, where there is nothing", finding.code));
        }
    }
    Ok(())
}

/// The size of a text, roughly.
trait Roughly {
    fn ilog2_or_zero(self) -> u32;
}

impl Roughly for usize {
    fn ilog2_or_zero(self) -> u32 {
        self.checked_ilog2().unwrap_or_default()
    }
}
