//! What a workflow will do, read from its file: in which order its steps run, and what it needs to be there.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tenantry_protocol::printable::{printable, printable_lines};
use tenantry_workflow::Workflow;
use tenantry_workflow::graph::{self, Style};

use super::files::{self, StdinName};
use crate::exit::Exit;
use crate::failure::Ended;
use crate::output::Output;

/// Draw offline in which order a workflow's steps run, and which secrets and channels it needs
///
/// A step stands below everything it waits for. The drawing fits the terminal; in a pipe it takes 100 columns.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry workflow graph hello.yaml
  tenantry workflow graph hello.yaml --ascii
  tenantry workflow graph hello.yaml -o json | jq -r '.secrets[]'")]
pub(super) struct Graph {
    /// The file, or - for standard input
    #[arg(value_name = "FILE")]
    path: PathBuf,
    #[command(flatten)]
    stdin: StdinName,
    /// Draw with characters of ASCII only
    #[arg(long)]
    ascii: bool,
}

/// A workflow's order and needs.
#[derive(Serialize)]
struct Shown {
    workflow: String,
    steps: Vec<Node>,
    secrets: Vec<String>,
    channels: Vec<String>,
}

/// A step. Those of one round do not wait for each other.
#[derive(Serialize)]
struct Node {
    round: usize,
    id: String,
    kind: &'static str,
    needs: Vec<String>,
}

impl Graph {
    pub(super) fn run(self, output: Output) -> Ended {
        let workflow = files::one(&self.path, &self.stdin)?.workflow()?;
        let shown = Shown::of(&workflow);
        output.machine(&shown, &shown.workflow, || {
            output.raw(&printable_lines(&drawing(&workflow, output, self.ascii)))?;
            let needs = [("secrets", &shown.secrets), ("channels", &shown.channels)];
            for (count, (label, names)) in needs.iter().filter(|(_, names)| !names.is_empty()).enumerate() {
                if count == 0 {
                    output.line("")?;
                }
                output.line(&format!("{label}: {}", printable(&names.join(" "))))?;
            }
            Ok(())
        })?;
        Ok(Exit::Ok)
    }
}

/// The drawing of a workflow's steps, as wide as the output.
pub(super) fn drawing(workflow: &Workflow, output: Output, ascii: bool) -> String {
    graph::draw(workflow, Style { width: output.drawing_width(), ascii })
}

/// The channels that a workflow tells, sorted, each once.
pub(super) fn channels(workflow: &Workflow) -> Vec<String> {
    let mut channels: Vec<_> = workflow.notify.iter().map(|rule| rule.channel.clone()).collect();
    channels.sort_unstable();
    channels.dedup();
    channels
}

impl Shown {
    fn of(workflow: &Workflow) -> Self {
        let id = |index: &usize| workflow.steps.get(*index).map(|step| step.id.clone()).unwrap_or_default();
        let mut steps: Vec<Node> = workflow
            .steps
            .iter()
            .zip(graph::rounds(workflow))
            .map(|(step, round)| Node {
                round,
                id: step.id.clone(),
                kind: step.kind().as_str(),
                needs: step.needs.iter().map(id).collect(),
            })
            .collect();
        steps.sort_by_key(|node| node.round);
        Self {
            workflow: workflow.name.clone(),
            steps,
            secrets: workflow.secrets().into_iter().map(str::to_owned).collect(),
            channels: channels(workflow),
        }
    }
}
