//! `tenantry event`: what came in.

use clap::{Args, Subcommand};
use serde_json::Value;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{Accepted, EventEmit, EventView};

use crate::exit::Exit;
use crate::failure::Ended;
use crate::input;
use crate::moment::{Clock, bytes};
use crate::session::{Paging, Session};
use crate::table::{Cell, Column, Row};

/// Emit events and look at those that came in
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme event emit invoice.paid --data '{\"id\": 17, \"amount\": 4200}'
  tenantry -t acme event list
  tenantry -t acme event show evt_… -o json | jq .content.body")]
pub(crate) struct Event {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Emit an event; every enabled workflow that listens to its name runs
    #[command(after_help = "\
Examples:
  tenantry -t acme event emit invoice.paid --data '{\"id\": 17}'
  tenantry -t acme event emit invoice.paid --data @invoice.json --idempotency-key invoice-17
  generate | tenantry -t acme event emit report.ready --data -")]
    Emit {
        /// Names joined by dots
        name: String,
        /// What it carries: JSON, @FILE, or - for standard input
        #[arg(long, value_name = "JSON")]
        data: Option<String>,
        /// The same key again within a day emits nothing twice
        #[arg(long, value_name = "TEXT")]
        idempotency_key: Option<String>,
    },
    /// List events, newest first
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme event list --limit 10
  tenantry -t acme event list --all -o jsonl"
    )]
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show an event with its body and its runs
    #[command(after_help = "\
Examples:
  tenantry -t acme event show evt_…
  tenantry -t acme event show evt_… -o json | jq .content")]
    Show {
        /// The event's id
        event: String,
    },
}

impl Event {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let tenant = session.tenant().await?;
        match self.verb {
            Verb::Emit { name, data, idempotency_key } => {
                let data = data.as_deref().map(input::json).transpose()?.unwrap_or(Value::Null);
                let body = EventEmit { name, data, idempotency_key };
                let accepted: Accepted = session.send(Operation::EventEmit, &[&tenant], &body).await?;
                output.machine(&accepted, &accepted.event.to_string(), || {
                    output.line(&accepted.event.to_string())
                })?;
                if accepted.duplicate {
                    output.note("it had been accepted before under the same key");
                }
            }
            Verb::List { paging } => {
                let query = |limit, after| PageQuery { limit, after };
                let page =
                    session.pages::<EventView, _>(Operation::EventList, &[&tenant], &paging, query).await?;
                output.list(&page)?;
            }
            Verb::Show { event } => {
                let event: EventView = session.get(Operation::EventGet, &[&tenant, &event], &()).await?;
                output.show(&event, &event.id.to_string(), |clock| fields(&event, clock))?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn fields(event: &EventView, clock: Clock) -> Vec<(&'static str, Cell)> {
    let runs: Vec<_> = event.runs.iter().map(ToString::to_string).collect();
    let content = event.content.as_ref().and_then(|content| serde_json::to_string_pretty(content).ok());
    vec![
        ("id", event.id.to_string().into()),
        ("kind", event.kind.as_str().into()),
        ("source", event.source.clone().into()),
        ("received", clock.at(event.received_at).into()),
        ("body", bytes(event.body_bytes).into()),
        ("runs", if runs.is_empty() { "none".into() } else { runs.join("\n").into() }),
        ("content", Cell::or_dash(content)),
    ]
}

impl Row for EventView {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("KIND"),
        Column::new("SOURCE"),
        Column::right("BODY"),
        Column::new("RECEIVED"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            self.id.to_string().into(),
            self.kind.as_str().into(),
            self.source.clone().into(),
            bytes(self.body_bytes).into(),
            clock.at(self.received_at).into(),
        ]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }
}
