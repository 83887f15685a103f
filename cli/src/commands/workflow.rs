//! `tenantry workflow`: the definitions, checked offline or by the daemon.

mod check;
mod example;
mod files;
mod graph;
mod view;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::workflow::{
    Applied, RevisionView, WorkflowApplied, WorkflowApply, WorkflowUpdate, WorkflowView,
};

use super::run;
use crate::exit::Exit;
use crate::failure::{Ended, Failure, finding_text};
use crate::input::confirm;
use crate::session::{Paging, Session};
use example::Example;

/// Check, apply, run and look at workflows
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry workflow check *.yaml         offline, all findings at once
  tenantry -t acme workflow apply hello.yaml
  tenantry -t acme workflow run hello -i name=Ada --follow
  tenantry -t acme workflow revisions hello")]
pub(crate) struct Workflow {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Check workflow files offline; every finding has its place and what would be right
    #[command(after_help = "\
Examples:
  tenantry workflow check hello.yaml
  tenantry workflow check workflows/
  tenantry workflow check - < hello.yaml
  tenantry workflow check hello.yaml -o json | jq '.findings[].line'")]
    Check {
        /// Files, folders, or - for standard input
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Show offline in which order a workflow's steps run, and which secrets and channels it needs
    #[command(after_help = "\
Examples:
  tenantry workflow graph hello.yaml
  tenantry workflow graph hello.yaml -o json | jq -r '.secrets[]'")]
    Graph {
        /// The file, or - for standard input
        path: PathBuf,
    },
    /// Apply workflow files: create, or add a revision where the text has changed
    #[command(after_help = "\
Examples:
  tenantry -t acme workflow apply hello.yaml
  tenantry -t acme workflow apply workflows/ --dry-run
  generate | tenantry -t acme workflow apply -")]
    Apply {
        /// Files, folders, or - for standard input
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Check and compare only; change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// List workflows
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme workflow list
  tenantry -t acme workflow list -o name"
    )]
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a workflow: its triggers with webhook URLs, inputs and steps
    #[command(after_help = "\
Examples:
  tenantry -t acme workflow show hello
  tenantry -t acme workflow show hello --source > hello.yaml
  tenantry -t acme workflow show hello --source --revision 3")]
    Show {
        /// The workflow
        name: String,
        /// Print the definition's text
        #[arg(long)]
        source: bool,
        /// Of this revision [default: the newest]
        #[arg(long, value_name = "N", requires = "source")]
        revision: Option<u32>,
    },
    /// List the revisions of a workflow
    #[command(after_help = "\
Examples:
  tenantry -t acme workflow revisions hello")]
    Revisions {
        /// The workflow
        name: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// Let a workflow's triggers fire
    #[command(after_help = "\
Examples:
  tenantry -t acme workflow enable hello")]
    Enable {
        /// The workflow
        name: String,
    },
    /// Keep a workflow's triggers from firing; runs that have begun go on
    #[command(after_help = "\
Examples:
  tenantry -t acme workflow disable hello")]
    Disable {
        /// The workflow
        name: String,
    },
    /// Start a workflow by hand
    ///
    /// Prints the run's id. With --wait or --follow the exit code says how the run ended: 0 succeeded, 5 failed.
    #[command(after_help = "\
Examples:
  tenantry -t acme workflow run hello
  tenantry -t acme workflow run hello -i name=Ada -i loud=true --follow
  tenantry -t acme workflow run import --input-json @orders.json --wait --timeout 5m
  tenantry -t acme workflow run bill --idempotency-key 2026-11")]
    Run {
        #[command(flatten)]
        start: run::Start,
    },
    /// Delete a workflow; its runs are kept; asks first
    #[command(
        visible_alias = "rm",
        after_help = "\
Examples:
  tenantry -t acme workflow delete hello --yes"
    )]
    Delete {
        /// The workflow
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Print a workflow to begin with
    #[command(after_help = "\
Examples:
  tenantry workflow example > hello.yaml
  tenantry workflow example push-report")]
    Example {
        /// Which one
        #[arg(default_value_t, value_enum)]
        example: Example,
    },
    /// Print the JSON Schema of the workflow language, for editors
    #[command(after_help = "\
Examples:
  tenantry workflow schema > workflow.schema.json
  # yaml-language-server: $schema=./workflow.schema.json")]
    Schema,
}

