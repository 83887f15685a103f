//! `tenantry channel`: where notifications go.

use std::collections::BTreeMap;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use tenantry_protocol::channel::{ChannelConfig, ChannelView};
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::input::{confirm, parse_pair};
use crate::moment::Clock;
use crate::session::{Paging, Session};
use crate::table::{Cell, Column, Row};

/// Say where notifications go: the inbox or a webhook
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme channel set ops webhook --url https://ops.example.com/hook --secret OPS_SIGNING
  tenantry -t acme channel set desk inbox
  tenantry -t acme channel test ops")]
pub(crate) struct Channel {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Kept in the tenant's file, read with `tenantry inbox`
    Inbox,
    /// POSTed, signed as Standard Webhooks where a secret is named
    Webhook,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// List channels
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme channel list"
    )]
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Create or change a channel
    #[command(after_help = "\
Examples:
  tenantry -t acme channel set desk inbox
  tenantry -t acme channel set ops webhook --url https://ops.example.com/hook
  tenantry -t acme channel set ops webhook --url https://ops.example.com/hook --secret OPS_SIGNING --header X-Team=ops")]
    Set {
        /// The name that workflows use
        name: String,
        /// What it is
        kind: Kind,
        /// webhook: where to POST
        #[arg(long)]
        url: Option<String>,
        /// webhook: the name of the secret that signs
        #[arg(long, value_name = "NAME")]
        secret: Option<String>,
        /// webhook: an extra header; may be repeated
        #[arg(long = "header", value_name = "NAME=VALUE", value_parser = parse_pair)]
        headers: Vec<(String, String)>,
    },
    /// Show a channel
    #[command(after_help = "\
Examples:
  tenantry -t acme channel show ops")]
    Show {
        /// The channel
        name: String,
    },
    /// Send a test notification
    #[command(after_help = "\
Examples:
  tenantry -t acme channel test ops && tenantry -t acme notification list --limit 1")]
    Test {
        /// The channel
        name: String,
    },
    /// Delete a channel; asks first
    #[command(
        visible_alias = "rm",
        after_help = "\
Examples:
  tenantry -t acme channel delete ops --yes"
    )]
    Delete {
        /// The channel
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl Channel {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let tenant = session.tenant().await?;
        match self.verb {
            Verb::List { paging } => {
                let query = |limit, after| PageQuery { limit, after };
                let page = session
                    .pages::<ChannelView, _>(Operation::ChannelList, &[&tenant], &paging, query)
                    .await?;
                output.list(&page)?;
            }
            Verb::Set { name, kind, url, secret, headers } => {
                let config = config(kind, url, secret, headers)?;
                let channel: ChannelView =
                    session.send(Operation::ChannelPut, &[&tenant, &name], &config).await?;
                show(session, &channel)?;
                output.note(&format!("next: tenantry -t {tenant} channel test {name}"));
            }
            Verb::Show { name } => {
                let channel: ChannelView = session.get(Operation::ChannelGet, &[&tenant, &name], &()).await?;
                show(session, &channel)?;
            }
            Verb::Test { name } => {
                let answer: Value = session.send(Operation::ChannelTest, &[&tenant, &name], &()).await?;
                let id = answer.get("id").and_then(Value::as_str).unwrap_or(&name).to_owned();
                output.machine(&answer, &id, || output.line(&id))?;
                output.note(&format!("how it went: tenantry -t {tenant} notification list --limit 1"));
            }
            Verb::Delete { name, yes } => {
                let question =
                    format!("Delete the channel {name} of {tenant}? Workflows that name it will not notify.");
                confirm(&question, yes, output).await?;
                session.send::<Value>(Operation::ChannelDelete, &[&tenant, &name], &()).await?;
                output.note(&format!("deleted channel {name}"));
            }
        }
        Ok(Exit::Ok)
    }
}

fn config(
    kind: Kind,
    url: Option<String>,
    secret: Option<String>,
    headers: Vec<(String, String)>,
) -> Result<ChannelConfig, Failure> {
    match (kind, url) {
        (Kind::Inbox, None) if secret.is_none() && headers.is_empty() => Ok(ChannelConfig::Inbox),
        (Kind::Inbox, _) => Err(Failure::usage("an inbox takes neither --url nor --secret nor --header")),
        (Kind::Webhook, None) => Err(Failure::usage("a webhook needs --url")),
        (Kind::Webhook, Some(url)) => {
            let headers: BTreeMap<_, _> = headers.into_iter().collect();
            Ok(ChannelConfig::Webhook { url, secret, headers })
        }
    }
}

fn show(session: &Session, channel: &ChannelView) -> Result<(), Failure> {
    session.output.show(channel, &channel.name, |clock| {
        let mut fields = vec![
            ("name", channel.name.clone().into()),
            ("id", channel.id.to_string().into()),
            ("kind", channel.config.kind().into()),
        ];
        if let ChannelConfig::Webhook { url, secret, headers } = &channel.config {
            let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            fields.push(("url", url.clone().into()));
            fields.push(("signed with", Cell::or_dash(secret.clone())));
            if !headers.is_empty() {
                fields.push(("headers", headers.join("\n").into()));
            }
        }
        fields.push(("created", clock.at(channel.created_at).into()));
        fields.push(("updated", clock.at(channel.updated_at).into()));
        fields
    })
}

impl Row for ChannelView {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME"),
        Column::new("KIND"),
        Column::new("URL"),
        Column::new("SIGNED WITH"),
        Column::wide("ID"),
        Column::new("UPDATED"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        let (url, secret) = match &self.config {
            ChannelConfig::Inbox => (None, None),
            ChannelConfig::Webhook { url, secret, .. } => (Some(url.clone()), secret.clone()),
        };
        vec![
            self.name.clone().into(),
            self.config.kind().into(),
            Cell::or_dash(url),
            Cell::or_dash(secret),
            self.id.to_string().into(),
            clock.at(self.updated_at).into(),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_takes_only_what_it_can_use() {
        assert_eq!(config(Kind::Inbox, None, None, Vec::new()).unwrap(), ChannelConfig::Inbox);
        assert!(config(Kind::Inbox, Some("https://x".into()), None, Vec::new()).is_err());
        assert!(config(Kind::Webhook, None, None, Vec::new()).is_err());
        let headers = vec![("a".to_owned(), "b".to_owned())];
        let made = config(Kind::Webhook, Some("https://x".into()), Some("S".into()), headers).unwrap();
        assert_eq!(made.kind(), "webhook");
    }
}
