//! `tenantry inbox`: the notifications that a tenant keeps for its people.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use tenantry_protocol::channel::{InboxQuery, NotificationView};
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;

use crate::exit::Exit;
use crate::failure::Ended;
use crate::moment::Clock;
use crate::session::{Paging, Session};
use crate::table::{Cell, Column, Row, Tone};

/// Read the tenant's inbox
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme inbox list --unread
  tenantry -t acme inbox read ntf_…
  tenantry -t acme inbox list --unread -o name | xargs tenantry -t acme inbox read")]
pub(crate) struct Inbox {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// List the messages, newest first
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme inbox list
  tenantry -t acme inbox list --unread -o json"
    )]
    List {
        /// Only those that nobody has read
        #[arg(long)]
        unread: bool,
        #[command(flatten)]
        paging: Paging,
    },
    /// Mark messages as read
    #[command(after_help = "\
Examples:
  tenantry -t acme inbox read ntf_…
  tenantry -t acme inbox read --all")]
    Read {
        /// Ids of messages
        #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "NOTIFICATION")]
        messages: Vec<String>,
        /// All that nobody has read
        #[arg(long)]
        all: bool,
    },
}

/// A notification as the inbox shows it.
#[derive(Serialize)]
#[serde(transparent)]
struct Message(NotificationView);

impl Inbox {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let tenant = session.tenant().await?;
        match self.verb {
            Verb::List { unread, paging } => {
                let page = session
                    .pages::<NotificationView, _>(
                        Operation::InboxList,
                        &[&tenant],
                        &paging,
                        |limit, after| InboxQuery { unread, limit, after },
                    )
                    .await?;
                let items = page.items.into_iter().map(Message).collect();
                session.output.list(&Page { items, next: page.next })?;
            }
            Verb::Read { mut messages, all } => {
                if all {
                    let page = session
                        .pages::<NotificationView, _>(
                            Operation::InboxList,
                            &[&tenant],
                            &Paging::all(),
                            |limit, after| InboxQuery { unread: true, limit, after },
                        )
                        .await?;
                    messages = page.items.iter().map(|message| message.id.to_string()).collect();
                }
                for message in &messages {
                    session.send::<Value>(Operation::InboxRead, &[&tenant, message], &()).await?;
                }
                session.output.note(&format!("marked {} as read", messages.len()));
            }
        }
        Ok(Exit::Ok)
    }
}

impl Row for Message {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("READ"),
        Column::new("TITLE"),
        Column::new("MESSAGE"),
        Column::new("WHEN"),
        Column::wide("CHANNEL"),
        Column::wide("RUN"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        let message = &self.0;
        let read = match message.read_at {
            Some(_) => Cell::toned("yes", Tone::Dim),
            None => Cell::toned("no", Tone::Warn),
        };
        vec![
            message.id.to_string().into(),
            read,
            message.title.clone().into(),
            message.body.clone().into(),
            clock.at(message.created_at).into(),
            message.channel.clone().into(),
            Cell::or_dash(message.run),
        ]
    }

    fn name(&self) -> String {
        self.0.id.to_string()
    }
}
