//! The trigger stage: takes an event, decides which workflows run and with what.
//!
//! It filters by trigger and by the workflow's `if`, lets events wait for others where the workflow gathers them, and
//! plans the first steps of each run; it begins and cancels runs whose turn has come. Deduplication happened when the
//! event was accepted, in the accepting transaction.
//! **Invariant:** one event starts at most one run of a workflow; repetitions are asked for by a person.
//! Go next to `stage::settle` for how a run begins.

mod gathered;
mod prompt;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tenantry_protocol::state::{EventKind, RunState, StageName, StepState};
use tenantry_workflow::{Context, EventFilter, ExpressionError, plan};

use super::outcome::{BeginRun, Effect, Gather, Outcome, StartRun, Wake};
use super::{JobContext, Stage};
use crate::service::catalog::{Catalog, Live, TenantCatalog};
use crate::service::directory::Tenant;
use crate::service::event::Event;
use crate::service::events::run_of;
use crate::service::material::{EventMaterial, GatheredMaterial, Material, RunMaterial};
use crate::service::step_job::Came;
use crate::service::trigger_job::Turn;
use crate::store::tenant::waiters::{Awaited, Waiter};

/// How long the decision may take; it is pure, so this is a backstop.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The stage with what it may touch. Cheap to clone.
#[derive(Clone)]
pub struct Trigger {
    catalog: Catalog,
}

impl Trigger {
    /// Looks workflows up in the catalog.
    pub const fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }
}

/// What the stage is asked.
#[derive(Clone, Debug)]
pub enum TriggerPayload {
    /// An event came in, for which these steps may wait.
    Event(EventMaterial, Vec<Waiter>),
    /// It is the turn of a run.
    Turn(Turn, Option<i64>, Arc<RunMaterial>),
    /// Gathered events are due.
    Gathered(Arc<GatheredMaterial>),
}

impl Stage for Trigger {
    const NAME: StageName = StageName::Trigger;
    type Payload = TriggerPayload;

    fn payload(&self, material: Material) -> Option<TriggerPayload> {
        match material {
            Material::Event(event) => Some(TriggerPayload::Event(event, Vec::new())),
            Material::Turn(turn, slot, run) => Some(TriggerPayload::Turn(turn, slot, run)),
            Material::Gathered(gathered) => Some(TriggerPayload::Gathered(gathered)),
            Material::Awaited(event, waiters) => Some(TriggerPayload::Event(event, waiters)),
            Material::Unread(_) | Material::Step(..) | Material::Record(..) | Material::Notification(_) => {
                None
            }
        }
    }

    fn time_limit(&self, _: &TriggerPayload) -> Duration {
        TIME_LIMIT
    }

    async fn handle(&self, context: &JobContext, payload: TriggerPayload) -> Outcome {
        let catalog = match self.catalog.of(context.tenant.id).await {
            Ok(catalog) => catalog,
            Err(error) => return reject(error.to_string(), Vec::new()),
        };
        match payload {
            TriggerPayload::Event(event, waiters) => take(&context.tenant, &event, waiters, &catalog),
            TriggerPayload::Turn(Turn::Cancel, _, run) => Outcome::Done(vec![Effect::Supersede(run)]),
            TriggerPayload::Turn(Turn::Begin, slot, run) => match begin(context, run, slot) {
                Ok(effect) => Outcome::Done(vec![effect]),
                Err(error) => reject(error.to_string(), Vec::new()),
            },
            TriggerPayload::Gathered(gathered) => gathered::start(context, &gathered, &catalog),
        }
    }
}

/// The steps for which this is the event that they wait for.
fn woken(payload: &EventMaterial, waiters: Vec<Waiter>) -> Vec<Effect> {
    let meant = |waiter: &Waiter| match serde_json::from_str::<Option<EventFilter>>(&waiter.detail) {
        Ok(filter) => filter.is_none_or(|filter| filter.matches(&payload.value)),
        Err(_) => false,
    };
    let wake = |waiter: Waiter| {
        let came = Came::Event(Value::clone(&payload.value));
        Effect::Wake(Box::new(Wake { run: waiter.run, row: waiter.idx, kind: Awaited::Event, came }))
    };
    waiters.into_iter().filter(meant).map(wake).collect()
}

fn reject(error: String, effects: Vec<Effect>) -> Outcome {
    Outcome::Reject { error, effects }
}

