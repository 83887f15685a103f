//! Going back: the text of an older revision becomes the newest one, so that the way back is itself on record.

use clap::Args;
use serde::Serialize;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::printable::printable;
use tenantry_protocol::workflow::{RevisionView, WorkflowApplied, WorkflowApply};

use super::{file_name, revision};
use crate::exit::Exit;
use crate::failure::{Ended, Failure, finding_text};
use crate::session::{Paging, Session};

/// Apply the text of an older revision again, as a new revision
///
/// Without --to it is the last one whose text differs from the present one. Runs that have begun keep their revision.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme workflow rollback hello
  tenantry -t acme workflow revisions hello
  tenantry -t acme workflow rollback hello --to 3
  tenantry -t acme workflow rollback hello --to 3 --dry-run")]
pub(super) struct Rollback {
    /// The workflow
    name: String,
    /// The revision whose text is applied
    #[arg(long, value_name = "N")]
    to: Option<u32>,
    /// Check only; change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What going back did.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Back {
    name: String,
    /// Whose text is applied again.
    from: u32,
    /// The revision that has it now; the one before, if nothing was changed.
    revision: u32,
    dry_run: bool,
}

impl Rollback {
    pub(super) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let tenant = session.tenant().await?;
        let present = revision(session, &tenant, &self.name, None).await?;
        let wanted = match self.to {
            Some(number) => revision(session, &tenant, &self.name, Some(number)).await?,
            None => self.before(session, &tenant, &present).await?,
        };
        if wanted.sha256 == present.sha256 {
            let message =
                format!("revision {} of {} has the same text as the present one", wanted.number, self.name);
            return Err(Failure::new(ErrorCode::StateConflict, message)
                .with_hint(format!("`tenantry workflow revisions {}` lists them", self.name)));
        }
        let file = file_name(&self.name, &wanted);
        let body =
            WorkflowApply { file, source: wanted.source.clone().unwrap_or_default(), dry_run: self.dry_run };
        let applied: WorkflowApplied = session.send(Operation::WorkflowApply, &[&tenant], &body).await?;
        for finding in &applied.findings {
            output.warn(&finding_text(finding, output.colour_err()));
        }
        let back = Back {
            from: wanted.number,
            revision: applied.workflow.map_or(present.number, |view| view.revision),
            name: self.name,
            dry_run: self.dry_run,
        };
        output.machine(&back, &back.name, || {
            let name = printable(&back.name);
            let text = if back.dry_run {
                format!("{name} would get the text of revision {} again", back.from)
            } else {
                format!("{name} has the text of revision {} again, as revision {}", back.from, back.revision)
            };
            output.line(&text)
        })?;
        Ok(Exit::Ok)
    }

    /// The newest revision before the present one that has another text.
    async fn before(
        &self,
        session: &Session,
        tenant: &str,
        present: &RevisionView,
    ) -> Result<RevisionView, Failure> {
        let query = |limit, after| PageQuery { limit, after };
        let path = [tenant, self.name.as_str()];
        let page =
            session.pages::<RevisionView, _>(Operation::RevisionList, &path, &Paging::all(), query).await?;
        let older = page.items.iter().find(|row| row.number < present.number && row.sha256 != present.sha256);
        let Some(older) = older else {
            let message = format!("{} has no older revision with another text", self.name);
            return Err(Failure::new(ErrorCode::StateConflict, message));
        };
        revision(session, tenant, &self.name, Some(older.number)).await
    }
}
