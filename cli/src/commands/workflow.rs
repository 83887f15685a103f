//! `tenantry workflow`: the definitions. One file a verb below; what needs no daemon asks none.

mod apply;
mod check;
mod diff;
mod files;
mod fmt;
mod graph;
mod new;
mod next;
mod plan;
mod rollback;
mod schema;
mod show;
mod test;
mod view;

use clap::{Args, Subcommand};
use serde_json::Value;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::workflow::{RevisionView, WorkflowUpdate, WorkflowView};

use super::run;
use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::input::confirm;
use crate::session::{Paging, Session};

/// Write, check, apply, run and look at workflows
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry workflow new hello            write hello.yaml and a test of it
  tenantry workflow check hello.yaml     offline, all findings at once
  tenantry workflow test hello.test.yaml what it makes of an event, without doing it
  tenantry workflow plan hello.yaml      what it does, and what applying it would change
  tenantry -t acme workflow apply hello.yaml
  tenantry -t acme workflow run hello -i name=Ada --follow

`new`, `check`, `fmt`, `test`, `graph` and `schema` never ask a daemon; `plan` works without one.")]
pub(crate) struct Workflow {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    New(new::New),
    Check(check::Check),
    Fmt(fmt::Fmt),
    Test(test::Test),
    Graph(graph::Graph),
    Plan(plan::Plan),
    Apply(apply::Apply),
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
    Show(show::Show),
    /// Show when a workflow will start by itself, and how its schedules stand
    ///
    /// Times are those of each schedule's time zone, with the offset, so that a change of clocks can be seen.
    #[command(after_help = "\
Examples:
  tenantry -t acme workflow next nightly
  tenantry -t acme workflow next nightly -n 50 -o json | jq -r '.fires[].local'")]
    Next {
        /// The workflow
        #[arg(value_name = "WORKFLOW")]
        name: String,
        /// How many, 100 at most
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
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
    Diff(diff::Diff),
    Rollback(rollback::Rollback),
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
    Schema(schema::Schema),
}

impl Workflow {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        match self.verb {
            Verb::New(new) => new.run(output, session.tenant_if_known().await.as_deref()),
            Verb::Check(check) => check.run(output),
            Verb::Fmt(fmt) => fmt.run(output),
            Verb::Test(test) => test.run(output),
            Verb::Graph(graph) => graph.run(output),
            Verb::Schema(schema) => schema.run(output),
            Verb::Plan(plan) => plan.run(session).await,
            Verb::Apply(apply) => apply.run(session).await,
            Verb::Show(show) => show.run(session).await,
            Verb::Diff(diff) => diff.run(session).await,
            Verb::Rollback(rollback) => rollback.run(session).await,
            Verb::Run { start } => start.run(session).await,
            Verb::List { paging } => {
                let tenant = session.tenant().await?;
                let query = |limit, after| PageQuery { limit, after };
                let page = session
                    .pages::<WorkflowView, _>(Operation::WorkflowList, &[&tenant], &paging, query)
                    .await?;
                output.list(&page)?;
                Ok(Exit::Ok)
            }
            Verb::Next { name, limit } => {
                next::next(session, &name, limit).await?;
                Ok(Exit::Ok)
            }
            Verb::Revisions { name, paging } => {
                let tenant = session.tenant().await?;
                let query = |limit, after| PageQuery { limit, after };
                let path = [tenant.as_str(), &name];
                let page =
                    session.pages::<RevisionView, _>(Operation::RevisionList, &path, &paging, query).await?;
                output.list(&page)?;
                Ok(Exit::Ok)
            }
            Verb::Enable { name } => enable(session, &name, true).await,
            Verb::Disable { name } => enable(session, &name, false).await,
            Verb::Delete { name, yes } => {
                let tenant = session.tenant().await?;
                let question = format!("Delete the workflow {name} of {tenant}? Its runs are kept.");
                confirm(&question, yes, output).await?;
                session.send::<Value>(Operation::WorkflowDelete, &[&tenant, &name], &()).await?;
                output.note(&format!("deleted workflow {name}"));
                Ok(Exit::Ok)
            }
        }
    }
}

async fn enable(session: &Session, name: &str, enabled: bool) -> Ended {
    let tenant = session.tenant().await?;
    let body = WorkflowUpdate { enabled };
    let workflow: WorkflowView = session.send(Operation::WorkflowUpdate, &[&tenant, name], &body).await?;
    session.output.show(&workflow, &workflow.name, |clock| view::fields(&workflow, clock))?;
    Ok(Exit::Ok)
}

/// A revision with its text; the one that new runs take if no number is given.
async fn revision(
    session: &Session,
    tenant: &str,
    name: &str,
    number: Option<u32>,
) -> Result<RevisionView, Failure> {
    let number = match number {
        Some(number) => number,
        None => session.get::<WorkflowView>(Operation::WorkflowGet, &[tenant, name], &()).await?.revision,
    };
    session.get(Operation::RevisionGet, &[tenant, name, &number.to_string()], &()).await
}

/// What the findings of a revision of that workflow call its text; the extension says the notation.
fn file_name(name: &str, revision: &RevisionView) -> String {
    format!("{name}.{}", revision.format)
}
