//! `tenantry help`: the help of any command, and the pages that belong to none.

use clap::{Args, CommandFactory};
use std::fmt::Write as _;

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::invocation::Invocation;
use crate::output::Output;

/// Show the help of a command, or a page: exit-codes, environment
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry help
  tenantry help run wait
  tenantry help exit-codes
  tenantry help environment")]
pub(crate) struct Help {
    /// A command with its verb, or the name of a page
    page: Vec<String>,
}

const ENVIRONMENT: &str = "\
Environment:
  TENANTRY_TENANT      the tenant to act for, like --tenant
  TENANTRY_SOCKET      the daemon's socket, like --socket
  TENANTRY_KEY_FILE    a file with a key to log in with, for scripts; nothing is kept
  NO_COLOR             any value: no colour
  TERM=dumb            no colour
  XDG_STATE_HOME       where logins are kept, and the data of a daemon started by `tenantry up` [default: ~/.local/state]
  XDG_RUNTIME_DIR      where that daemon has its socket [default: beside its data]

Flags win over the environment. Secrets are never read from either: they come from files and standard input.
";

impl Help {
    pub(crate) fn run(self, output: Output) -> Ended {
        let page: Vec<&str> = self.page.iter().map(String::as_str).collect();
        match page.as_slice() {
            ["exit-codes"] => output.raw(&exit_codes())?,
            ["environment"] => output.raw(ENVIRONMENT)?,
            path => {
                let mut root = Invocation::command();
                root.build();
                let mut command = &mut root;
                for name in path {
                    command = command.find_subcommand_mut(name).ok_or_else(|| {
                        Failure::usage(format!("there is no help on {}", path.join(" ")))
                            .with_hint("`tenantry help` lists the commands")
                    })?;
                }
                output.raw(&format!("{}\n", command.render_long_help()))?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn exit_codes() -> String {
    let mut out = String::from("Exit codes:\n");
    for exit in Exit::ALL {
        writeln!(out, "  {:>3}  {}", exit.code(), exit.meaning()).ok();
    }
    out.push_str("\n`tenantry explain` shows which error code ends in which exit code.\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_exit_codes() {
        insta::assert_snapshot!(exit_codes());
    }
}
