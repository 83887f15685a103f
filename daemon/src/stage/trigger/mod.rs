//! The trigger stage: takes an event, decides which workflows run and with what.
//!
//! It filters by trigger and by the workflow's `if`, and plans the first steps of each run. Deduplication happened
//! when the event was accepted, in the accepting transaction.
//! **Invariant:** one event starts at most one run of a workflow.
//! Go next to `stage::settle` for how a run begins.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tenantry_protocol::state::{EventKind, StageName};
use tenantry_workflow::{Context, ExpressionError, plan};

use super::outcome::{Effect, Outcome, StartRun};
use super::{JobContext, Stage};
use crate::service::catalog::{Catalog, Live, TenantCatalog};
use crate::service::events::run_of;
use crate::service::material::{EventMaterial, Material};

/// How long the decision may take; it is pure, so this is a backstop.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The stage with what it may touch.
pub struct Trigger {
    catalog: Catalog,
}

impl Trigger {
    /// Looks workflows up in the catalog.
    pub const fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }
}

impl Stage for Trigger {
    const NAME: StageName = StageName::Trigger;
    type Payload = EventMaterial;

    fn payload(&self, material: Material) -> Option<EventMaterial> {
        match material {
            Material::Event(event) => Some(event),
            Material::Step(..) | Material::Record(..) | Material::Notification(_) => None,
        }
    }

    fn time_limit(&self, _: &EventMaterial) -> Duration {
        TIME_LIMIT
    }

    async fn handle(&self, context: &JobContext, payload: EventMaterial) -> Outcome {
        let catalog = match self.catalog.of(context.tenant.id).await {
            Ok(catalog) => catalog,
            Err(error) => return reject(error.to_string(), Vec::new()),
        };
        let (mut effects, mut failed) = (Vec::new(), None);
        for live in matching(&catalog, &payload) {
            match decide(context, &payload, live) {
                Ok(Some(effect)) => effects.push(effect),
                Ok(None) => {}
                Err(error) => failed = failed.or_else(|| Some(format!("workflow {}: {error}", live.name))),
            }
        }
        match failed {
            None => Outcome::Done(effects),
            // One workflow's mistake must not keep the others from running, but it must be seen: the event becomes
            // a dead letter, and its retry starts only what has not started.
            Some(error) => reject(error, effects),
        }
    }
}

fn reject(error: String, effects: Vec<Effect>) -> Outcome {
    Outcome::Reject { error, effects }
}

/// The enabled workflows with a trigger for this event.
fn matching<'c>(catalog: &'c TenantCatalog, payload: &EventMaterial) -> Vec<&'c Arc<Live>> {
    let source = &payload.event.source;
    match payload.event.kind {
        EventKind::Webhook => catalog.hooks.get(source).map(|(live, _)| live).into_iter().collect(),
        EventKind::Manual => catalog.workflows.get(source).into_iter().collect(),
        EventKind::Emitted => {
            let listens = |live: &&Arc<Live>| {
                live.enabled && live.workflow.triggers.events.iter().any(|trigger| trigger.matches(source))
            };
            catalog.workflows.values().filter(listens).collect()
        }
    }
}

fn decide(
    context: &JobContext,
    payload: &EventMaterial,
    live: &Arc<Live>,
) -> Result<Option<Effect>, ExpressionError> {
    let inputs = match payload.event.kind {
        EventKind::Manual => payload.value.get("body").cloned().unwrap_or(Value::Null),
        EventKind::Webhook | EventKind::Emitted => live.workflow.default_inputs(),
    };
    let values = Context {
        event: &payload.value,
        inputs: &inputs,
        tenant: &context.tenant.value,
        workflow: &live.value,
        ..Context::default()
    };
    // Whoever starts a workflow by hand means it: the filter is for events.
    if payload.event.kind != EventKind::Manual
        && let Some(condition) = &live.workflow.condition
        && !condition.truth(&values)?
    {
        return Ok(None);
    }
    let plan = plan::advance(&live.workflow, &[], &values);
    Ok(Some(Effect::StartRun(Box::new(StartRun {
        id: run_of(payload.event.id, live.id),
        live: Arc::clone(live),
        event: Arc::clone(&payload.event),
        value: Arc::clone(&payload.value),
        inputs: Arc::new(inputs),
        plan,
    }))))
}
