//! A run goes on: what is planned is written. Settles and verbs both come through here, so that a run moves in one
//! way, whoever moves it.
//!
//! What happens next is decided by `tenantry_workflow::plan`, which is pure; here it becomes rows and jobs.
//! **Invariant:** everything is computed from the rows as they are in this transaction.
//! Go next to [`progress`] for steps, to [`items`] for `foreach`, to [`wake`] for what steps wait for, to [`stop`] for
//! the early end, to [`given_up`] for the end of a run that cannot be read.

pub(crate) mod given_up;
pub(crate) mod items;
pub(crate) mod progress;
pub(crate) mod stop;
pub(crate) mod wake;

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_protocol::state::{RunState, StepState};
use tenantry_workflow::plan::{self, Plan};
use tenantry_workflow::transition::{Illegal, RunEvent};
use tenantry_workflow::{Context, OnError};

use super::end_run::{self, Failure};
use super::ledger::Ledger;
use super::material::{RunEnd, RunMaterial};
use super::{step_value, variables};
use crate::error::{Error, Result};
use crate::store::tenant::runs::{Standing, Stop};
use crate::store::tenant::steps::Step;

/// How many steps the run's workflow has.
pub(crate) fn step_count(material: &RunMaterial) -> u32 {
    u32::try_from(material.live.workflow.steps.len()).unwrap_or(u32::MAX)
}

/// How far a run has gone: its material with the steps that have ended, and its end, if it has ended.
pub(crate) type Gone = (Arc<RunMaterial>, Option<RunEnd>);

/// Plans what comes next and writes it. `material` has the steps as the rows have them.
pub(crate) fn go_on(
    ledger: &mut Ledger<'_>,
    material: Arc<RunMaterial>,
    standing: Standing,
    rows: &mut [Step],
) -> Result<Gone> {
    let mut material = material;
    loop {
        let states: Vec<StepState> = rows.iter().map(|row| row.state).collect();
        let plan = advance(ledger, &material, &states);
        if plan.is_empty() {
            return Ok((material, None));
        }
        material = progress::apply(ledger, &material, &plan, rows, progress::Begun::No)?;
        if let Some(event) = plan.run {
            return end(ledger, material, standing, event, rows);
        }
        if !plan.pauses() {
            return Ok((material, None));
        }
    }
}

/// Begins a run with its first plan.
pub(crate) fn begin(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    state: RunState,
    plan: &Plan,
    rows: &mut [Step],
    begun: progress::Begun,
) -> Result<()> {
    let material = progress::apply(ledger, material, plan, rows, begun)?;
    let standing = Standing { state, stop: None };
    let gone = match plan.run {
        Some(event) => end(ledger, material, standing, event, rows)?,
        None if plan.pauses() => go_on(ledger, material, standing, rows)?,
        None => return Ok(()),
    };
    match gone {
        (material, Some(end)) => end_run::record(ledger, &material, end),
        (_, None) => Ok(()),
    }
}

/// Ends a run whose plan says so.
pub(crate) fn end(
    ledger: &mut Ledger<'_>,
    material: Arc<RunMaterial>,
    standing: Standing,
    event: RunEvent,
    rows: &[Step],
) -> Result<Gone> {
    let event = match standing.stop {
        Some(Stop::Cancel) => RunEvent::Cancel,
        Some(Stop::TimeOut) => RunEvent::TimeOut,
        None => event,
    };
    let end = end_run::write(ledger, &material, standing.state, event, failure_of(&material, rows))?;
    Ok((material, Some(end)))
}

fn advance(ledger: &Ledger<'_>, material: &RunMaterial, states: &[StepState]) -> Plan {
    let run = material.run_value();
    let context = Context {
        event: &material.event,
        inputs: &material.inputs,
        steps: &material.steps,
        vars: &material.vars,
        tenant: &ledger.tenant.value,
        workflow: &material.live.value,
        run: &run,
        failed: &material.failed,
        ..Context::default()
    };
    plan::advance(&material.live.workflow, states, &context)
}

/// The run's material with `steps` and `failed` as the rows have it.
pub(crate) fn with_steps(material: &Arc<RunMaterial>, rows: &[Step]) -> Arc<RunMaterial> {
    let workflow = &material.live.workflow;
    // Nothing can start any more and nobody is told, so nothing will read the steps.
    let unread = workflow.notify.is_empty() && workflow.outputs.is_empty();
    if unread && rows.iter().all(|row| row.state.is_terminal()) {
        return Arc::clone(material);
    }
    let mut material = RunMaterial::clone(material);
    material.steps = Arc::new(step_value::ended(rows));
    if let Some(row) = first_failure(&material, rows) {
        material.failed = Arc::new(json!({ "step": row.id, "error": row.error }));
    }
    Arc::new(material)
}

/// The same, with `vars` as they are now.
pub(crate) fn refreshed(
    ledger: &Ledger<'_>,
    material: &Arc<RunMaterial>,
    rows: &[Step],
) -> Result<Arc<RunMaterial>> {
    let mut material = with_steps(material, rows);
    if !material.live.workflow.vars.is_empty() {
        let vars = variables::of(ledger.tx, &material.live)?;
        Arc::make_mut(&mut material).vars = vars;
    }
    Ok(material)
}

/// `failed` of a run that has not failed.
pub(crate) fn not_failed() -> Arc<Value> {
    Arc::new(json!({ "step": null, "error": null }))
}

/// The first step, in the order of the workflow, whose failure fails the run.
fn first_failure<'r>(material: &RunMaterial, rows: &'r [Step]) -> Option<&'r Step> {
    let workflow = &material.live.workflow;
    rows.iter().enumerate().find(|(index, row)| workflow.fails_run(*index, row.state)).map(|(_, row)| row)
}

fn failure_of(material: &RunMaterial, rows: &[Step]) -> Option<Failure> {
    first_failure(material, rows)
        .map(|row| Failure { step: row.id.clone(), error: row.error.clone().unwrap_or_default() })
}

/// The first failure directly inside of a group, in words.
pub(crate) fn failure_inside(material: &RunMaterial, children: &[usize], rows: &[Step]) -> Option<String> {
    let steps = &material.live.workflow.steps;
    children.iter().filter_map(|child| rows.get(*child).zip(steps.get(*child))).find_map(|(row, step)| {
        let failed = matches!(row.state, StepState::Failed | StepState::Interrupted);
        let error = row.error.as_deref().unwrap_or("failed");
        (failed && step.on_error == OnError::Fail).then(|| format!("step {}: {error}", row.id))
    })
}

/// A transition that the state machine refuses: the caller's plan was made on something else than the rows.
pub(crate) fn illegal(error: &Illegal) -> Error {
    Error::internal(error.to_string())
}
