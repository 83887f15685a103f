//! Findings that take more than one text: the other files, the time, what the tenant has.
//!
//! Whoever knows those asks here, so that `check`, `plan` and the daemon say the same.

use tenantry_protocol::error::{Finding, Severity};

use crate::Workflow;
use crate::schedule::When;

/// Two files that are looked at together define the same workflow.
pub fn duplicate_workflow(name: &str, file: &str, other: &str) -> Finding {
    let message = format!("workflow `{name}` is in {other} already");
    let help = "give one of the two another name".to_owned();
    Finding::unplaced(Severity::Error, "duplicate-workflow", file, message, Some(help))
}

/// The schedules that fire once and whose time has passed; `now` in unix milliseconds.
pub fn past_instants(workflow: &Workflow, file: &str, now: i64) -> Vec<Finding> {
    let past = workflow.triggers.schedules.iter().filter_map(|schedule| match &schedule.when {
        When::At { instant, text } if *instant <= now => Some((text, schedule.zone.name())),
        When::At { .. } | When::Cron(_) => None,
    });
    past.map(|(text, zone)| {
        let message = format!("`at: {text}` ({zone}) has passed, so this schedule never fires");
        let help = "name a moment to come, or take the schedule away".to_owned();
        Finding::unplaced(Severity::Warning, "past-instant", file, message, Some(help))
    })
    .collect()
}

/// What the workflow names and its tenant does not have. Each can be made later, so each is a warning.
pub fn missing(
    workflow: &Workflow,
    file: &str,
    has_secret: impl Fn(&str) -> bool,
    has_variable: impl Fn(&str) -> bool,
    has_channel: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let warning =
        |code, message, help: String| Finding::unplaced(Severity::Warning, code, file, message, Some(help));
    let secrets = workflow.secrets().into_iter().filter(|name| !has_secret(name)).map(|name| {
        let message = format!("the tenant has no secret {name}");
        warning("missing-secret", message, format!("write it: tenantry secret set {name}"))
    });
    let vars = workflow.vars.iter().filter(|name| !has_variable(name)).map(|name| {
        let message = format!("the tenant has no variable {name}");
        warning("missing-variable", message, format!("write it: tenantry var set {name} VALUE"))
    });
    let mut channels: Vec<&str> = workflow.notify.iter().map(|rule| rule.channel.as_str()).collect();
    channels.sort_unstable();
    channels.dedup();
    let channels = channels.into_iter().filter(|name| !has_channel(name)).map(|name| {
        let message = format!("the tenant has no channel {name}");
        warning("missing-channel", message, format!("create it: tenantry channel set {name} inbox"))
    });
    secrets.chain(vars).chain(channels).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, check};

    fn workflow(text: &str) -> Workflow {
        let checked = check("x.yaml", text, Format::Yaml);
        checked.workflow.unwrap_or_else(|| panic!("{:?}", checked.findings))
    }

    fn codes(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.code.as_str()).collect()
    }

    #[test]
    fn a_moment_that_has_passed_is_told() {
        let text = "name: x\non: { schedule: [{ at: \"2026-01-01T00:00:00\" }, { cron: 0 1 * * * }] }\nsteps: [{ jq: \"1\" }]\n";
        let moment = 1_767_225_600_000;
        assert!(past_instants(&workflow(text), "x.yaml", moment - 1).is_empty());
        let found = past_instants(&workflow(text), "x.yaml", moment);
        assert_eq!((codes(&found), found[0].severity), (vec!["past-instant"], Severity::Warning));
        assert!(found[0].message.contains("2026-01-01T00:00:00"), "{found:?}");
    }

    #[test]
    fn what_the_tenant_has_not_is_told_once() {
        let text = "name: x
on: { manual: }
steps:
  - http: { url: https://a.example, bearer: \"${{ secrets.KEY }}\" }
  - jq: .vars.place
    if: vars.place == 'a'
notify: [{ on: failure, channel: ops, message: a }, { on: success, channel: ops, message: b }]
";
        let workflow = workflow(text);
        let none = |_: &str| false;
        assert_eq!(
            codes(&missing(&workflow, "x.yaml", none, none, none)),
            ["missing-secret", "missing-variable", "missing-channel"]
        );
        assert!(missing(&workflow, "x.yaml", |_| true, |_| true, |_| true).is_empty());
    }
}
