//! A run goes on: the part of a plan that moves steps.

use std::sync::Arc;

use tenantry_protocol::feed::Change;
use tenantry_protocol::state::{StageName, StepState};
use tenantry_workflow::plan::Plan;
use tenantry_workflow::transition::{self, StepEvent};

use super::illegal;
use crate::error::{Error, Result};
use crate::service::end_run::Failure;
use crate::service::ledger::{Enqueue, Ledger};
use crate::service::material::{Material, RunMaterial};
use crate::stage::action::payload::StepJob;
use crate::store::tenant::steps;

/// A step's position as it is stored.
pub(super) fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// Writes the steps that a plan skips or fails. Answers the first failure: it may be what fails the run.
pub(super) fn skip_and_fail(
    ledger: &mut Ledger<'_>,
    material: &RunMaterial,
    plan: &Plan,
) -> Result<Option<Failure>> {
    for position in &plan.skip {
        end_pending(ledger, material, *position, StepEvent::Skip, None)?;
    }
    let mut failure = None;
    for (position, error) in &plan.fail {
        let error = error.to_string();
        end_pending(ledger, material, *position, StepEvent::Fail, Some(&error))?;
        failure = failure.or_else(|| Failure::of(material, *position, error));
    }
    Ok(failure)
}

fn end_pending(
    ledger: &mut Ledger<'_>,
    material: &RunMaterial,
    position: usize,
    event: StepEvent,
    error: Option<&str>,
) -> Result<()> {
    let from = StepState::Pending;
    let state = transition::step(from, event).map_err(|error| illegal(&error))?;
    let end = steps::End { state, output: None, error, attempt: 0, started_at: None, ended_at: ledger.now };
    moved(steps::end(ledger.tx, material.id, index(position), from, &end)?)?;
    tell(ledger, material, position, state, 0);
    Ok(())
}

/// Enqueues the steps that a plan dispatches. Their rows are `running` already where the run begins; elsewhere the
/// caller has moved them with [`start_pending`].
pub(super) fn dispatch(ledger: &mut Ledger<'_>, material: &Arc<RunMaterial>, plan: &Plan) -> Result<()> {
    for position in &plan.dispatch {
        let Some(step) = material.live.workflow.steps.get(*position) else { continue };
        let margin = ledger.margin_ms(StageName::Action);
        ledger.enqueue(Enqueue {
            stage: StageName::Action,
            run: Some(material.id),
            payload: &StepJob::new(index(*position)),
            material: Some(Material::Step(Arc::clone(material), *position)),
            limit_ms: step.timeout_ms.saturating_add(margin),
        })?;
        tell(ledger, material, *position, StepState::Running, 1);
    }
    Ok(())
}

/// Moves the steps that a plan dispatches from `pending` to `running`.
pub(super) fn start_pending(ledger: &Ledger<'_>, material: &RunMaterial, plan: &Plan) -> Result<()> {
    for position in &plan.dispatch {
        transition::step(StepState::Pending, StepEvent::Dispatch).map_err(|error| illegal(&error))?;
        moved(steps::start(ledger.tx, material.id, index(*position), StepState::Pending, ledger.now)?)?;
    }
    Ok(())
}

/// Tells the feed about a step.
pub(super) fn tell(
    ledger: &mut Ledger<'_>,
    material: &RunMaterial,
    position: usize,
    state: StepState,
    attempt: u32,
) {
    let steps = &material.live.workflow.steps;
    ledger.change(|| Change::Step {
        run: material.id,
        step: steps.get(position).map(|step| step.id.clone()).unwrap_or_default(),
        state,
        attempt,
    });
}

/// A guarded update that found its row in another state: the plan was made on something else than the rows.
pub(super) fn moved(moved: bool) -> Result<()> {
    if moved { Ok(()) } else { Err(Error::internal("a step was not in the state that was read")) }
}
