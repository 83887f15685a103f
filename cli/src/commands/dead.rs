//! `tenantry dead`: the jobs that are not tried again without a person.

use clap::{Args, Subcommand};
use serde_json::Value;
use tenantry_protocol::path::Operation;
use tenantry_protocol::queue::{DeadQuery, JobView};
use tenantry_protocol::state::StageName;

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::input::confirm;
use crate::moment::Clock;
use crate::session::{Paging, Session};
use crate::table::{Cell, Tone};
use crate::words;

/// Look at dead letters, put them back or discard them
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme dead list --stage notification
  tenantry -t acme dead show job_…
  tenantry -t acme dead retry --all --stage action
  tenantry -t acme dead discard job_… --yes")]
pub(crate) struct Dead {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// List dead letters, newest first
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme dead list
  tenantry -t acme dead list --stage action -o json"
    )]
    List {
        /// Only those of this stage
        #[arg(long, value_parser = words::stage())]
        stage: Option<StageName>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a dead letter with its payload
    #[command(after_help = "\
Examples:
  tenantry -t acme dead show job_…
  tenantry -t acme dead show job_… -o json | jq .payload")]
    Show {
        /// The job's id
        job: String,
    },
    /// Put dead letters back into their queue
    #[command(after_help = "\
Examples:
  tenantry -t acme dead retry job_…
  tenantry -t acme dead retry --all --stage action")]
    Retry {
        #[command(flatten)]
        which: Which,
    },
    /// Discard dead letters; asks first
    #[command(after_help = "\
Examples:
  tenantry -t acme dead discard job_…
  tenantry -t acme dead discard --all --stage notification --yes")]
    Discard {
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args, Debug)]
struct Which {
    /// Ids of jobs
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "JOB")]
    jobs: Vec<String>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// With --all: only those of this stage
    #[arg(long, requires = "all", value_parser = words::stage())]
    stage: Option<StageName>,
}

impl Dead {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let tenant = session.tenant().await?;
        match self.verb {
            Verb::List { stage, paging } => {
                let page =
                    session
                        .pages::<JobView, _>(Operation::DeadList, &[&tenant], &paging, |limit, after| {
                            DeadQuery { stage, limit, after }
                        })
                        .await?;
                output.list(&page)?;
            }
            Verb::Show { job } => {
                let job: JobView = session.get(Operation::DeadGet, &[&tenant, &job], &()).await?;
                output.show(&job, &job.id.to_string(), |clock| fields(&job, clock))?;
            }
            Verb::Retry { which } => {
                let jobs = which.find(session, &tenant).await?;
                each(session, Operation::DeadRetry, &tenant, &jobs, "put back into its queue").await?;
            }
            Verb::Discard { which, yes } => {
                let jobs = which.find(session, &tenant).await?;
                let question = format!("Discard {} dead letters of {tenant}?", jobs.len());
                if !jobs.is_empty() {
                    confirm(&question, yes, output).await?;
                }
                each(session, Operation::DeadDiscard, &tenant, &jobs, "discarded").await?;
            }
        }
        Ok(Exit::Ok)
    }
}

impl Which {
    async fn find(self, session: &Session, tenant: &str) -> Result<Vec<String>, Failure> {
        if !self.all {
            return Ok(self.jobs);
        }
        let stage = self.stage;
        let page =
            session
                .pages::<JobView, _>(Operation::DeadList, &[tenant], &Paging::all(), |limit, after| {
                    DeadQuery { stage, limit, after }
                })
                .await?;
        Ok(page.items.iter().map(|job| job.id.to_string()).collect())
    }
}

/// Does the same to each. What fails is told and does not keep the others from it; the first failure decides how the
/// command ends.
async fn each(
    session: &Session,
    operation: Operation,
    tenant: &str,
    jobs: &[String],
    done: &str,
) -> Result<(), Failure> {
    let mut first = None;
    for job in jobs {
        match session.send::<Value>(operation, &[tenant, job], &()).await {
            Ok(_) => session.output.note(&format!("{job}: {done}")),
            Err(failure) => {
                if first.is_some() {
                    session.output.failure(&failure);
                }
                first.get_or_insert(failure);
            }
        }
    }
    if jobs.is_empty() {
        session.output.note("there are no such dead letters");
    }
    first.map_or(Ok(()), Err)
}

fn fields(job: &JobView, clock: Clock) -> Vec<(&'static str, Cell)> {
    let payload = job.payload.as_ref().and_then(|payload| serde_json::to_string_pretty(payload).ok());
    vec![
        ("id", job.id.to_string().into()),
        ("stage", job.stage.as_str().into()),
        ("subject", job.subject.clone().into()),
        ("run", Cell::or_dash(job.run)),
        ("attempts", job.attempt.to_string().into()),
        ("error", job.error.clone().map_or_else(|| Cell::from("-"), |error| Cell::toned(error, Tone::Bad))),
        ("created", clock.at(job.created_at).into()),
        ("payload", Cell::or_dash(payload)),
    ]
}
