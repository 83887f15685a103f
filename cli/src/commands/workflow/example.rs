//! Workflows to begin with, printed by the program itself so that a newcomer needs nothing else.

use clap::ValueEnum;

use crate::exit::Exit;
use crate::failure::Ended;
use crate::output::Output;

/// A workflow to begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Example {
    /// Started by hand or by an event: a script and a jq filter
    #[default]
    Hello,
    /// Started by a signed webhook: an HTTP request, jq, a script, notifications
    PushReport,
}

impl Example {
    const fn text(self) -> &'static str {
        match self {
            Self::Hello => include_str!("examples/hello.yaml"),
            Self::PushReport => include_str!("../demo/push-report.yaml"),
        }
    }
}

pub(super) fn example(output: Output, example: Example) -> Ended {
    output.text(example.text())?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_valid() {
        for example in Example::value_variants() {
            let checked = tenantry_workflow::check("x.yaml", example.text(), tenantry_workflow::Format::Yaml);
            assert_eq!(checked.findings, [], "{example:?}");
            assert!(checked.workflow.is_some(), "{example:?}");
        }
    }
}
