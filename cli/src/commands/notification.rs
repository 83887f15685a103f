//! `tenantry notification`: what was told to whom, and whether it arrived.

use clap::{Args, Subcommand};
use tenantry_protocol::channel::NotificationView;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;

use crate::exit::Exit;
use crate::failure::Ended;
use crate::moment::Clock;
use crate::session::{Paging, Session};
use crate::state;
use crate::table::{Cell, Column, Row};

/// See notifications and whether they were delivered
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme notification list
  tenantry -t acme notification list -o json | jq '.items[] | select(.state == \"failed\")'")]
pub(crate) struct Notification {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// List notifications of every channel, newest first
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme notification list --limit 10
  tenantry -t acme notification list -o wide"
    )]
    List {
        #[command(flatten)]
        paging: Paging,
    },
}

impl Notification {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let tenant = session.tenant().await?;
        let Verb::List { paging } = self.verb;
        let query = |limit, after| PageQuery { limit, after };
        let page = session
            .pages::<NotificationView, _>(Operation::NotificationList, &[&tenant], &paging, query)
            .await?;
        session.output.list(&page)?;
        Ok(Exit::Ok)
    }
}

impl Row for NotificationView {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("CHANNEL"),
        Column::new("STATE"),
        Column::right("ATTEMPT"),
        Column::new("TITLE"),
        Column::new("CREATED"),
        Column::new("ERROR"),
        Column::wide("RUN"),
        Column::wide("DELIVERED"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            self.id.to_string().into(),
            self.channel.clone().into(),
            state::notification(self.state),
            self.attempt.to_string().into(),
            self.title.clone().into(),
            clock.at(self.created_at).into(),
            Cell::or_dash(self.error.clone()),
            Cell::or_dash(self.run),
            clock.at_if(self.delivered_at).into(),
        ]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }
}
