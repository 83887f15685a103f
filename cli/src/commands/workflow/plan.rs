//! What a workflow will do and what applying it would change, before anything is changed.

mod deployed;
mod report;

use std::path::PathBuf;

use clap::Args;

use self::deployed::Deployed;
use self::report::{Action, Planned, Report};
use super::files::{self, StdinName, Text};
use super::{apply, graph};
use crate::exit::Exit;
use crate::failure::{Ended, Failure, finding_text};
use crate::moment;
use crate::session::Session;

/// Show what workflow files do, and what applying them would change
///
/// Offline: each file's triggers with webhook URLs and next times, its steps as a drawing, the secrets and channels it
/// needs. With a daemon and a tenant also what is new, what differs and what is missing. Nothing is changed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry workflow plan hello.yaml --offline
  tenantry -t acme workflow plan workflows/
  tenantry -t acme workflow plan workflows/ --prune     also what is deployed and in none of the files
  tenantry -t acme workflow plan workflows/ --exit-code || echo 'there is something to apply'
  tenantry -t acme workflow plan workflows/ -o json | jq '.workflows[] | {name, action}'")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Plan {
    /// Files, folders, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    stdin: StdinName,
    /// Ask no daemon
    #[arg(long)]
    offline: bool,
    /// Show also which workflows `apply --prune` would delete
    #[arg(long, conflicts_with = "offline")]
    prune: bool,
    /// End with 8 if there is something to apply
    #[arg(long, conflicts_with = "offline")]
    exit_code: bool,
    /// Draw the steps of every file, not only of one that stands alone
    #[arg(long)]
    graph: bool,
}

impl Plan {
    pub(super) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let texts = files::read(&self.paths, &self.stdin)?;
        let names = apply::names(&texts)?;
        let deployed = if self.offline { None } else { self.deployed(session).await? };
        let draws = self.graph || texts.len() == 1;
        let mut workflows = Vec::with_capacity(texts.len());
        for text in &texts {
            workflows.push(planned(session, deployed.as_ref(), text, draws).await?);
            for finding in tenantry_workflow::past_instants(&text.workflow()?, &text.name, moment::now()) {
                output.warn(&finding_text(&finding, output.colour_err()));
            }
        }
        let prune = match &deployed {
            Some(deployed) if self.prune => {
                deployed.workflows.keys().filter(|name| !names.contains(*name)).cloned().collect()
            }
            _ => Vec::new(),
        };
        let tenant = deployed.map(|deployed| deployed.tenant);
        let report = Report { tenant, workflows, prune };
        let shown: Vec<&str> = report.workflows.iter().map(|planned| planned.name.as_str()).collect();
        output.several(&report, &shown, || output.raw(&report.text(output.colour_out())))?;
        Ok(if self.exit_code && report.changes_something() { Exit::Pending } else { Exit::Ok })
    }

    /// What is deployed; `None`, with a note, where nobody can say.
    async fn deployed(&self, session: &Session) -> Result<Option<Deployed>, Failure> {
        let must = self.prune || self.exit_code;
        let asked = match session.tenant().await {
            Ok(tenant) => Deployed::read(session, tenant).await,
            Err(failure) => Err(failure),
        };
        match asked {
            Ok(deployed) => Ok(Some(deployed)),
            Err(failure) if !must && failure.exit() == Exit::DaemonDown => {
                session.output.note("no daemon answers, so nothing is compared with what is deployed");
                Ok(None)
            }
            Err(failure) if !must && failure.exit() == Exit::Usage => {
                session.output.note("no tenant is named (-t), so nothing is compared with what is deployed");
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

async fn planned(
    session: &Session,
    deployed: Option<&Deployed>,
    text: &Text,
    draws: bool,
) -> Result<Planned, Failure> {
    let workflow = text.workflow()?;
    let mut planned = Planned::of(&text.name, &workflow, deployed.map(|d| d.tenant.as_str()), moment::now());
    planned.graph = draws.then(|| graph::drawing(&workflow, session.output, false));
    let Some(deployed) = deployed else { return Ok(planned) };
    let (action, diff) = deployed.compare(session, &workflow.name, text).await?;
    planned.action = Some(action);
    planned.diff = (action == Action::Change).then_some(diff);
    planned.missing = deployed.missing(&planned.secrets, &planned.vars, &planned.channels);
    Ok(planned)
}
