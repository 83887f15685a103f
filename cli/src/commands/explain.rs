//! `tenantry explain`: what a code means and what to do, offline.

use clap::Args;
use serde::Serialize;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::Page;
use tenantry_protocol::printable::printable_lines;
use tenantry_workflow::{Format, explain};

use crate::exit::Exit;
use crate::failure::{Code, Ended, Failure, Local, finding_text};
use crate::moment::Clock;
use crate::output::Output;
use crate::table::{Cell, Column, Row};

/// Explain a code: what happened, what to do, with an example for the findings of a check
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry explain egress-denied
  tenantry explain shell-injection       a finding of `workflow check`, with an example
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
    /// `error`, or `finding` of a check.
    kind: &'static str,
    title: &'static str,
    remedy: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<&'static str>,
    /// Which command tells a finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    told_by: Option<&'static str>,
}

impl Explain {
    pub(crate) fn run(self, output: Output) -> Ended {
        let Some(wanted) = self.code else {
            let items = codes().map(of_error).chain(explain::explanations().iter().map(of_finding)).collect();
            output.list(&Page { items, next: None })?;
            return Ok(Exit::Ok);
        };
        let wanted = wanted.trim_start_matches("error[").trim_start_matches("warning[").trim_end_matches(']');
        if let Some(code) = codes().find(|code| code.as_str() == wanted) {
            let explanation = of_error(code);
            output.show(&explanation, explanation.code, |_| {
                vec![
                    ("code", explanation.code.into()),
                    ("means", explanation.title.into()),
                    ("do", explanation.remedy.into()),
                    ("HTTP status", Cell::or_dash(explanation.status)),
                    ("exit code", format!("{} ({})", code.exit().code(), code.exit().meaning()).into()),
                ]
            })?;
            return Ok(Exit::Ok);
        }
        let Some(found) = explain::explanation(wanted) else {
            let message = format!("there is no error code {wanted}");
            return Err(
                Failure::new(ErrorCode::NotFound, message).with_hint("`tenantry explain` lists every code")
            );
        };
        finding(output, found)?;
        Ok(Exit::Ok)
    }
}

/// A finding with its example, and the example as the check sees it.
fn finding(output: Output, found: &'static explain::Explanation) -> Result<(), Failure> {
    let explanation = of_finding(found);
    output.machine(&explanation, found.code, || {
        output.fields(&[
            ("code", found.code.into()),
            ("means", found.title.into()),
            ("do", found.remedy.into()),
            ("where", found.told_by().into()),
        ])?;
        if let Some(situation) = found.situation() {
            output.line("")?;
            output.line("For example:")?;
            return output.raw(&printable_lines(&indented(situation)));
        }
        let (Some((file, _)), Some(text)) = (found.example, found.example_text()) else { return Ok(()) };
        output.line("")?;
        output.line("For example:")?;
        output.raw(&printable_lines(&indented(text)))?;
        output.line("")?;
        let checked = tenantry_workflow::check(file, text, Format::of_path(file));
        checked.findings.iter().filter(|finding| finding.code == found.code).try_for_each(|finding| {
            let text = finding_text(finding, output.colour_out());
            output.raw(&indented(&text))
        })
    })
}

fn indented(text: &str) -> String {
    text.trim_end().lines().flat_map(|line| ["    ", line, "\n"]).collect()
}

fn codes() -> impl Iterator<Item = Code> {
    let wire = ErrorCode::ALL.iter().copied().map(Code::Wire);
    wire.chain(Local::ALL.iter().copied().map(Code::Local))
}

fn of_error(code: Code) -> Explanation {
    let status = match code {
        Code::Wire(code) => Some(code.status()),
        Code::Local(_) => None,
    };
    let exit = Some(code.exit().code());
    let (title, remedy) = (code.title(), code.remedy());
    Explanation {
        code: code.as_str(),
        kind: "error",
        title,
        remedy,
        status,
        exit,
        example: None,
        told_by: None,
    }
}

fn of_finding(finding: &'static explain::Explanation) -> Explanation {
    let explain::Explanation { code, title, remedy, .. } = *finding;
    let example = finding.example_text().or_else(|| finding.situation());
    let told_by = Some(finding.told_by());
    Explanation { code, kind: "finding", title, remedy, status: None, exit: None, example, told_by }
}

impl Row for Explanation {
    const COLUMNS: &'static [Column] = &[
        Column::new("CODE"),
        Column::new("KIND"),
        Column::right("HTTP"),
        Column::right("EXIT"),
        Column::new("MEANS"),
        Column::wide("DO"),
    ];

    fn cells(&self, _: Clock) -> Vec<Cell> {
        vec![
            self.code.into(),
            self.kind.into(),
            Cell::or_dash(self.status),
            Cell::or_dash(self.exit),
            self.title.into(),
            self.remedy.into(),
        ]
    }

    fn name(&self) -> String {
        self.code.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_and_a_finding_have_different_names() {
        let errors: Vec<&str> = codes().map(Code::as_str).collect();
        for finding in explain::explanations() {
            assert!(!errors.contains(&finding.code), "{} is both", finding.code);
        }
    }
}
