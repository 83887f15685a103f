//! Rehearsals: what a workflow makes of one event, told without a daemon.
//!
//! Expressions, conditions, retries and the order of steps are the real ones; what leaves the process is mocked by a
//! test file, and the clock is simulated, so a retry of an hour takes no time. Filters of `jq` are evaluated by
//! whoever calls, because this crate has no jq. Pure: the same file and workflow always give the same report.
//! Go next to [`file`] for test files, to [`timeline`] for how a run is simulated, to [`verdict`] for what is compared.

mod event;
mod file;
mod mock;
mod timeline;
mod verdict;

use serde_json::Value;

use crate::definition::Workflow;

pub use file::{TestFile, read};
pub use verdict::{Mismatch, Report, StepEnd};

/// Evaluates the filters of `jq` steps.
pub trait Filters {
    /// The outputs of a filter: one is that value, none is null, several are an array. The error says in words what
    /// is wrong.
    fn evaluate(&mut self, filter: &str, input: &Value) -> Result<Value, String>;
}

/// Runs every test of a file against a workflow.
pub fn rehearse(workflow: &Workflow, file: &TestFile, filters: &mut dyn Filters) -> Vec<Report> {
    file.tests
        .iter()
        .map(|test| {
            let told = timeline::tell(workflow, file, test, filters);
            verdict::judge(workflow, test, &told)
        })
        .collect()
}

#[cfg(test)]
mod tests;
