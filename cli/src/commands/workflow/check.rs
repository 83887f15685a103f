//! Checking files without a daemon: the same check that the daemon makes when they are applied.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tenantry_protocol::error::{Finding, Severity};
use tenantry_workflow::Format;

use super::files;
use crate::exit::Exit;
use crate::failure::{Ended, finding_text};
use crate::moment;
use crate::output::Output;

/// Check workflow files offline; every finding has its place and what would be right
///
/// Ends with 0 if all files are valid, warnings included, and with 1 if there is an error.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry workflow check hello.yaml
  tenantry workflow check workflows/
  tenantry workflow check - < hello.yaml
  tenantry workflow check - --as hello.toml < hello.toml
  tenantry workflow check hello.yaml -o json | jq '.findings[].line'
  tenantry explain unknown-key           what a finding means, with an example")]
pub(super) struct Check {
    /// Files, folders, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    stdin: files::StdinName,
}

/// What the check of all files found.
#[derive(Serialize)]
struct Report {
    ok: bool,
    files: usize,
    findings: Vec<Finding>,
}

impl Check {
    pub(super) fn run(self, output: Output) -> Ended {
        let texts = files::read(&self.paths, &self.stdin)?;
        let mut report = Report { ok: true, files: texts.len(), findings: Vec::new() };
        let mut first: HashMap<String, String> = HashMap::new();
        for text in texts {
            let checked = tenantry_workflow::check(&text.name, &text.text, Format::of_path(&text.name));
            report.ok &= checked.workflow.is_some();
            report.findings.extend(checked.findings);
            let Some(workflow) = checked.workflow else { continue };
            report.findings.extend(tenantry_workflow::past_instants(&workflow, &text.name, moment::now()));
            if let Some(other) = first.insert(workflow.name.clone(), text.name.clone()) {
                report.ok = false;
                report.findings.push(tenantry_workflow::duplicate_workflow(
                    &workflow.name,
                    &text.name,
                    &other,
                ));
            }
        }
        output.machine(&report, if report.ok { "ok" } else { "invalid-workflow" }, || {
            for finding in &report.findings {
                output.raw(&format!("{}\n", finding_text(finding, output.colour_out())))?;
            }
            output.line(&summary(&report))
        })?;
        Ok(if report.ok { Exit::Ok } else { Exit::Failed })
    }
}

fn summary(report: &Report) -> String {
    let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let errors = count(Severity::Error);
    let warnings = count(Severity::Warning);
    let files = plural(report.files, "file");
    match (errors, warnings) {
        (0, 0) => format!("{files}, all well"),
        (0, _) => format!("{files}, {}", plural(warnings, "warning")),
        (_, 0) => format!("{files}, {}", plural(errors, "error")),
        _ => format!("{files}, {}, {}", plural(errors, "error"), plural(warnings, "warning")),
    }
}
