//! One layout for workflow files, comments kept.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use tenantry_protocol::error::ErrorCode;
use tenantry_workflow::Format;

use super::files::{self, StdinName};
use crate::diff;
use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::output::Output;

/// Lay out workflow files in one way; comments and meaning stay
///
/// Indentation, space at line ends, empty lines, and the order of a workflow's own keys. What stands in brackets,
/// quotes and blocks keeps its own layout. Every result is read again and compared with the original before it is
/// written. Standard input is answered on standard output.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry workflow fmt workflows/
  tenantry workflow fmt --check workflows/      change nothing; end with 1 if a file is not tidy
  tenantry workflow fmt --diff hello.yaml       show what would change
  tenantry workflow fmt - < hello.yaml
  tenantry workflow fmt - --as hello.toml < hello.toml")]
pub(super) struct Fmt {
    /// Files, folders, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    stdin: StdinName,
    /// Change nothing; end with 1 if a file is not tidy
    #[arg(long)]
    check: bool,
    /// Change nothing; show what would change
    #[arg(long)]
    diff: bool,
}

/// What became of the files.
#[derive(Serialize)]
struct Report {
    files: usize,
    /// Those that are, or with `--check` and `--diff` would be, changed.
    changed: Vec<String>,
}

impl Fmt {
    pub(super) fn run(self, output: Output) -> Ended {
        let paths = files::expand(&self.paths, |name| files::is_workflow(name) || files::is_test(name))?;
        if paths.iter().any(|path| path == Path::new("-")) {
            return self.standard_input(output, &paths);
        }
        let mut report = Report { files: paths.len(), changed: Vec::new() };
        let mut diffs = String::new();
        for path in &paths {
            let text = files::one(path, &self.stdin)?;
            let tidied = tidied(&text.name, &text.text)?;
            if tidied == text.text {
                continue;
            }
            if self.diff {
                diffs.push_str(&diff::unified(&text.name, &text.name, &text.text, &tidied));
            } else if !self.check {
                replace(path, &tidied)?;
            }
            report.changed.push(text.name);
        }
        let names: Vec<&str> = report.changed.iter().map(String::as_str).collect();
        output.several(&report, &names, || {
            if self.diff {
                return output.diff(&diffs);
            }
            let word = if self.check { "not tidy" } else { "changed" };
            report.changed.iter().try_for_each(|name| output.line(&format!("{name} {word}")))
        })?;
        if report.changed.is_empty() {
            output.note(&format!("{} files, all tidy", report.files));
        }
        Ok(self.ended(!report.changed.is_empty()))
    }

    fn standard_input(&self, output: Output, paths: &[PathBuf]) -> Ended {
        let [path] = paths else {
            return Err(Failure::usage("standard input is laid out alone: give `-` and nothing else"));
        };
        let text = files::one(path, &self.stdin)?;
        let tidied = tidied(&text.name, &text.text)?;
        let changed = tidied != text.text;
        if self.diff {
            output.diff(&diff::unified(&text.name, &text.name, &text.text, &tidied))?;
        } else if !self.check {
            output.text(&tidied)?;
        }
        Ok(self.ended(changed))
    }

    const fn ended(&self, changed: bool) -> Exit {
        if self.check && changed { Exit::Failed } else { Exit::Ok }
    }
}

fn tidied(name: &str, text: &str) -> Result<String, Failure> {
    tenantry_workflow::tidy(name, text, Format::of_path(name)).map_err(|findings| {
        Failure::new(ErrorCode::InvalidWorkflow, format!("{name} cannot be read")).with_findings(findings)
    })
}

/// Writes the new text beside the file and puts it in its place, so that no moment has half a file.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| Failure::file("write", path, error);
    // A link is followed: the file it leads to is what was meant.
    let path = fs::canonicalize(path).map_err(|error| failed(&error))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mode = fs::metadata(&path).map_err(|error| failed(&error))?.permissions();
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    new.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    new.as_file().set_permissions(mode).map_err(|error| failed(&error))?;
    new.persist(&path).map_err(|error| failed(&error.error))?;
    Ok(())
}
