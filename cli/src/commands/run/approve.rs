//! `tenantry run approvals`, `approve`, `reject`: decisions on steps that ask for one.

use clap::Args;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{ApprovalView, Decide, RunView};

use super::view;
use crate::failure::Failure;
use crate::moment::Clock;
use crate::session::{Paging, Session};
use crate::table::{Cell, Column, Row};

/// A decision on a step.
#[derive(Args, Debug)]
pub(super) struct Decision {
    /// The run's id
    run: String,
    /// The step's id
    step: String,
    /// Why; kept with the step and in the audit log
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

impl Decision {
    /// Tells the daemon, and shows what became of the run.
    pub(super) async fn send(
        self,
        session: &Session,
        tenant: &str,
        operation: Operation,
    ) -> Result<(), Failure> {
        let Self { run, step, comment } = self;
        let run: RunView = session.send(operation, &[tenant, &run, &step], &Decide { comment }).await?;
        view::show(session.output, &run)
    }
}

/// Lists what waits.
pub(super) async fn list(session: &Session, tenant: &str, paging: &Paging) -> Result<(), Failure> {
    let query = |limit, after| PageQuery { limit, after };
    let page = session.pages::<ApprovalView, _>(Operation::ApprovalList, &[tenant], paging, query).await?;
    session.output.list(&page)
}

impl Row for ApprovalView {
    const COLUMNS: &'static [Column] = &[
        Column::new("RUN"),
        Column::new("STEP"),
        Column::new("WORKFLOW"),
        Column::new("BY"),
        Column::new("ASKED"),
        Column::new("UNTIL"),
        Column::new("MESSAGE"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            self.run.to_string().into(),
            self.step.clone().into(),
            self.workflow.clone().into(),
            self.by.to_string().into(),
            clock.at(self.asked_at).into(),
            self.due_at.map_or_else(|| "-".to_owned(), |due| clock.at(due)).into(),
            Cell::or_dash(self.message.clone()),
        ]
    }

    fn name(&self) -> String {
        self.run.to_string()
    }
}
