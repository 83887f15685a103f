//! The JSON Schema of the language.

use clap::Args;

use crate::exit::Exit;
use crate::failure::Ended;
use crate::output::Output;

/// Print the JSON Schema of the workflow language, for editors
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry workflow schema > workflow.schema.json
  tenantry workflow schema --test > workflow-test.schema.json

An editor with yaml-language-server reads it from the first line of a workflow:
  # yaml-language-server: $schema=./workflow.schema.json")]
pub(super) struct Schema {
    /// The schema of test files instead
    #[arg(long)]
    test: bool,
}

impl Schema {
    pub(super) fn run(self, output: Output) -> Ended {
        let schema = if self.test { tenantry_workflow::test_schema() } else { tenantry_workflow::schema() };
        output.json(&schema, true)?;
        Ok(Exit::Ok)
    }
}
