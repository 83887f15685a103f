//! The command line as a whole: what every command shares, and the help around them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};

use crate::commands::Command;
use crate::moment::parse_duration;
use crate::output::{Format, Output};
use crate::session::Target;

/// What only a program with a server in it can do.
#[cfg(feature = "server")]
macro_rules! start_a_server {
    () => {
        "
  tenantry demo                          see the whole thing run, in a private folder, in seconds
  tenantry up                            start a daemon of your own, or find the one that runs"
    };
}
#[cfg(not(feature = "server"))]
macro_rules! start_a_server {
    () => {
        ""
    };
}

const AFTER_HELP: &str = concat!(
    "Start here:",
    start_a_server!(),
    "
  tenantry tenant create acme
  tenantry workflow new hello
  tenantry -t acme workflow apply hello.yaml
  tenantry -t acme workflow run hello --follow
  tenantry tui                           look at everything at once

Results go to standard output, everything else to standard error. Scripts ask for `-o json` (one document) or
`-o jsonl` (one a line): these stay as they are; tables may change. More: `tenantry help exit-codes`,
`tenantry help environment`, `tenantry explain CODE`."
);

/// Durable automation for many tenants on one server: daemon, command line and dashboard in one binary
#[derive(Parser, Debug)]
#[command(
    name = "tenantry",
    version,
    after_help = AFTER_HELP,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110
)]
pub(crate) struct Invocation {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The flags that every command takes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The tenant to act for; a key that is bound to a tenant needs none
    #[arg(short, long, global = true, value_name = "NAME", env = "TENANTRY_TENANT", hide_env_values = true)]
    tenant: Option<String>,
    /// How results are written
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "table|wide|json|jsonl|yaml|name",
        default_value_t,
        hide_possible_values = true
    )]
    output: Format,
    /// The daemon's socket [default: that of your own daemon, else /run/tenantry/api.sock]
    #[arg(long, global = true, value_name = "PATH", env = "TENANTRY_SOCKET", hide_env_values = true)]
    socket: Option<PathBuf>,
    /// How long to wait, for an answer or for what is waited for: 500ms, 30s, 5m
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Use no colour (so does NO_COLOR=1)
    #[arg(long, global = true)]
    no_color: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    quiet: bool,
}

impl Global {
    /// Where and how results are written.
    pub(crate) fn output(&self) -> Output {
        Output::new(self.output, self.quiet, self.no_color)
    }

    /// Which daemon and which tenant are meant.
    pub(crate) fn target(&self) -> Target {
        Target { tenant: self.tenant.clone(), socket: self.socket(), timeout: self.timeout }
    }

    /// The socket that was named, wherever this process is later.
    pub(crate) fn socket(&self) -> Option<PathBuf> {
        self.socket.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    #[cfg(feature = "server")]
    use std::fmt::Write;

    #[test]
    fn the_command_line_is_well_formed() {
        Invocation::command().debug_assert();
    }

    /// The help of every command: what a person reads is reviewed like code. What every command repeats is left out.
    #[cfg(feature = "server")]
    #[test]
    fn the_whole_help() {
        fn walk(command: &mut clap::Command, path: &str, out: &mut String) {
            let path = format!("{path}{}", command.get_name());
            let mut help = command.render_long_help().to_string();
            if let (true, Some(begin)) = (path.contains(' '), help.find("Global options:")) {
                let end = help.find("Examples:").unwrap_or(help.len());
                help.replace_range(begin..end, "");
            }
            let help: Vec<_> = help.lines().map(str::trim_end).collect();
            writeln!(out, "━━ {path}\n\n{}\n", help.join("\n").trim_end()).unwrap();
            for sub in command.get_subcommands_mut() {
                walk(sub, &format!("{path} "), out);
            }
        }
        let mut command = Invocation::command().term_width(110);
        command.build();
        let mut out = String::new();
        walk(&mut command, "", &mut out);
        insta::assert_snapshot!(out);
    }

    #[test]
    fn every_command_with_verbs_or_values_teaches_by_example() {
        fn walk(command: &clap::Command, path: &str, bare: &mut Vec<String>) {
            let path = format!("{path} {}", command.get_name());
            if command.get_after_help().is_none() && !command.is_hide_set() {
                bare.push(path.clone());
            }
            for sub in command.get_subcommands() {
                walk(sub, &path, bare);
            }
        }
        let mut bare = Vec::new();
        walk(&Invocation::command(), "", &mut bare);
        assert_eq!(bare, Vec::<String>::new(), "these have no examples");
    }
}
