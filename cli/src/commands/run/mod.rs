//! `tenantry run`: what workflows did, step by step, and what they wrote.

mod approve;
mod follow;
mod many;
mod start;
mod view;

use clap::{Args, Subcommand};
use tenantry_protocol::path::Operation;
use tenantry_protocol::printable::printable;
use tenantry_protocol::run::{LogLine, LogQuery, RunQuery, RunView, StepView};
use tenantry_protocol::state::RunState;

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::session::{Paging, Session};
use crate::words;

use many::{Act, Which};
pub(crate) use start::Start;
#[cfg(feature = "server")]
pub(crate) use view::stage_times;

/// Start, see, follow, approve, wait for, cancel and repeat runs
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme run list --state failed
  tenantry -t acme run show run_…
  tenantry -t acme run logs run_… --follow
  tenantry -t acme run wait run_… --timeout 5m && deploy")]
pub(crate) struct Run {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Start a workflow by hand, as `workflow run` does
    ///
    /// Prints the run's id. With --wait or --follow the exit code says how the run ended: 0 succeeded, 5 failed.
    #[command(after_help = "\
Examples:
  tenantry -t acme run start hello -i name=Ada --follow
  tenantry -t acme run start import --input-json @orders.json --wait --timeout 5m")]
    Start {
        #[command(flatten)]
        start: Start,
    },
    /// List runs, newest first
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme run list
  tenantry -t acme run list --workflow paid-invoices --state failed
  tenantry -t acme run list --all -o jsonl"
    )]
    List {
        /// Only runs of this workflow
        #[arg(long, value_name = "NAME")]
        workflow: Option<String>,
        /// Only runs in this state
        #[arg(long, value_parser = words::run_state())]
        state: Option<RunState>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a run: its steps, and the time it spent in each stage
    #[command(after_help = "\
Examples:
  tenantry -t acme run show run_…
  tenantry -t acme run show run_… -o json | jq .stages")]
    Show {
        /// The run's id
        run: String,
    },
    /// Show the steps of a run with their attempts and outputs
    #[command(after_help = "\
Examples:
  tenantry -t acme run steps run_…
  tenantry -t acme run steps run_… -o json | jq '.items[].output'")]
    Steps {
        /// The run's id
        run: String,
    },
    /// Show what a run wrote: all of it, unless --limit or --after ask for a part
    #[command(after_help = "\
Examples:
  tenantry -t acme run logs run_…
  tenantry -t acme run logs run_… --step book
  tenantry -t acme run logs run_… --follow -o jsonl")]
    Logs {
        /// The run's id
        run: String,
        /// Only lines of this step
        #[arg(long, value_name = "ID")]
        step: Option<String>,
        /// Go on with new lines until the run has ended
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        paging: Paging,
    },
    /// Cancel a run, or many; what a run must tidy up still runs, unless it is cancelled again
    #[command(after_help = "\
Examples:
  tenantry -t acme run cancel run_…
  tenantry -t acme run cancel --filter 'workflow=import state=queued' --dry-run
  tenantry -t acme run cancel --filter 'workflow=import' --yes")]
    Cancel {
        #[command(flatten)]
        which: Which,
    },
    /// Try a run again from the step that failed, or many
    ///
    /// A new run takes over the outputs of the steps that had succeeded and does the others. It uses the revision and the
    /// idempotency keys of the first one.
    #[command(after_help = "\
Examples:
  tenantry -t acme run retry run_…
  tenantry -t acme run retry --filter 'state=failed since=2h' --dry-run
  tenantry -t acme run retry --filter 'state=failed since=2h' --yes")]
    Retry {
        #[command(flatten)]
        which: Which,
    },
    /// Run a workflow again from the beginning with the same event, or many
    ///
    /// A new run does every step, on the revision of the first one or, with --latest, on the newest.
    #[command(after_help = "\
Examples:
  tenantry -t acme run replay run_…
  tenantry -t acme run replay run_… --latest
  tenantry -t acme run replay --filter 'workflow=orders since=2026-03-01T00:00:00Z' --latest")]
    Replay {
        #[command(flatten)]
        which: Which,
        /// On the newest revision
        #[arg(long)]
        latest: bool,
    },
    /// List the steps that wait for an approval
    #[command(after_help = "\
Examples:
  tenantry -t acme run approvals
  tenantry -t acme run approvals -o jsonl")]
    Approvals {
        #[command(flatten)]
        paging: Paging,
    },
    /// Approve a step that waits for it
    #[command(after_help = "\
Examples:
  tenantry -t acme run approve run_… sign-off
  tenantry -t acme run approve run_… sign-off --comment 'checked with the client'")]
    Approve(approve::Decision),
    /// Reject a step that waits for an approval
    #[command(after_help = "\
Examples:
  tenantry -t acme run reject run_… sign-off --comment 'wrong month'")]
    Reject(approve::Decision),
    /// Wait until a run has ended; the exit code says how
    ///
    /// 0: it succeeded. 5: it failed, was cancelled or timed out. 7: --timeout passed first. 8: with --no-wait, it has
    /// not ended yet.
    #[command(after_help = "\
Examples:
  tenantry -t acme run wait run_…
  tenantry -t acme run wait run_… --timeout 10m && echo done
  tenantry -t acme run wait run_… --no-wait; test $? -eq 8 && echo 'still running'")]
    Wait {
        /// The run's id
        run: String,
        /// Only look
        #[arg(long)]
        no_wait: bool,
    },
}

