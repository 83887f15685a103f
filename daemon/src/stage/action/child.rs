//! `workflow`: a run that a run starts.

use std::sync::Arc;

use bytes::Bytes;
use tenantry_protocol::id::EventId;
use tenantry_protocol::state::EventKind;
use tenantry_workflow::limits::MAX_WORKFLOW_DEPTH;
use tenantry_workflow::{Context, WorkflowCall, plan};

use super::attempt::Failure;
use super::{Action, Ending};
use crate::service::event::Event;
use crate::service::events::{INLINE_LIMIT, run_of};
use crate::stage::outcome::{Parent, StartChild, StartRun};

impl Action {
    /// The run that a step starts: with an event of its own, whose body are the inputs.
    pub(super) async fn child(&self, ending: &Ending<'_>, call: WorkflowCall) -> Result<StartChild, Failure> {
        let Ending { context, run, .. } = *ending;
        let WorkflowCall { name, with, wait } = call;
        let depth = run.depth + 1;
        if depth > MAX_WORKFLOW_DEPTH {
            let error = format!(
                "{MAX_WORKFLOW_DEPTH} runs have started one another; does workflow {name} call itself?"
            );
            return Err(Failure::permanent(error));
        }
        let catalog = self.catalog.of(context.tenant.id).await;
        let catalog = catalog.map_err(|error| Failure::permanent(error.to_string()))?;
        let live = catalog.workflows.get(&name);
        let live = live.ok_or_else(|| Failure::permanent(format!("there is no workflow {name}")))?;
        if !live.enabled {
            return Err(Failure::permanent(format!("workflow {name} is disabled")));
        }
        let Some(manual) = &live.workflow.triggers.manual else {
            let error = format!("workflow {name} has no manual trigger; add `manual: {{}}` below its `on:`");
            return Err(Failure::permanent(error));
        };
        let inputs = manual.accept(&with).map_err(|findings| {
            let what: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
            Failure::permanent(format!("workflow {name} does not take these inputs: {}", what.join("; ")))
        })?;
        let inputs = serde_json::Value::Object(inputs);
        let body = Bytes::from(inputs.to_string());
        if body.len() > INLINE_LIMIT {
            return Err(Failure::permanent(format!("a workflow is given at most {INLINE_LIMIT} bytes")));
        }
        let now = context.clock.now_ms();
        let event = Event {
            id: EventId::new(now),
            kind: EventKind::Manual,
            source: name,
            method: None,
            content_type: Some("application/json".to_owned()),
            headers: "{}".to_owned(),
            query: None,
            body,
            received_at: now,
            depth: run.event_depth(),
        };
        let value = event.value().map_err(|error| Failure::permanent(error.to_string()))?;
        let values = Context {
            event: &value,
            inputs: &inputs,
            vars: &catalog.vars,
            tenant: &context.tenant.value,
            workflow: &live.value,
            ..Context::default()
        };
        let keys = live.workflow.pace.keys(&values).map_err(|error| Failure::permanent(error.to_string()))?;
        let plan = plan::advance(&live.workflow, &[], &values);
        let number = ending.slot.index(run.live.workflow.steps.len());
        let start = StartRun {
            id: run_of(event.id, live.id),
            live: Arc::clone(live),
            event: Arc::new(event),
            value,
            inputs: Arc::new(inputs),
            plan,
            keys,
            parent: wait.then_some(Parent { run: run.id, row: number }),
            depth,
        };
        Ok(StartChild { start })
    }
}
