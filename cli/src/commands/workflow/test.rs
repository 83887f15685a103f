//! Testing workflows without a daemon: recorded events, mocked steps, a simulated clock.

mod junit;
mod report;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use tenantry_protocol::error::ErrorCode;
use tenantry_workflow::rehearsal::{self, Filters};

use self::report::{FileReport, Report};
use super::files::{self, StdinName};
use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::output::Output;

/// Test workflows offline, with recorded events and mocked steps
///
/// A test file X.test.yaml says what starts the workflow X.yaml, what its steps get from outside, and what must come of
/// it: states, outputs, requests, events, notifications. Expressions, conditions, retries and jq are the real ones, and
/// the clock is simulated. A folder stands for its *.test.yaml files. Ends with 1 if a test fails.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry workflow test hello.test.yaml
  tenantry workflow test workflows/
  tenantry workflow test workflows/ --junit report.xml
  tenantry workflow test hello.test.yaml --name 'a large invoice'
  tenantry workflow test workflows/ -o json | jq '.files[].tests[] | select(.mismatches != [])'")]
pub(super) struct Test {
    /// Test files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Write the results as JUnit XML too; - for standard output instead of anything else
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Show every step of every test
    #[arg(short, long)]
    verbose: bool,
}

impl Test {
    pub(super) fn run(self, output: Output) -> Ended {
        let paths = files::expand(&self.paths, files::is_test)?;
        if paths.is_empty() {
            return Err(Failure::usage("there is no test in these folders").with_hint(
                "the test of hello.yaml is hello.test.yaml; `tenantry workflow new hello` writes both",
            ));
        }
        let mut jq = jq()?;
        let mut report = Report { ok: true, passed: 0, failed: 0, files: Vec::new() };
        for path in &paths {
            let tests = self.file(path, jq.as_mut())?;
            for test in &tests.tests {
                if test.passed() { report.passed += 1 } else { report.failed += 1 }
            }
            report.files.push(tests);
        }
        report.ok = report.failed == 0;
        if report.passed + report.failed == 0 {
            return Err(Failure::usage("no test has such a name"));
        }
        let on_stdout = self.junit.as_deref() == Some(Path::new("-"));
        if let Some(path) = &self.junit {
            let xml = junit::write(&report);
            if on_stdout {
                output.text(&xml)?;
            } else {
                std::fs::write(path, xml).map_err(|error| Failure::file("write", path, &error))?;
            }
        }
        if !on_stdout {
            let names: Vec<&str> = report.files.iter().map(|file| file.file.as_str()).collect();
            output
                .several(&report, &names, || output.raw(&report.text(self.verbose, output.colour_out())))?;
        }
        Ok(if report.ok { Exit::Ok } else { Exit::Failed })
    }

    fn file(&self, path: &Path, jq: &mut dyn Filters) -> Result<FileReport, Failure> {
        let text = files::one(path, &StdinName::default())?;
        let file = rehearsal::read(&text.name, &text.text).map_err(|findings| {
            if let (true, Some(test)) = (text.workflow().is_ok(), test_of(path)) {
                let message = format!("{} is a workflow, not a test", text.name);
                return Failure::usage(message).with_hint(format!("tenantry workflow test {test}"));
            }
            let message = format!("{} is not a valid test file", text.name);
            Failure::new(ErrorCode::InvalidWorkflow, message).with_findings(findings)
        })?;
        let tested = match &file.workflow {
            Some(relative) => path.parent().unwrap_or_else(|| Path::new("")).join(relative),
            None => beside(path)?,
        };
        let workflow = files::one(&tested, &StdinName::default())?.workflow()?;
        let mut tests = rehearsal::rehearse(&workflow, &file, jq);
        if let Some(part) = &self.name {
            tests.retain(|test| test.name.contains(part.as_str()));
        }
        Ok(FileReport { file: text.name, workflow: workflow.name, tests })
    }
}

/// `hello.test.yaml` for `hello.yaml`.
fn test_of(workflow: &Path) -> Option<String> {
    let stem = workflow.file_stem()?.to_str()?;
    Some(workflow.with_file_name(format!("{stem}.test.yaml")).display().to_string())
}

/// `hello.yaml`, or with another extension, for `hello.test.yaml`.
fn beside(path: &Path) -> Result<PathBuf, Failure> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.split(".test.").next().unwrap_or_default();
    let found = ["yaml", "yml", "toml", "json"].into_iter().map(|extension| {
        let file = format!("{stem}.{extension}");
        path.with_file_name(file)
    });
    found.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        let message = format!("there is no workflow beside {}", path.display());
        Failure::usage(message)
            .with_hint(format!("it is called {stem}.yaml, or the test names it by `workflow:`"))
    })
}

/// How long one filter may take, as long as a step of jq may where nothing is said.
#[cfg(feature = "server")]
const FILTER_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Filters that are evaluated by a function.
#[cfg(feature = "server")]
struct Jq<F>(F);

#[cfg(feature = "server")]
impl<F: FnMut(&str, &Value) -> Result<Value, String>> Filters for Jq<F> {
    fn evaluate(&mut self, filter: &str, input: &Value) -> Result<Value, String> {
        self.0(filter, input)
    }
}

#[cfg(feature = "server")]
fn jq() -> Result<Box<dyn Filters>, Failure> {
    let mut worker = crate::commands::runner::filters(FILTER_LIMIT)?;
    Ok(Box::new(Jq(move |filter: &str, input: &Value| worker.evaluate(filter, input))))
}

/// The slim client has no jq.
#[cfg(not(feature = "server"))]
struct Absent;

#[cfg(not(feature = "server"))]
impl Filters for Absent {
    fn evaluate(&mut self, _: &str, _: &Value) -> Result<Value, String> {
        Err("this program was built without the server and has no jq: mock the step, or use the whole program".to_owned())
    }
}

#[cfg(not(feature = "server"))]
#[expect(clippy::unnecessary_wraps, reason = "the whole program's may fail")]
fn jq() -> Result<Box<dyn Filters>, Failure> {
    Ok(Box::new(Absent))
}