impl Workflow {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        match self.verb {
            Verb::Check { paths } => return check::check(output, &paths),
            Verb::Graph { path } => return graph::graph(output, &path),
            Verb::Example { example } => return example::example(output, example),
            Verb::Schema => output.json(&tenantry_workflow::schema(), true)?,
            Verb::Apply { paths, dry_run } => apply(session, &paths, dry_run).await?,
            Verb::List { paging } => {
                let tenant = session.tenant().await?;
                let query = |limit, after| PageQuery { limit, after };
                let page = session
                    .pages::<WorkflowView, _>(Operation::WorkflowList, &[&tenant], &paging, query)
                    .await?;
                output.list(&page)?;
            }
            Verb::Show { name, source, revision } => show(session, &name, source, revision).await?,
            Verb::Revisions { name, paging } => {
                let tenant = session.tenant().await?;
                let query = |limit, after| PageQuery { limit, after };
                let path = [tenant.as_str(), &name];
                let page =
                    session.pages::<RevisionView, _>(Operation::RevisionList, &path, &paging, query).await?;
                output.list(&page)?;
            }
            Verb::Enable { name } => enable(session, &name, true).await?,
            Verb::Disable { name } => enable(session, &name, false).await?,
            Verb::Run { start } => return start.run(session).await,
            Verb::Delete { name, yes } => {
                let tenant = session.tenant().await?;
                let question = format!("Delete the workflow {name} of {tenant}? Its runs are kept.");
                confirm(&question, yes, output).await?;
                session.send::<Value>(Operation::WorkflowDelete, &[&tenant, &name], &()).await?;
                output.note(&format!("deleted workflow {name}"));
            }
        }
        Ok(Exit::Ok)
    }
}

async fn apply(session: &Session, paths: &[PathBuf], dry_run: bool) -> Result<(), Failure> {
    let output = session.output;
    let texts = files::read(paths)?;
    let tenant = session.tenant().await?;
    for text in texts {
        let body = WorkflowApply { file: text.name.clone(), source: text.text, dry_run };
        let applied: WorkflowApplied = session.send(Operation::WorkflowApply, &[&tenant], &body).await?;
        for finding in &applied.findings {
            output.warn(&finding_text(finding, output.colour_err()));
        }
        let name = applied.workflow.as_ref().map_or_else(|| text.name.clone(), |view| view.name.clone());
        output.item(&applied, &name, || {
            let revision = applied
                .workflow
                .as_ref()
                .map_or_else(String::new, |view| format!(" (revision {})", view.revision));
            let word = match (applied.applied, dry_run) {
                (Applied::Unchanged, _) => "unchanged",
                (Applied::Created, false) => "created",
                (Applied::Updated, false) => "updated",
                (Applied::Created, true) => "would be created",
                (Applied::Updated, true) => "would be updated",
            };
            format!("{} {word}{revision}\n", tenantry_protocol::printable::printable(&name))
        })?;
    }
    Ok(())
}

async fn show(session: &Session, name: &str, source: bool, revision: Option<u32>) -> Result<(), Failure> {
    let output = session.output;
    let tenant = session.tenant().await?;
    if !source {
        let workflow: WorkflowView = session.get(Operation::WorkflowGet, &[&tenant, name], &()).await?;
        return output.show(&workflow, &workflow.name, |clock| view::fields(&workflow, clock));
    }
    let number = match revision {
        Some(number) => number,
        None => session.get::<WorkflowView>(Operation::WorkflowGet, &[&tenant, name], &()).await?.revision,
    };
    let path = [tenant.as_str(), name, &number.to_string()];
    let revision: RevisionView = session.get(Operation::RevisionGet, &path, &()).await?;
    output.machine(&revision, &number.to_string(), || {
        output.text(revision.source.as_deref().unwrap_or_default())
    })
}

async fn enable(session: &Session, name: &str, enabled: bool) -> Result<(), Failure> {
    let tenant = session.tenant().await?;
    let body = WorkflowUpdate { enabled };
    let workflow: WorkflowView = session.send(Operation::WorkflowUpdate, &[&tenant, name], &body).await?;
    session.output.show(&workflow, &workflow.name, |clock| view::fields(&workflow, clock))
}
