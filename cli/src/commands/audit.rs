//! `tenantry audit`: who did what, and the proof that nobody has changed the record of it.

mod offline;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use tenantry_protocol::audit::{AuditQuery, AuditVerified, AuditView};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::path::Operation;

use crate::exit::Exit;
use crate::failure::{Ended, Failure, Local};
use crate::moment::Clock;
use crate::session::{Paging, Session};
use crate::table::{Cell, Column, Row, Tone};

/// Read and verify the append-only audit log of a tenant or of the host
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme audit list --verb secret
  tenantry -t acme audit verify
  tenantry -t acme audit export > acme-audit.jsonl
  tenantry audit list --host")]
pub(crate) struct Audit {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// List audit records, newest first
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme audit list
  tenantry -t acme audit list --verb workflow.apply --limit 10
  tenantry audit list --host -o jsonl"
    )]
    List {
        /// Only verbs that start with this: secret, workflow.apply
        #[arg(long, value_name = "PREFIX")]
        verb: Option<String>,
        /// Only records on this resource
        #[arg(long)]
        resource: Option<String>,
        #[command(flatten)]
        scope: Scope,
        #[command(flatten)]
        paging: Paging,
    },
    /// Verify that no record was changed, left out or put in
    ///
    /// The daemon recomputes the Merkle log (RFC 6962) over every record and checks it against the signed checkpoints.
    /// With --file this program does so itself, with an export and without a daemon, on any machine.
    #[command(after_help = "\
Examples:
  tenantry -t acme audit verify
  tenantry audit verify --file acme-audit.jsonl --key 'tenantry/host+1a2b3c4d+AY…'
  tenantry audit verify --host -o json | jq -e .ok")]
    Verify {
        /// Verify this export instead of asking the daemon
        #[arg(long, value_name = "EXPORT", conflicts_with = "host")]
        file: Option<PathBuf>,
        /// With --file: the public key that must have signed the checkpoints (`audit key` of `tenant show`)
        #[arg(long, requires = "file")]
        key: Option<String>,
        #[command(flatten)]
        scope: Scope,
    },
    /// Export records and checkpoints as JSON lines
    #[command(after_help = "\
Examples:
  tenantry -t acme audit export > acme-audit.jsonl")]
    Export,
}

#[derive(Args, Debug)]
struct Scope {
    /// The host's audit log instead of a tenant's
    #[arg(long)]
    host: bool,
}

impl Scope {
    async fn path(&self, session: &Session) -> Result<Vec<String>, Failure> {
        if self.host { Ok(Vec::new()) } else { Ok(vec![session.tenant().await?]) }
    }
}

impl Audit {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        match self.verb {
            Verb::List { verb, resource, scope, paging } => {
                let path = scope.path(session).await?;
                let path: Vec<_> = path.iter().map(String::as_str).collect();
                let operation = if scope.host { Operation::HostAudit } else { Operation::AuditList };
                let query = |limit, after| AuditQuery {
                    verb: verb.clone(),
                    resource: resource.clone(),
                    limit,
                    after,
                };
                let page = session.pages::<AuditView, _>(operation, &path, &paging, query).await?;
                output.list(&page)?;
            }
            Verb::Verify { file: Some(file), key, .. } => {
                verdict(session, &offline::verify(&file, key.as_deref())?)?;
            }
            Verb::Verify { file: None, scope, .. } => {
                let path = scope.path(session).await?;
                let path: Vec<_> = path.iter().map(String::as_str).collect();
                let operation = if scope.host { Operation::HostAuditVerify } else { Operation::AuditVerify };
                let verified: AuditVerified = session.send(operation, &path, &()).await?;
                verdict(session, &verified)?;
            }
            Verb::Export => {
                let tenant = session.tenant().await?;
                export(session, &tenant).await?;
            }
        }
        Ok(Exit::Ok)
    }
}

/// Where an export goes on.
#[derive(Serialize)]
struct From {
    from: u64,
}

/// Prints the whole log, page by page: the next page begins after the last record of the one before.
async fn export(session: &Session, tenant: &str) -> Result<(), Failure> {
    let mut from = 0;
    loop {
        let page = session.bytes(Operation::AuditExport, &[tenant], &From { from }).await?;
        let last = String::from_utf8_lossy(&page).lines().filter_map(offline::seq).max();
        if from == 0 || last.is_some() {
            session.output.document(&page)?;
        }
        match last {
            Some(last) if last >= from => from = last + 1,
            _ => return Ok(()),
        }
    }
}

/// Shows what a verification found; faults end the command with a failure.
fn verdict(session: &Session, verified: &AuditVerified) -> Result<(), Failure> {
    let word = if verified.ok { "verified" } else { "broken" };
    session.output.show(verified, word, |_| {
        let tone = if verified.ok { Tone::Good } else { Tone::Bad };
        let mut fields = vec![
            ("log", Cell::toned(word, tone)),
            ("records", verified.records.to_string().into()),
            ("checkpoints", verified.checkpoints.to_string().into()),
            ("root", verified.root.clone().into()),
            ("checkpoint", Cell::or_dash(verified.checkpoint.clone())),
        ];
        for fault in &verified.faults {
            fields.push(("fault", Cell::toned(format!("at {}: {}", fault.at, fault.message), Tone::Bad)));
        }
        fields
    })?;
    if verified.ok {
        return Ok(());
    }
    let message = format!("the audit log does not hold: {} faults", verified.faults.len());
    Err(Failure::local(Local::CheckFailed, message)
        .with_hint("keep the tenant's file as it is, and compare it with an export or a backup from before"))
}

impl Row for AuditView {
    const COLUMNS: &'static [Column] = &[
        Column::right("SEQ"),
        Column::new("WHEN"),
        Column::new("WHO"),
        Column::new("VERB"),
        Column::new("RESOURCE"),
        Column::new("OUTCOME"),
        Column::wide("REQUEST"),
        Column::wide("DETAIL"),
        Column::wide("LEAF"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        let refused = self.outcome.parse::<ErrorCode>().is_ok();
        let tone = if refused { Tone::Bad } else { Tone::Plain };
        vec![
            self.seq.to_string().into(),
            clock.at(self.at).into(),
            self.actor.clone().into(),
            self.verb.clone().into(),
            self.resource.clone().into(),
            Cell::toned(self.outcome.clone(), tone),
            self.request_id.clone().into(),
            if self.detail.is_null() { "-".into() } else { self.detail.to_string().into() },
            self.leaf.clone().into(),
        ]
    }

    fn name(&self) -> String {
        self.seq.to_string()
    }
}
