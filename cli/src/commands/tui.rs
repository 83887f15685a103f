//! `tenantry tui`: the dashboard.

use clap::Args;
use tenantry_tui::{Options, TuiError};

use crate::exit::Exit;
use crate::failure::{Ended, Failure, Local};
use crate::session::Session;

/// Open the dashboard: tenants, queues, runs and log lines, live
///
/// It shows one tenant with --tenant, else all that you may see. When the daemon is away, it waits for it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry tui
  tenantry -t acme tui
  NO_COLOR=1 tenantry tui")]
pub(crate) struct Tui;

impl Tui {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let client = session.lasting_client().await?;
        let tenant = session.tenant_if_known().await;
        let no_color = !session.output.colour_out();
        match tenantry_tui::run(Options { client, tenant, no_color }).await {
            Ok(()) => Ok(Exit::Ok),
            Err(error @ TuiError::NoTerminal) => Err(Failure::usage(error.to_string())
                .with_hint("in a script: `tenantry status -o json`, `tenantry feed -o jsonl`")),
            // There is nobody left to read anything.
            Err(TuiError::TerminalLost) => Err(Failure::local(Local::Closed, "the terminal is gone")),
            Err(error @ (TuiError::Terminal(_) | TuiError::LinkStopped)) => {
                Err(Failure::local(Local::File, error.to_string()))
            }
        }
    }
}
