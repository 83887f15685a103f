//! `tenantry var`: values that workflows read as `vars.NAME`, and that everybody with the permission may see.

use clap::{Args, Subcommand};
use serde_json::Value;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::variable::{VariablePut, VariableView, is_variable_name};

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::input::confirm;
use crate::moment::Clock;
use crate::session::{Paging, Session};
use crate::table::{Cell, Column, Row};

/// Read and write the variables of workflows; for what is secret there is `secret`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme var set REGION eu
  tenantry -t acme var set LIMITS --json '{\"daily\": 100}'
  tenantry -t acme var list")]
pub(crate) struct Var {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// List variables with their values
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry -t acme var list
  tenantry -t acme var list -o name"
    )]
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a variable
    #[command(after_help = "\
Examples:
  tenantry -t acme var get REGION
  tenantry -t acme var get LIMITS -o json | jq .value.daily")]
    Get {
        /// The variable
        name: String,
    },
    /// Write a variable: text, or any JSON with --json
    ///
    /// Runs that wait see the new value with their next step.
    #[command(after_help = "\
Examples:
  tenantry -t acme var set REGION eu
  tenantry -t acme var set LIMITS --json '{\"daily\": 100}'")]
    Set {
        /// Letters, digits and underscores
        name: String,
        /// The value
        value: String,
        /// The value is JSON; expressions keep its type
        #[arg(long)]
        json: bool,
    },
    /// Delete a variable; asks first
    #[command(
        visible_alias = "rm",
        after_help = "\
Examples:
  tenantry -t acme var delete REGION --yes"
    )]
    Delete {
        /// The variable
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl Var {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let tenant = session.tenant().await?;
        match self.verb {
            Verb::List { paging } => {
                let query = |limit, after| PageQuery { limit, after };
                let page =
                    session.pages::<VariableView, _>(Operation::VarList, &[&tenant], &paging, query).await?;
                output.list(&page)?;
            }
            Verb::Get { name } => {
                let variable: VariableView = session.get(Operation::VarGet, &[&tenant, &name], &()).await?;
                show(session, &variable)?;
            }
            Verb::Set { name, value, json } => {
                if !is_variable_name(&name) {
                    let hint = "write it like REGION: letters, digits, underscores";
                    return Err(Failure::usage(format!("{name} cannot name a variable")).with_hint(hint));
                }
                let value = if json {
                    serde_json::from_str(&value)
                        .map_err(|error| Failure::usage(format!("the value is no JSON: {error}")))?
                } else {
                    Value::String(value)
                };
                let put = VariablePut { value };
                let variable: VariableView = session.send(Operation::VarPut, &[&tenant, &name], &put).await?;
                show(session, &variable)?;
            }
            Verb::Delete { name, yes } => {
                let question =
                    format!("Delete the variable {name} of {tenant}? Workflows that read it will fail.");
                confirm(&question, yes, output).await?;
                session.send::<Value>(Operation::VarDelete, &[&tenant, &name], &()).await?;
                output.note(&format!("deleted variable {name}"));
            }
        }
        Ok(Exit::Ok)
    }
}

fn show(session: &Session, variable: &VariableView) -> Result<(), Failure> {
    session.output.show(variable, &variable.name, |clock| {
        vec![
            ("name", variable.name.clone().into()),
            ("value", text(&variable.value).into()),
            ("updated", clock.at(variable.updated_at).into()),
            ("by", variable.updated_by.clone().into()),
        ]
    })
}

/// Text as it is, anything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Row for VariableView {
    const COLUMNS: &'static [Column] =
        &[Column::new("NAME"), Column::new("VALUE"), Column::new("UPDATED"), Column::new("BY")];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            self.name.clone().into(),
            text(&self.value).into(),
            clock.at(self.updated_at).into(),
            self.updated_by.clone().into(),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}
