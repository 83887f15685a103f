//! `tenantry key`: what people and programs log in with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::permission::Role;
use tenantry_protocol::principal::{KeyCreate, KeyCreated, KeyView};

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::input::confirm;
use crate::moment::Clock;
use crate::session::{Paging, Session};
use crate::table::{Cell, Column, Row, Tone};
use crate::words;

/// Create and revoke the keys that people and programs log in with
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme key create ci --role operator --file ./acme-ci.key
  tenantry -t acme key list
  tenantry -t acme key revoke key_…
  tenantry key create backup --host --role host-admin --expires-in-days 90")]
pub(crate) struct Key {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Create a key; its text is shown this once
    ///
    /// Roles: viewer, operator (runs, cancels, emits, triages dead letters), editor (edits workflows, channels and
    /// secrets), admin (manages keys, reads the audit log); host-admin with --host only.
    #[command(after_help = "\
Examples:
  tenantry -t acme key create ci --role operator
  tenantry -t acme key create anna --role admin --file ./anna.key
  tenantry -t acme key create guest --role viewer --expires-in-days 7 -o json")]
    Create {
        /// Who or what will use it
        name: String,
        /// What it may do
        #[arg(long, value_parser = words::role())]
        role: Role,
        /// When it expires [default: never]
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<u32>,
        /// Write its text into a new file that only you can read, instead of showing it
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        scope: Scope,
    },
    /// List keys, without what they prove
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme key list
  tenantry key list --host"
    )]
    List {
        #[command(flatten)]
        scope: Scope,
        #[command(flatten)]
        paging: Paging,
    },
    /// Revoke a key and its sessions; asks first
    #[command(after_help = "\
Examples:
  tenantry -t acme key revoke key_…
  tenantry -t acme key revoke key_… --yes")]
    Revoke {
        /// The key's id
        key: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        scope: Scope,
    },
}

#[derive(Args, Debug)]
struct Scope {
    /// Keys of the host instead of a tenant's
    #[arg(long)]
    host: bool,
}

impl Scope {
    /// The tenant's name, or nothing for the host.
    async fn path(&self, session: &Session) -> Result<Vec<String>, Failure> {
        if self.host { Ok(Vec::new()) } else { Ok(vec![session.tenant().await?]) }
    }
}

impl Key {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        match self.verb {
            Verb::Create { name, role, expires_in_days, file, scope } => {
                let body = KeyCreate { name, role, expires_in_days };
                create(session, &scope, &body, file.as_deref()).await?;
            }
            Verb::List { scope, paging } => {
                let path = scope.path(session).await?;
                let operation = if scope.host { Operation::HostKeyList } else { Operation::KeyList };
                let query = |limit, after| PageQuery { limit, after };
                let page = session.pages::<KeyView, _>(operation, &borrow(&path), &paging, query).await?;
                output.list(&page)?;
            }
            Verb::Revoke { key, yes, scope } => {
                let mut path = scope.path(session).await?;
                let operation = if scope.host { Operation::HostKeyRevoke } else { Operation::KeyRevoke };
                confirm(&format!("Revoke the key {key} and its sessions?"), yes, output).await?;
                path.push(key.clone());
                session.send::<Value>(operation, &borrow(&path), &()).await?;
                output.note(&format!("revoked {key}"));
            }
        }
        Ok(Exit::Ok)
    }
}

async fn create(
    session: &Session,
    scope: &Scope,
    body: &KeyCreate,
    file: Option<&Path>,
) -> Result<(), Failure> {
    let output = session.output;
    let path = scope.path(session).await?;
    let operation = if scope.host { Operation::HostKeyCreate } else { Operation::KeyCreate };
    // The file comes first: a key whose text could not be put anywhere would be a key that nobody has.
    let mut place = file.map(new_private_file).transpose()?;
    let created: Result<KeyCreated, Failure> = session.send(operation, &borrow(&path), body).await;
    let created = created.inspect_err(|_| {
        if let Some(file) = file {
            drop(std::fs::remove_file(file));
        }
    })?;
    let view = &created.view;
    if let (Some(place), Some(file)) = (&mut place, file) {
        writeln!(place, "{}", created.key).map_err(|error| Failure::file("write", file, &error))?;
        output.show(view, &view.id.to_string(), |clock| fields(view, clock))?;
        output.note(&format!("its text is in {}; log in: tenantry login --key-file FILE", file.display()));
        return Ok(());
    }
    output.show(&created, &created.key, |clock| {
        let mut fields = fields(view, clock);
        fields.push(("key", created.key.clone().into()));
        fields
    })?;
    output.note("the key is shown this once; keep it like a password");
    Ok(())
}

fn new_private_file(path: &Path) -> Result<std::fs::File, Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| Failure::file("create", path, &error))
}

fn borrow(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn fields(key: &KeyView, clock: Clock) -> Vec<(&'static str, Cell)> {
    vec![
        ("id", key.id.to_string().into()),
        ("name", key.name.clone().into()),
        ("role", key.role.as_str().into()),
        ("expires", expiry(key, clock)),
        ("principal", key.principal.to_string().into()),
    ]
}

fn expiry(key: &KeyView, clock: Clock) -> Cell {
    match (key.revoked_at, key.expires_at) {
        (Some(at), _) => Cell::toned(format!("revoked {}", clock.at(at)), Tone::Bad),
        (None, Some(at)) => clock.at(at).into(),
        (None, None) => "never".into(),
    }
}

impl Row for KeyView {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("NAME"),
        Column::new("ROLE"),
        Column::new("CREATED"),
        Column::new("EXPIRES"),
        Column::new("LAST USED"),
        Column::wide("PRINCIPAL"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            self.id.to_string().into(),
            self.name.clone().into(),
            self.role.as_str().into(),
            clock.at(self.created_at).into(),
            expiry(self, clock),
            clock.at_if(self.last_used_at).into(),
            self.principal.to_string().into(),
        ]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }
}
