//! How workflows and revisions look.

use tenantry_protocol::workflow::{InputView, RevisionView, TriggerView, WorkflowView};

use crate::moment::Clock;
use crate::state;
use crate::table::{Cell, Column, Row};

pub(super) fn fields(workflow: &WorkflowView, clock: Clock) -> Vec<(&'static str, Cell)> {
    let triggers: Vec<_> = workflow.triggers.iter().map(trigger).collect();
    let mut fields = vec![
        ("name", workflow.name.clone().into()),
        ("description", Cell::or_dash(workflow.description.clone())),
        ("id", workflow.id.to_string().into()),
        ("enabled", state::enabled(workflow.enabled)),
        ("revision", workflow.revision.to_string().into()),
        ("triggers", triggers.join("\n").into()),
        ("steps", workflow.steps.join(" ").into()),
        ("created", clock.at(workflow.created_at).into()),
        ("updated", clock.at(workflow.updated_at).into()),
    ];
    if !workflow.inputs.is_empty() {
        let inputs: Vec<_> = workflow.inputs.iter().map(input).collect();
        fields.push(("inputs", inputs.join("\n").into()));
    }
    fields
}

fn trigger(trigger: &TriggerView) -> String {
    let on = trigger.url.as_ref().or(trigger.on.as_ref());
    let on = on.map_or_else(String::new, |on| format!(" {on}"));
    let verify = trigger.verify.as_ref().map_or_else(String::new, |verify| format!(" (verified: {verify})"));
    let warning = trigger.warning.as_ref().map_or_else(String::new, |why| format!("\n  warning: {why}"));
    format!("{}{on}{verify}{warning}", trigger.kind)
}

fn input(input: &InputView) -> String {
    let need = match (&input.default, input.required) {
        (Some(default), _) => format!(" = {default}"),
        (None, true) => " (required)".to_owned(),
        (None, false) => String::new(),
    };
    let about = input.description.as_ref().map_or_else(String::new, |about| format!("  {about}"));
    format!("{}: {}{need}{about}", input.name, input.kind)
}

impl Row for WorkflowView {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME"),
        Column::new("ENABLED"),
        Column::right("REV"),
        Column::new("TRIGGERS"),
        Column::wide("STEPS"),
        Column::wide("ID"),
        Column::new("UPDATED"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        let triggers: Vec<_> = self
            .triggers
            .iter()
            .map(|trigger| match trigger.url.as_ref().or(trigger.on.as_ref()) {
                Some(on) => format!("{} {on}", trigger.kind),
                None => trigger.kind.clone(),
            })
            .collect();
        vec![
            self.name.clone().into(),
            state::enabled(self.enabled),
            self.revision.to_string().into(),
            triggers.join(", ").into(),
            self.steps.join(" ").into(),
            self.id.to_string().into(),
            clock.at(self.updated_at).into(),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl Row for RevisionView {
    const COLUMNS: &'static [Column] = &[
        Column::right("REV"),
        Column::new("FORMAT"),
        Column::new("BY"),
        Column::new("WHEN"),
        Column::wide("SHA-256"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            self.number.to_string().into(),
            self.format.clone().into(),
            self.created_by.clone().into(),
            clock.at(self.created_at).into(),
            self.sha256.clone().into(),
        ]
    }

    fn name(&self) -> String {
        self.number.to_string()
    }
}