impl Run {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let tenant = session.tenant().await?;
        match self.verb {
            Verb::Start { start } => return start.run(session).await,
            Verb::List { workflow, state, paging } => {
                let query = |limit, after| RunQuery { workflow: workflow.clone(), state, limit, after };
                let page =
                    session.pages::<RunView, _>(Operation::RunList, &[&tenant], &paging, query).await?;
                output.list(&page)?;
            }
            Verb::Show { run } => {
                let run: RunView = session.get(Operation::RunGet, &[&tenant, &run], &()).await?;
                view::show(output, &run)?;
            }
            Verb::Steps { run } => steps(session, &tenant, &run).await?,
            Verb::Logs { run, step, follow: true, .. } => {
                output.must_stream()?;
                follow::logs(session, &tenant, &run, step.as_deref()).await?;
            }
            Verb::Logs { run, step, follow: false, paging } => {
                logs(session, &tenant, &run, step, &paging.or_all()).await?;
            }
            Verb::Cancel { which } => return which.run(session, Act::Cancel).await,
            Verb::Retry { which } => return which.run(session, Act::Retry).await,
            Verb::Replay { which, latest } => return which.run(session, Act::Replay { latest }).await,
            Verb::Approvals { paging } => approve::list(session, &tenant, &paging).await?,
            Verb::Approve(decision) => decision.send(session, &tenant, Operation::StepApprove).await?,
            Verb::Reject(decision) => decision.send(session, &tenant, Operation::StepReject).await?,
            Verb::Wait { run, no_wait: true } => {
                let run: RunView = session.get(Operation::RunGet, &[&tenant, &run], &()).await?;
                view::show(output, &run)?;
                return Ok(view::exit(run.state));
            }
            Verb::Wait { run, no_wait: false } => {
                let run = follow::wait(session, &tenant, &run).await?;
                view::show(output, &run)?;
                return Ok(view::exit(run.state));
            }
        }
        Ok(Exit::Ok)
    }
}

async fn steps(session: &Session, tenant: &str, run: &str) -> Result<(), Failure> {
    let query = |limit, after| tenantry_protocol::page::PageQuery { limit, after };
    let path = [tenant, run];
    let page = session.pages::<StepView, _>(Operation::RunSteps, &path, &Paging::all(), query).await?;
    if session.output.is_human() {
        view::steps(session.output, &page.items)
    } else {
        session.output.list(&page)
    }
}

async fn logs(
    session: &Session,
    tenant: &str,
    run: &str,
    step: Option<String>,
    paging: &Paging,
) -> Result<(), Failure> {
    let query = |limit, after| LogQuery { follow: false, step: step.clone(), limit, after };
    let page = session.pages::<LogLine, _>(Operation::RunLogs, &[tenant, run], paging, query).await?;
    let output = session.output;
    if !output.is_human() {
        return output.list(&page);
    }
    for line in &page.items {
        output.raw(&view::log_line(line, output.colour_out()))?;
    }
    match &page.next {
        Some(next) => output.note(&format!("there is more: --after {}, or --all", printable(next))),
        None if page.items.is_empty() => output.note("this run wrote nothing"),
        None => {}
    }
    Ok(())
}
