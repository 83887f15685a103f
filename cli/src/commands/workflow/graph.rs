//! What a workflow will do, read from its file: in which order its steps run, and what it needs to be there.

use std::path::Path;

use serde::Serialize;
use tenantry_protocol::error::ErrorCode;
use tenantry_workflow::{Format, Workflow};

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::input;
use crate::moment::Clock;
use crate::output::Output;
use crate::table::{Cell, Column, Row};

/// A workflow's order and needs.
#[derive(Serialize)]
struct Graph {
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

pub(super) fn graph(output: Output, path: &Path) -> Ended {
    let name = path.display().to_string();
    let text = input::text(path)?;
    let checked = tenantry_workflow::check(&name, &text, Format::of_path(&name));
    let Some(workflow) = checked.workflow else {
        let failure = Failure::new(ErrorCode::InvalidWorkflow, format!("{name} is not valid"));
        return Err(failure.with_findings(checked.findings));
    };
    let graph = Graph::of(&workflow);
    output.machine(&graph, &graph.workflow, || {
        output.table(&graph.steps)?;
        output.line("")?;
        for (label, names) in [("secrets", &graph.secrets), ("channels", &graph.channels)] {
            if !names.is_empty() {
                output.line(&format!("{label}: {}", names.join(" ")))?;
            }
        }
        Ok(())
    })?;
    Ok(Exit::Ok)
}

impl Graph {
    fn of(workflow: &Workflow) -> Self {
        let rounds = rounds(&workflow.steps.iter().map(|step| step.needs.as_slice()).collect::<Vec<_>>());
        let id = |index: &usize| workflow.steps.get(*index).map(|step| step.id.clone()).unwrap_or_default();
        let mut steps: Vec<Node> = workflow
            .steps
            .iter()
            .zip(rounds)
            .map(|(step, round)| Node {
                round,
                id: step.id.clone(),
                kind: step.kind().as_str(),
                needs: step.needs.iter().map(id).collect(),
            })
            .collect();
        steps.sort_by_key(|node| node.round);
        let mut channels: Vec<_> = workflow.notify.iter().map(|rule| rule.channel.clone()).collect();
        channels.sort_unstable();
        channels.dedup();
        Self {
            workflow: workflow.name.clone(),
            steps,
            secrets: workflow.secrets().into_iter().map(str::to_owned).collect(),
            channels,
        }
    }
}

/// The round of each step: one more than the latest of those it needs. A checked workflow has no circles; in what has
/// one, the steps of the circle would stay in the round that is reached after as many rounds as there are steps.
fn rounds(needs: &[&[usize]]) -> Vec<usize> {
    let mut rounds = vec![1; needs.len()];
    for _ in 0..needs.len() {
        for (step, needs) in needs.iter().enumerate() {
            let latest = needs.iter().filter_map(|need| rounds.get(*need)).max();
            rounds[step] = latest.map_or(1, |latest| latest + 1).min(rounds.len());
        }
    }
    rounds
}

impl Row for Node {
    const COLUMNS: &'static [Column] =
        &[Column::right("ROUND"), Column::new("STEP"), Column::new("KIND"), Column::new("NEEDS")];

    fn cells(&self, _: Clock) -> Vec<Cell> {
        let needs = (!self.needs.is_empty()).then(|| self.needs.join(" "));
        vec![self.round.to_string().into(), self.id.clone().into(), self.kind.into(), Cell::or_dash(needs)]
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_round_after_what_it_needs() {
        assert_eq!(rounds(&[&[], &[0], &[0], &[1, 2], &[]]), [1, 2, 2, 3, 1]);
        assert_eq!(rounds(&[&[1], &[]]), [2, 1]);
        assert_eq!(rounds(&[]), [0_usize; 0]);
        assert!(rounds(&[&[1], &[0]]).iter().all(|round| *round <= 2), "a circle does not go on forever");
    }
}
