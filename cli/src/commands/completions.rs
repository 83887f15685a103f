//! `tenantry completions`: what a shell needs to complete the command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::failure::Ended;
use crate::invocation::Invocation;
use crate::output::Output;

/// Print the completion script of a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry completions bash > ~/.local/share/bash-completion/completions/tenantry
  tenantry completions zsh > \"${fpath[1]}/_tenantry\"
  tenantry completions fish > ~/.config/fish/completions/tenantry.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, output: Output) -> Ended {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Invocation::command(), "tenantry", &mut script);
        output.document(&script)?;
        Ok(Exit::Ok)
    }
}
