//! A plan as it is shown.

use std::fmt::Write as _;

use serde::Serialize;
use tenantry_protocol::path;
use tenantry_protocol::printable::{printable, printable_lines};
use tenantry_workflow::{Workflow, next_fires};

use crate::commands::workflow::graph::channels;
use crate::diff;
use crate::table::{Tone, push_toned};

/// Times that are shown.
const FIRES: usize = 10;
/// Where the names of the fields end.
const LABEL: usize = 10;

/// The whole plan.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    /// With whose workflows the files are compared; absent if with none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<String>,
    pub(super) workflows: Vec<Planned>,
    /// Names of workflows that would be deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) prune: Vec<String>,
}

/// What applying a file would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Action {
    Create,
    Change,
    Unchanged,
}

/// A time at which a schedule fires.
#[derive(Serialize)]
struct Fire {
    /// Unix milliseconds.
    at: i64,
    /// As people write it in the schedule's own time zone.
    local: String,
    timezone: String,
}

/// One file.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Planned {
    pub(super) file: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<Action>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// What starts it, for people.
    triggers: Vec<String>,
    /// When its schedules fire next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    next: Vec<Fire>,
    steps: usize,
    pub(super) secrets: Vec<String>,
    pub(super) vars: Vec<String>,
    pub(super) channels: Vec<String>,
    /// What of it the tenant has not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) diff: Option<String>,
    #[serde(skip)]
    pub(super) graph: Option<String>,
}

impl Planned {
    /// What the file alone says.
    pub(super) fn of(file: &str, workflow: &Workflow, tenant: Option<&str>, now: i64) -> Self {
        Self {
            file: file.to_owned(),
            name: workflow.name.clone(),
            action: None,
            description: workflow.description.clone(),
            triggers: triggers(workflow, tenant),
            next: next(workflow, now),
            steps: workflow.steps.len(),
            secrets: workflow.secrets().into_iter().map(str::to_owned).collect(),
            vars: workflow.vars.clone(),
            channels: channels(workflow),
            missing: Vec::new(),
            diff: None,
            graph: None,
        }
    }

    fn text(&self, colour: bool, out: &mut String) {
        let (sign, word, tone) = match self.action {
            None => ("", "", Tone::Plain),
            Some(Action::Create) => ("+ ", "  is created", Tone::Good),
            Some(Action::Change) => ("~ ", "  is changed", Tone::Warn),
            Some(Action::Unchanged) => ("= ", "  is unchanged", Tone::Dim),
        };
        push_toned(out, sign, tone, colour);
        push_toned(out, &printable(&self.name), Tone::Strong, colour);
        push_toned(out, word, tone, colour);
        push_toned(out, &format!("  {}", printable(&self.file)), Tone::Dim, colour);
        out.push('\n');
        if let Some(description) = &self.description {
            field(out, "about", description, colour);
        }
        for trigger in &self.triggers {
            field(out, "on", trigger, colour);
        }
        for fire in &self.next {
            field(out, "next", &format!("{} {}", fire.local, fire.timezone), colour);
        }
        for (label, names) in [("secrets", &self.secrets), ("vars", &self.vars), ("channels", &self.channels)]
        {
            if !names.is_empty() {
                field(out, label, &names.join(" "), colour);
            }
        }
        for missing in &self.missing {
            let mut line = String::new();
            push_toned(&mut line, &printable(missing), Tone::Warn, colour);
            labelled(out, "missing", &line, colour);
        }
        if let Some(graph) = &self.graph {
            out.push('\n');
            for line in printable_lines(graph).lines() {
                writeln!(out, "    {line}").ok();
            }
        }
        if let Some(diff) = &self.diff {
            out.push('\n');
            for line in diff::shown(diff, colour).lines() {
                writeln!(out, "    {line}").ok();
            }
        }
    }
}

impl Report {
    /// Whether applying the files would do anything.
    pub(super) fn changes_something(&self) -> bool {
        let changes = |planned: &Planned| !matches!(planned.action, None | Some(Action::Unchanged));
        !self.prune.is_empty() || self.workflows.iter().any(changes)
    }

