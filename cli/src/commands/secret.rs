//! `tenantry secret`: values that workflows use and nobody reads back.
//!
//! **Invariant:** a value never stands on a command line, where every user of the machine could see it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::principal::{SecretPut, SecretView, is_secret_name};

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::input::{confirm, hidden};
use crate::moment::Clock;
use crate::session::{Paging, Session};
use crate::table::{Cell, Column, Row};

/// Write secrets for workflows; their values are never shown again
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme secret set GITHUB < github.secret
  tenantry -t acme secret set GITHUB                     asks, without echo
  tenantry -t acme secret list")]
pub(crate) struct Secret {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// List the names of secrets
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme secret list
  tenantry -t acme secret list -o name"
    )]
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Write a secret, from standard input, a file or a hidden answer
    ///
    /// One line feed at the end is not part of the value. A value has at least 8 bytes, so that it can be redacted from
    /// logs, and at most 16 KiB.
    #[command(after_help = "\
Examples:
  pass show acme/github | tenantry -t acme secret set GITHUB
  tenantry -t acme secret set SIGNING_KEY --file ./signing.key
  openssl rand -base64 32 | tenantry -t acme secret set WEBHOOK")]
    Set {
        /// Upper-case letters, digits and underscores
        name: String,
        /// Read the value from a file; - is standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Delete a secret; asks first
    #[command(
        visible_alias = "rm",
        after_help = "\
Examples:
  tenantry -t acme secret delete GITHUB --yes"
    )]
    Delete {
        /// The secret
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl Secret {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let tenant = session.tenant().await?;
        match self.verb {
            Verb::List { paging } => {
                let query = |limit, after| PageQuery { limit, after };
                let page =
                    session.pages::<SecretView, _>(Operation::SecretList, &[&tenant], &paging, query).await?;
                output.list(&page)?;
            }
            Verb::Set { name, file } => {
                if !is_secret_name(&name) {
                    let message = format!("{name} cannot name a secret");
                    let hint = "write it like GITHUB_TOKEN: upper-case letters, digits, underscores";
                    return Err(Failure::usage(message).with_hint(hint));
                }
                let value = hidden(&format!("Value of {name}"), file.as_deref(), output).await?;
                let secret: SecretView =
                    session.send(Operation::SecretPut, &[&tenant, &name], &SecretPut { value }).await?;
                output.show(&secret, &secret.name, |clock| {
                    vec![
                        ("name", secret.name.clone().into()),
                        ("version", secret.version.to_string().into()),
                        ("updated", clock.at(secret.updated_at).into()),
                        ("by", secret.updated_by.clone().into()),
                    ]
                })?;
            }
            Verb::Delete { name, yes } => {
                let question =
                    format!("Delete the secret {name} of {tenant}? Workflows that use it will fail.");
                confirm(&question, yes, output).await?;
                session.send::<Value>(Operation::SecretDelete, &[&tenant, &name], &()).await?;
                output.note(&format!("deleted secret {name}"));
            }
        }
        Ok(Exit::Ok)
    }
}

impl Row for SecretView {
    const COLUMNS: &'static [Column] =
        &[Column::new("NAME"), Column::right("VERSION"), Column::new("UPDATED"), Column::new("BY")];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            self.name.clone().into(),
            self.version.to_string().into(),
            clock.at(self.updated_at).into(),
            self.updated_by.clone().into(),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}
