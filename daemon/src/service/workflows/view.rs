//! A workflow as clients see it.

use tenantry_protocol::path;
use tenantry_protocol::workflow::{InputView, TriggerView, WorkflowView};
use tenantry_workflow::{INBOX, Triggers};

use crate::service::catalog::Live;
use crate::service::directory::Tenant;

/// The newest revision of a workflow as clients see it.
pub(super) fn view(tenant: &Tenant, live: &Live) -> WorkflowView {
    let workflow = &live.workflow;
    WorkflowView {
        id: live.id,
        name: live.name.clone(),
        description: workflow.description.clone(),
        enabled: live.enabled,
        revision: live.revision,
        triggers: triggers(tenant, &workflow.triggers),
        inputs: inputs(&workflow.triggers),
        steps: workflow.steps.iter().map(|step| step.id.clone()).collect(),
        created_at: live.created_at,
        updated_at: live.updated_at,
    }
}

fn triggers(tenant: &Tenant, triggers: &Triggers) -> Vec<TriggerView> {
    let view = |kind: &str, on, verify| TriggerView { kind: kind.to_owned(), on, verify };
    let hooks = triggers.webhooks.iter().map(|hook| {
        let verify = hook.verify.scheme.as_str().to_owned();
        view("webhook", Some(path::hook(&tenant.name, &hook.path)), Some(verify))
    });
    let manual = triggers.manual.iter().map(|_| view("manual", None, None));
    let events = triggers.events.iter().map(|event| view("event", Some(event.pattern.clone()), None));
    let ends = triggers.workflows.iter().flat_map(|trigger| &trigger.names);
    let ends = ends.map(|name| view("workflow", Some(name.clone()), None));
    let schedules = triggers.schedules.iter().map(|schedule| {
        view("schedule", Some(format!("{} {}", schedule.text(), schedule.zone.name())), None)
    });
    let files =
        triggers.files.iter().map(|file| view("file", Some(format!("{INBOX}/{}", file.pattern)), None));
    hooks.chain(manual).chain(events).chain(ends).chain(schedules).chain(files).collect()
}

fn inputs(triggers: &Triggers) -> Vec<InputView> {
    let inputs = triggers.manual.iter().flat_map(|manual| &manual.inputs);
    inputs
        .map(|input| InputView {
            name: input.name.clone(),
            kind: input.kind.as_str().to_owned(),
            required: input.required,
            default: input.default.clone(),
            description: input.description.clone(),
        })
        .collect()
}