    /// For people, sanitised.
    pub(super) fn text(&self, colour: bool) -> String {
        let mut out = String::new();
        for planned in &self.workflows {
            planned.text(colour, &mut out);
            out.push('\n');
        }
        for name in &self.prune {
            push_toned(&mut out, "- ", Tone::Bad, colour);
            push_toned(&mut out, &printable(name), Tone::Strong, colour);
            push_toned(&mut out, "  is deleted; its runs are kept\n", Tone::Bad, colour);
        }
        if !self.prune.is_empty() {
            out.push('\n');
        }
        out.push_str(&self.summary());
        out
    }

    fn summary(&self) -> String {
        let count = |action| self.workflows.iter().filter(|planned| planned.action == Some(action)).count();
        let Some(tenant) = &self.tenant else {
            let files = self.workflows.len();
            return format!("{files} workflow{}, compared with nothing\n", if files == 1 { "" } else { "s" });
        };
        format!(
            "{}: {} to create, {} to change, {} unchanged, {} to delete\n",
            printable(tenant),
            count(Action::Create),
            count(Action::Change),
            count(Action::Unchanged),
            self.prune.len()
        )
    }
}

fn field(out: &mut String, label: &str, value: &str, colour: bool) {
    labelled(out, label, &printable(value), colour);
}

fn labelled(out: &mut String, label: &str, value: &str, colour: bool) {
    out.push_str("    ");
    push_toned(out, &format!("{label:LABEL$}"), Tone::Dim, colour);
    out.push_str(value);
    out.push('\n');
}

fn triggers(workflow: &Workflow, tenant: Option<&str>) -> Vec<String> {
    let triggers = &workflow.triggers;
    let mut words: Vec<String> = triggers
        .webhooks
        .iter()
        .map(|hook| {
            let url = path::hook(tenant.unwrap_or("<tenant>"), &hook.path);
            let methods: Vec<_> = hook.methods.iter().map(|method| method.as_str()).collect();
            format!("webhook {} {url} ({})", methods.join("|"), hook.verify.scheme.as_str())
        })
        .collect();
    words.extend(triggers.manual.iter().map(|manual| {
        let inputs: Vec<_> = manual.inputs.iter().map(|input| input.name.as_str()).collect();
        if inputs.is_empty() { "manual".to_owned() } else { format!("manual, inputs {}", inputs.join(" ")) }
    }));
    words.extend(triggers.events.iter().map(|event| format!("event {}", event.pattern)));
    words.extend(
        triggers
            .schedules
            .iter()
            .map(|schedule| format!("schedule {} {}", schedule.text(), schedule.zone.name())),
    );
    words.extend(triggers.workflows.iter().map(|trigger| format!("end of {}", trigger.names.join(", "))));
    words.extend(triggers.files.iter().map(|file| format!("file inbox/{}", file.pattern)));
    words
}

/// The next fires of all schedules together.
fn next(workflow: &Workflow, now: i64) -> Vec<Fire> {
    let schedules = &workflow.triggers.schedules;
    let fires = next_fires(schedules, now, FIRES).into_iter();
    let fires = fires.filter_map(|fire| schedules.get(fire.entry).map(|schedule| (fire.at, schedule)));
    fires
        .map(|(at, schedule)| Fire {
            at,
            local: schedule.zone.local_text(at),
            timezone: schedule.zone.name().to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_fires_cross_the_change_of_the_clocks() {
        let text = "name: x\non:\n  schedule:\n    - { cron: 30 2 * * *, timezone: Europe/Berlin }\n    - { cron: 0 12 * * sun }\nsteps:\n  - { jq: \"1\" }\n";
        let workflow =
            tenantry_workflow::check("x.yaml", text, tenantry_workflow::Format::Yaml).workflow.unwrap();
        // 27 March 2026, noon UTC; clocks are put forward on the 29th.
        let next = next(&workflow, 1_774_612_800_000);
        let shown: Vec<_> = next.iter().take(4).map(|fire| fire.local.as_str()).collect();
        assert_eq!(next.len(), FIRES);
        assert_eq!(
            shown,
            [
                "2026-03-28T02:30:00+01:00",
                "2026-03-29T03:00:00+02:00",
                "2026-03-29T12:00:00+00:00",
                "2026-03-30T02:30:00+02:00"
            ]
        );
    }
}
