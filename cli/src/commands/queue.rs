//! `tenantry queue`: what waits in each stage.

use clap::{Args, Subcommand};
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::queue::JobView;
use tenantry_protocol::state::StageName;
use tenantry_protocol::tenant::QueueView;

use crate::exit::Exit;
use crate::failure::Ended;
use crate::moment::Clock;
use crate::session::{Paging, Session};
use crate::state;
use crate::table::{Cell, Column, Row};
use crate::words;

/// See what waits in the four stages
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme queue list
  tenantry -t acme queue jobs action --limit 20")]
pub(crate) struct Queue {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Show how many jobs wait, are handled and are dead in each stage
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme queue list
  tenantry -t acme queue list -o jsonl"
    )]
    List,
    /// List the jobs of a stage: those that are worked on, since when, then those that wait
    #[command(after_help = "\
Examples:
  tenantry -t acme queue jobs trigger
  tenantry -t acme queue jobs notification -o wide")]
    Jobs {
        /// The stage
        #[arg(value_parser = words::stage())]
        stage: StageName,
        #[command(flatten)]
        paging: Paging,
    },
}

impl Queue {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let tenant = session.tenant().await?;
        let query = |limit, after| PageQuery { limit, after };
        match self.verb {
            Verb::List => {
                let page = session
                    .pages::<QueueView, _>(Operation::QueueList, &[&tenant], &Paging::default(), query)
                    .await?;
                session.output.list(&page)?;
            }
            Verb::Jobs { stage, paging } => {
                let path = [tenant.as_str(), stage.as_str()];
                let page = session.pages::<JobView, _>(Operation::JobList, &path, &paging, query).await?;
                session.output.list(&page)?;
            }
        }
        Ok(Exit::Ok)
    }
}

impl Row for JobView {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("STAGE"),
        Column::new("STATE"),
        Column::new("SUBJECT"),
        Column::right("ATTEMPT"),
        Column::new("DUE"),
        Column::new("AT WORK SINCE"),
        Column::new("ERROR"),
        Column::wide("LEASED UNTIL"),
        Column::wide("RUN"),
        Column::wide("CREATED"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            self.id.to_string().into(),
            self.stage.as_str().into(),
            state::job(self.state),
            self.subject.clone().into(),
            self.attempt.to_string().into(),
            // A leased job was due; what matters is since when it is worked on.
            if self.leased_at.is_some() {
                Cell::or_dash(None::<String>)
            } else {
                clock.at(self.available_at).into()
            },
            Cell::or_dash(self.leased_at.map(|at| clock.at(at))),
            Cell::or_dash(self.error.clone()),
            Cell::or_dash(self.lease_until.map(|at| clock.at(at))),
            Cell::or_dash(self.run),
            clock.at(self.created_at).into(),
        ]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }
}