fn take(tenant: &Tenant, payload: &EventMaterial, waiters: Vec<Waiter>, catalog: &TenantCatalog) -> Outcome {
    let (mut effects, mut failed) = (woken(payload, waiters), None);
    for live in matching(catalog, &payload.event) {
        match decide(tenant, payload, live, &catalog.vars) {
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

/// The enabled workflows with a trigger for this event, before conditions are asked.
fn matching<'c>(catalog: &'c TenantCatalog, event: &'c Event) -> Vec<&'c Arc<Live>> {
    let source = &event.source;
    match event.kind {
        EventKind::Webhook => catalog.hooks.get(source).map(|(live, _)| live).into_iter().collect(),
        EventKind::Manual => catalog.workflows.get(source).into_iter().collect(),
        EventKind::Emitted => {
            let listens = |live: &&Arc<Live>| {
                live.enabled && live.workflow.triggers.events.iter().any(|trigger| trigger.matches(source))
            };
            catalog.workflows.values().filter(listens).collect()
        }
        // Its trigger asks for the state, which only the event's value has.
        EventKind::Workflow => catalog.waiting_for_ends.iter().filter(|live| live.name != *source).collect(),
        // The daemon made it for this workflow alone, while it was enabled.
        EventKind::Schedule => {
            let scheduled = |live: &&Arc<Live>| live.enabled && !live.workflow.triggers.schedules.is_empty();
            catalog.workflows.get(source).filter(scheduled).into_iter().collect()
        }
        EventKind::File => {
            let wants = |live: &&Arc<Live>| {
                live.enabled && live.workflow.triggers.files.iter().any(|trigger| trigger.matches(source))
            };
            catalog.workflows.values().filter(wants).collect()
        }
    }
}

/// `inputs` of a run that the event starts.
fn inputs_of(payload: &EventMaterial, live: &Live) -> Value {
    match payload.event.kind {
        EventKind::Manual => payload.value.get("body").cloned().unwrap_or(Value::Null),
        EventKind::Webhook
        | EventKind::Emitted
        | EventKind::Workflow
        | EventKind::Schedule
        | EventKind::File => live.workflow.default_inputs(),
    }
}

/// Whether a trigger of the workflow means this event.
fn is_meant(live: &Live, payload: &EventMaterial, values: &Context<'_>) -> Result<bool, ExpressionError> {
    let (triggers, source) = (&live.workflow.triggers, &payload.event.source);
    let conditions: Vec<_> = match payload.event.kind {
        EventKind::Webhook | EventKind::Manual | EventKind::Schedule | EventKind::File => return Ok(true),
        EventKind::Emitted => {
            let named = triggers.events.iter().filter(|trigger| trigger.matches(source));
            named.map(|trigger| trigger.condition.as_ref()).collect()
        }
        EventKind::Workflow => {
            let state = payload.value["state"].as_str().and_then(|word| word.parse::<RunState>().ok());
            let named = triggers.workflows.iter();
            let named = named.filter(|trigger| state.is_some_and(|state| trigger.matches(source, state)));
            named.map(|trigger| trigger.condition.as_ref()).collect()
        }
    };
    for condition in conditions {
        if condition.map_or(Ok(true), |condition| condition.truth(values))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn decide(
    tenant: &Tenant,
    payload: &EventMaterial,
    live: &Arc<Live>,
    vars: &Value,
) -> Result<Option<Effect>, ExpressionError> {
    let inputs = inputs_of(payload, live);
    let values = Context {
        event: &payload.value,
        inputs: &inputs,
        vars,
        tenant: &tenant.value,
        workflow: &live.value,
        ..Context::default()
    };
    if !is_meant(live, payload, &values)? {
        return Ok(None);
    }
    // Whoever starts a workflow by hand means it: the filter is for events, and so is waiting for others.
    if payload.event.kind != EventKind::Manual {
        if let Some(condition) = &live.workflow.condition
            && !condition.truth(&values)?
        {
            return Ok(None);
        }
        if let Some(key) = live.workflow.pace.gather_key(&values)? {
            let (event, bytes) = (payload.event.id, payload.event.body.len() as u64);
            return Ok(Some(Effect::Gather(Box::new(Gather { live: Arc::clone(live), event, bytes, key }))));
        }
    }
    start(tenant, payload, live, vars, inputs).map(|start| Some(Effect::StartRun(Box::new(start))))
}

/// The run that an event starts.
fn start(
    tenant: &Tenant,
    payload: &EventMaterial,
    live: &Arc<Live>,
    vars: &Value,
    inputs: Value,
) -> Result<StartRun, ExpressionError> {
    let values = Context {
        event: &payload.value,
        inputs: &inputs,
        vars,
        tenant: &tenant.value,
        workflow: &live.value,
        ..Context::default()
    };
    let keys = live.workflow.pace.keys(&values)?;
    let plan = plan::advance(&live.workflow, &[], &values);
    Ok(StartRun {
        id: run_of(payload.event.id, live.id),
        live: Arc::clone(live),
        event: Arc::clone(&payload.event),
        value: Arc::clone(&payload.value),
        inputs: Arc::new(inputs),
        plan,
        keys,
        parent: None,
        depth: 0,
    })
}

/// A run that is there already begins: with the steps that it has taken over, if it is a retry.
fn begin(context: &JobContext, run: Arc<RunMaterial>, slot: Option<i64>) -> Result<Effect, ExpressionError> {
    let run_value = run.run_value();
    let values = Context {
        event: &run.event,
        inputs: &run.inputs,
        steps: &run.steps,
        vars: &run.vars,
        tenant: &context.tenant.value,
        workflow: &run.live.value,
        run: &run_value,
        ..Context::default()
    };
    let keys = run.live.workflow.pace.keys(&values)?;
    let succeeded = |id: &str| run.steps.get(id).is_some_and(|step| step["state"] == "succeeded");
    let state = |id: &str| if succeeded(id) { StepState::Succeeded } else { StepState::Pending };
    let states: Vec<_> = run.live.workflow.steps.iter().map(|step| state(&step.id)).collect();
    let plan = plan::advance(&run.live.workflow, &states, &values);
    Ok(Effect::BeginRun(Box::new(BeginRun { material: run, plan, keys, slot })))
}
