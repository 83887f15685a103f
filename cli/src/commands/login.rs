//! `tenantry login`, `logout` and `whoami`: who the client speaks for.

use std::path::PathBuf;

use clap::Args;
use tenantry_protocol::path::Operation;
use tenantry_protocol::principal::Whoami as Principal;

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::input;
use crate::session::Session;
use crate::table::Cell;

/// Log in to the daemon: with a key, or as the user who owns it
///
/// Without --key-file the socket's peer credentials are used: root and the daemon's own user become host admin, and
/// nothing secret is stored. A key comes from a file or from standard input, never from the command line, where other
/// users could see it. It is kept in $XDG_STATE_HOME/tenantry/logins/, in a file that only you can read; `logout`
/// deletes it. Scripts may set TENANTRY_KEY_FILE instead of logging in.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry login                         as root or as the daemon's own user
  tenantry login --key-file ./acme.key
  pass show acme | tenantry login --key-file -")]
pub(crate) struct Login {
    /// The file with the key, or - for standard input
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Login {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let key = self.key_file.as_deref().map(input::key_file).transpose()?;
        let principal = session.log_in(key).await?;
        show(session, &principal)?;
        Ok(Exit::Ok)
    }
}

/// End the session and forget the key
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry logout
  tenantry logout --socket /run/tenantry/api.sock")]
pub(crate) struct Logout;

impl Logout {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let was = session.log_out().await?;
        session.output.note(if was { "logged out" } else { "nobody was logged in" });
        Ok(Exit::Ok)
    }
}

/// Show who you are to the daemon and what you may do
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry whoami
  tenantry whoami -o json | jq -r '.permissions[]'")]
pub(crate) struct Whoami;

impl Whoami {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let principal: Principal = session.get(Operation::Whoami, &[], &()).await?;
        show(session, &principal)?;
        Ok(Exit::Ok)
    }
}

fn show(session: &Session, principal: &Principal) -> Result<(), Failure> {
    session.output.show(principal, &principal.subject, |_| {
        let permissions: Vec<_> = principal.permissions.iter().map(|p| p.as_str()).collect();
        let tenant = principal.tenant_name.clone().or_else(|| principal.tenant.map(|id| id.to_string()));
        vec![
            ("name", principal.name.clone().into()),
            ("subject", principal.subject.clone().into()),
            ("role", principal.role.as_str().into()),
            ("tenant", tenant.map_or_else(|| Cell::from("every tenant of the host"), Cell::from)),
            ("session", principal.session.to_string().into()),
            ("may", permissions.join(" ").into()),
            ("socket", session.socket().display().to_string().into()),
        ]
    })
}
