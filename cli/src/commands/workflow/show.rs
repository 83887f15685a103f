//! Showing a workflow, or the text of one of its revisions.

use clap::Args;
use tenantry_protocol::path::Operation;
use tenantry_protocol::workflow::WorkflowView;

use super::{revision, view};
use crate::exit::Exit;
use crate::failure::Ended;
use crate::session::Session;

/// Show a workflow: its triggers with webhook URLs, inputs and steps
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme workflow show hello
  tenantry -t acme workflow show hello --source > hello.yaml
  tenantry -t acme workflow show hello --source --revision 3")]
pub(super) struct Show {
    /// The workflow
    name: String,
    /// Print the definition's text
    #[arg(long)]
    source: bool,
    /// Of this revision [default: the newest]
    #[arg(long, value_name = "N", requires = "source")]
    revision: Option<u32>,
}

impl Show {
    pub(super) async fn run(self, session: &Session) -> Ended {
        let (output, name) = (session.output, &self.name);
        let tenant = session.tenant().await?;
        if self.source {
            let revision = revision(session, &tenant, name, self.revision).await?;
            output.machine(&revision, &revision.number.to_string(), || {
                output.text(revision.source.as_deref().unwrap_or_default())
            })?;
        } else {
            let workflow: WorkflowView = session.get(Operation::WorkflowGet, &[&tenant, name], &()).await?;
            output.show(&workflow, &workflow.name, |clock| view::fields(&workflow, clock))?;
        }
        Ok(Exit::Ok)
    }
}
