//! A workflow as clients see it.

use std::collections::BTreeSet;

use tenantry_protocol::path;
use tenantry_protocol::workflow::{InputView, TriggerView, WorkflowView};
use tenantry_workflow::{INBOX, Triggers};

use crate::service::catalog::Live;
use crate::service::directory::Tenant;

/// The newest revision of a workflow as clients see it.
pub(super) fn view(tenant: &Tenant, live: &Live, known: &Known<'_>) -> WorkflowView {
    let workflow = &live.workflow;
    WorkflowView {
        id: live.id,
        name: live.name.clone(),
        description: workflow.description.clone(),
        enabled: live.enabled,
        revision: live.revision,
        triggers: triggers(tenant, &workflow.triggers, known),
        inputs: inputs(&workflow.triggers),
        steps: workflow.steps.iter().map(|step| step.id.clone()).collect(),
        created_at: live.created_at,
        updated_at: live.updated_at,
    }
}

/// What is known beside the workflow.
pub(super) struct Known<'k> {
    /// How the ingress is reached; empty where nobody knows.
    pub public_url: &'k str,
    /// The names of the tenant's secrets.
    pub secrets: BTreeSet<String>,
}

fn triggers(tenant: &Tenant, triggers: &Triggers, known: &Known<'_>) -> Vec<TriggerView> {
    let view =
        |kind: &str, on, verify| TriggerView { kind: kind.to_owned(), on, verify, url: None, warning: None };
    let hooks = triggers.webhooks.iter().map(|hook| {
        let verify = hook.verify.scheme.as_str().to_owned();
        let path = path::hook(&tenant.name, &hook.path);
        let url = (!known.public_url.is_empty()).then(|| format!("{}{path}", known.public_url));
        let names = &hook.verify.secrets;
        let lost = !names.is_empty() && names.iter().all(|name| !known.secrets.contains(name));
        let warning = lost.then(|| {
            format!("every request is refused: there is no secret {}", names.join(" and no secret "))
        });
        TriggerView { url, warning, ..view("webhook", Some(path), Some(verify)) }
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
