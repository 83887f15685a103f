//! What differs between two revisions, or between a file and what is deployed.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use tenantry_protocol::error::ErrorCode;

use super::files::{self, StdinName};
use super::revision;
use crate::diff;
use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::session::Session;

/// Show what differs between two revisions, or between a file and what is deployed
///
/// A path that exists is compared with the newest revision of the workflow it names; so is - for standard input. A
/// name alone compares the newest revision with the one before.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme workflow diff hello            the last change
  tenantry -t acme workflow diff hello 3          revision 3 and the newest
  tenantry -t acme workflow diff hello 3 5
  tenantry -t acme workflow diff ./hello.yaml     what is deployed and the file
  tenantry -t acme workflow diff hello.yaml --exit-code || echo 'not deployed'")]
pub(super) struct Diff {
    /// A workflow, a file, or - for standard input
    #[arg(value_name = "NAME|FILE")]
    what: String,
    /// The older revision
    #[arg(value_name = "FROM")]
    from: Option<u32>,
    /// The newer revision [default: the newest]
    #[arg(value_name = "TO", requires = "from")]
    to: Option<u32>,
    /// End with 1 if there is a difference
    #[arg(long)]
    exit_code: bool,
}

/// A comparison.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Compared {
    workflow: String,
    from: String,
    to: String,
    added: usize,
    removed: usize,
    diff: String,
}

impl Diff {
    pub(super) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let path = Path::new(&self.what);
        let compared = if self.what == "-" || path.is_file() {
            self.file(session, path).await?
        } else {
            self.revisions(session).await?
        };
        output.machine(&compared, &compared.workflow, || {
            if compared.diff.is_empty() {
                output.note("no difference");
            }
            output.diff(&compared.diff)
        })?;
        Ok(if self.exit_code && !compared.diff.is_empty() { Exit::Failed } else { Exit::Ok })
    }

    async fn file(&self, session: &Session, path: &Path) -> Result<Compared, Failure> {
        if self.from.is_some() {
            return Err(Failure::usage("a file is compared with the newest revision only")
                .with_hint("revisions are compared by the workflow's name"));
        }
        let text = files::one(path, &StdinName::default())?;
        let name = text.workflow()?.name;
        let tenant = session.tenant().await?;
        let (from, old) = match revision(session, &tenant, &name, None).await {
            Ok(deployed) => (titled(&name, deployed.number), deployed.source.unwrap_or_default()),
            // Not there yet: everything is new.
            Err(failure) if failure.is(ErrorCode::NotFound) => ("/dev/null".to_owned(), String::new()),
            Err(failure) => return Err(failure),
        };
        Ok(Compared::of(name, from, text.name, &old, &text.text))
    }

    async fn revisions(&self, session: &Session) -> Result<Compared, Failure> {
        let (tenant, name) = (session.tenant().await?, &self.what);
        let new = revision(session, &tenant, name, self.to).await?;
        let from = match self.from {
            Some(number) => number,
            None if new.number > 1 => new.number - 1,
            None => {
                let message = format!("{name} has only one revision");
                return Err(Failure::new(ErrorCode::StateConflict, message)
                    .with_hint(format!("`tenantry workflow show {name} --source` prints it")));
            }
        };
        let old = revision(session, &tenant, name, Some(from)).await?;
        Ok(Compared::of(
            name.clone(),
            titled(name, old.number),
            titled(name, new.number),
            old.source.as_deref().unwrap_or_default(),
            new.source.as_deref().unwrap_or_default(),
        ))
    }
}

fn titled(name: &str, number: u32) -> String {
    format!("{name} (revision {number})")
}

impl Compared {
    fn of(workflow: String, from: String, to: String, old: &str, new: &str) -> Self {
        let diff = diff::unified(&from, &to, old, new);
        let (added, removed) = diff::counts(&diff);
        Self { workflow, from, to, added, removed, diff }
    }
}
