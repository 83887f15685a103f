//! The part of a plan that moves steps.

use std::sync::Arc;

use serde_json::json;
use tenantry_protocol::feed::Change;
use tenantry_protocol::state::{StageName, StepState};
use tenantry_workflow::plan::{self, Close, Plan, Slot};
use tenantry_workflow::transition::{self, StepEvent};
use tenantry_workflow::{ActionKind, Context};

use super::{failure_inside, illegal, items, with_steps};
use crate::error::{Error, Result};
use crate::service::ledger::{Enqueue, Ledger};
use crate::service::material::{Material, RunMaterial};
use crate::service::step_job::StepJob;
use crate::store::tenant::steps::{self, Step};

/// Whether the rows of the steps that a plan dispatches are running already, as where a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// They are pending.
    No,
    /// They were inserted as running.
    Yes,
}

/// A step's position as it is stored.
pub(crate) fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// Writes a plan, except for the end of the run. `rows` follow what is written; the answer is the material with them.
pub(crate) fn apply(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    plan: &Plan,
    rows: &mut [Step],
    begun: Begun,
) -> Result<Arc<RunMaterial>> {
    for position in &plan.skip {
        end_pending(ledger, material, *position, StepEvent::Skip, None, rows)?;
    }
    for (position, error) in &plan.fail {
        end_pending(ledger, material, *position, StepEvent::Fail, Some(error.to_string()), rows)?;
    }
    for position in &plan.open {
        start(ledger, material, *position, rows)?;
        tell(ledger, material, Slot::step(*position), StepState::Running, 1);
    }
    for close in &plan.close {
        close_group(ledger, material, close, rows)?;
    }
    // What begins now sees what has just ended.
    let material = &if plan.ends_steps() { with_steps(material, rows) } else { Arc::clone(material) };
    for (position, list) in &plan.expand {
        start(ledger, material, *position, rows)?;
        tell(ledger, material, Slot::step(*position), StepState::Running, 1);
        items::expand(ledger, material, *position, list, rows)?;
    }
    for position in &plan.dispatch {
        if begun == Begun::No {
            start(ledger, material, *position, rows)?;
        }
        dispatch(ledger, material, Slot::step(*position), &StepJob::new(index(*position)))?;
    }
    Ok(if plan.pauses() { with_steps(material, rows) } else { Arc::clone(material) })
}

fn end_pending(
    ledger: &mut Ledger<'_>,
    material: &RunMaterial,
    position: usize,
    event: StepEvent,
    error: Option<String>,
    rows: &mut [Step],
) -> Result<()> {
    let from = StepState::Pending;
    let state = transition::step(from, event).map_err(|error| illegal(&error))?;
    let (now, reason) = (ledger.now, error.as_deref());
    let end = steps::End { state, output: None, error: reason, attempt: 0, started_at: None, ended_at: now };
    moved(steps::end(ledger.tx, material.id, index(position), from, &end)?)?;
    if let Some(row) = rows.get_mut(position) {
        (row.state, row.ended_at, row.error) = (state, Some(now), error);
    }
    tell(ledger, material, Slot::step(position), state, 0);
    Ok(())
}

/// Moves a step from `pending` to `running`.
fn start(ledger: &Ledger<'_>, material: &RunMaterial, position: usize, rows: &mut [Step]) -> Result<()> {
    let from = StepState::Pending;
    let state = transition::step(from, StepEvent::Dispatch).map_err(|error| illegal(&error))?;
    moved(steps::start(ledger.tx, material.id, index(position), from, ledger.now)?)?;
    if let Some(row) = rows.get_mut(position) {
        (row.state, row.started_at, row.attempt) = (state, Some(ledger.now), 1);
    }
    Ok(())
}

/// Hands the first attempt of a row to the action stage.
pub(super) fn dispatch(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    slot: Slot,
    job: &StepJob,
) -> Result<()> {
    let Some(step) = material.live.workflow.steps.get(slot.step) else { return Ok(()) };
    let margin = ledger.margin_ms(StageName::Action);
    ledger.enqueue(Enqueue {
        stage: StageName::Action,
        run: Some(material.id),
        payload: job,
        material: Some(Material::Step(Arc::clone(material), job.clone())),
        limit_ms: step.handler_limit_ms().saturating_add(margin),
    })?;
    tell(ledger, material, slot, StepState::Running, 1);
    Ok(())
}

/// Ends a group with its steps.
fn close_group(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    close: &Close,
    rows: &mut [Step],
) -> Result<()> {
    let Some(step) = material.live.workflow.steps.get(close.step) else { return Ok(()) };
    let state = transition::step(StepState::Running, close.event).map_err(|error| illegal(&error))?;
    let output = (step.kind() == ActionKind::Switch).then(|| {
        // It reads what had ended before the group began.
        let context = Context {
            event: &material.event,
            inputs: &material.inputs,
            steps: &material.steps,
            vars: &material.vars,
            tenant: &ledger.tenant.value,
            workflow: &material.live.value,
            failed: &material.failed,
            ..Context::default()
        };
        json!({ "output": plan::chosen(&material.live.workflow, close.step, &context) }).to_string()
    });
    let error =
        (state == StepState::Failed).then(|| failure_inside(material, &step.children(), rows)).flatten();
    end_running(ledger, material, close.step, state, output, error, rows)
}

/// Ends a step that has no job of its own: a group, or the items of a `foreach`.
pub(super) fn end_running(
    ledger: &mut Ledger<'_>,
    material: &RunMaterial,
    position: usize,
    state: StepState,
    output: Option<String>,
    error: Option<String>,
    rows: &mut [Step],
) -> Result<()> {
    let end = steps::End {
        state,
        output: output.as_deref(),
        error: error.as_deref(),
        attempt: 1,
        started_at: None,
        ended_at: ledger.now,
    };
    moved(steps::end(ledger.tx, material.id, index(position), StepState::Running, &end)?)?;
    tell(ledger, material, Slot::step(position), state, 1);
    if let Some(row) = rows.get_mut(position) {
        (row.state, row.ended_at, row.output, row.error) = (state, Some(ledger.now), output, error);
    }
    Ok(())
}

/// Tells the feed about a row.
pub(crate) fn tell(
    ledger: &mut Ledger<'_>,
    material: &RunMaterial,
    slot: Slot,
    state: StepState,
    attempt: u32,
) {
    let steps = &material.live.workflow.steps;
    ledger.change(|| Change::Step {
        run: material.id,
        step: steps.get(slot.step).map(|step| step.id.clone()).unwrap_or_default(),
        state,
        attempt,
    });
}

/// A guarded update that found its row in another state: the plan was made on something else than the rows.
pub(crate) fn moved(moved: bool) -> Result<()> {
    if moved { Ok(()) } else { Err(Error::internal("a step was not in the state that was read")) }
}
