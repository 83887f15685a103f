//! `tenantry explain`: what an error code means and what to do, offline.

use clap::Args;
use serde::Serialize;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::Page;

use crate::exit::Exit;
use crate::failure::{Code, Ended, Failure, Local};
use crate::moment::Clock;
use crate::output::Output;
use crate::table::{Cell, Column, Row};

/// Explain an error code: what happened, what to do, which exit code it has
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry explain egress-denied
  tenantry explain                       list every code
  tenantry explain -o json | jq '.items[] | select(.exit == 4).code'")]
pub(crate) struct Explain {
    /// The code, as it stands in error[…]
    code: Option<String>,
}

/// What there is to say about a code.
#[derive(Serialize)]
struct Explanation {
    code: &'static str,
    title: &'static str,
    remedy: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    exit: u8,
}

impl Explain {
    pub(crate) fn run(self, output: Output) -> Ended {
        let Some(wanted) = self.code else {
            output.list(&Page { items: codes().map(explanation).collect(), next: None })?;
            return Ok(Exit::Ok);
        };
        let wanted = wanted.trim_start_matches("error[").trim_end_matches(']');
        let Some(code) = codes().find(|code| code.as_str() == wanted) else {
            let message = format!("there is no error code {wanted}");
            return Err(
                Failure::new(ErrorCode::NotFound, message).with_hint("`tenantry explain` lists every code")
            );
        };
        let explanation = explanation(code);
        output.show(&explanation, explanation.code, |_| {
            vec![
                ("code", explanation.code.into()),
                ("means", explanation.title.into()),
                ("do", explanation.remedy.into()),
                ("HTTP status", Cell::or_dash(explanation.status)),
                ("exit code", format!("{} ({})", explanation.exit, code.exit().meaning()).into()),
            ]
        })?;
        Ok(Exit::Ok)
    }
}

fn codes() -> impl Iterator<Item = Code> {
    let wire = ErrorCode::ALL.iter().copied().map(Code::Wire);
    wire.chain(Local::ALL.iter().copied().map(Code::Local))
}

fn explanation(code: Code) -> Explanation {
    let status = match code {
        Code::Wire(code) => Some(code.status()),
        Code::Local(_) => None,
    };
    let exit = code.exit().code();
    Explanation { code: code.as_str(), title: code.title(), remedy: code.remedy(), status, exit }
}

impl Row for Explanation {
    const COLUMNS: &'static [Column] = &[
        Column::new("CODE"),
        Column::right("HTTP"),
        Column::right("EXIT"),
        Column::new("MEANS"),
        Column::wide("DO"),
    ];

    fn cells(&self, _: Clock) -> Vec<Cell> {
        vec![
            self.code.into(),
            Cell::or_dash(self.status),
            self.exit.to_string().into(),
            self.title.into(),
            self.remedy.into(),
        ]
    }

    fn name(&self) -> String {
        self.code.to_owned()
    }
}
