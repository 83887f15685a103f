//! `tenantry daemon`: the server itself. systemd runs it, or `tenantry up`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tenantry_daemon::config::{Config, Environment, Overrides};
use tenantry_daemon::error::Error;

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::invocation::Global;

/// Run the daemon in the foreground, until SIGTERM or Ctrl-C
///
/// It serves the local API on a unix socket (--socket) and takes webhooks on the ingress listener. When it serves,
/// it writes `ready.json` into its data folder and tells systemd. Nothing is written to standard output; telemetry
/// goes to standard error. SIGTERM drains it: nothing new is accepted, leased jobs settle, then it ends with 0.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry daemon                        as root: /var/lib/tenantry; as a user: ~/.local/state/tenantry
  tenantry daemon --data ./data --socket ./api.sock --ingress 127.0.0.1:0
  tenantry daemon --config /etc/tenantry/tenantry.toml")]
pub(crate) struct Daemon {
    /// Where the tenants' files are kept
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Where webhooks come in; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    ingress: Option<SocketAddr>,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Leave the terminal's session
    #[arg(long, hide = true)]
    detach: bool,
}

impl Daemon {
    pub(crate) fn run(self, global: &Global) -> Ended {
        if self.detach {
            // It fails only for a process that leads a group already, which then is detached from its parent anyway.
            rustix::process::setsid().ok();
        }
        let environment = Environment::of_process();
        let overrides = Overrides { config: self.config, data: self.data.map(absolute), runtime: None };
        let mut loaded = Config::load(&environment, &overrides).map_err(|error| failure(&error))?;
        if let Some(socket) = global.socket() {
            loaded.folders.socket = socket;
        }
        if let Some(ingress) = self.ingress {
            loaded.config.ingress.listen = ingress;
        }
        tenantry_daemon::boot::run(loaded).map_err(|error| failure(&error))?;
        Ok(Exit::Ok)
    }
}

/// Wherever this process is later, and whatever the runner is told.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// Whoever starts a daemon is its operator, and may see what callers may not.
fn failure(error: &Error) -> Failure {
    let operator = error.operator_line();
    let message = if error.detail().contains(&operator) {
        error.detail().to_owned()
    } else {
        format!("{}: {operator}", error.detail())
    };
    let failure = Failure::new(error.code(), message).with_findings(error.findings().to_vec());
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
