//! What a run does next: which steps start, which are skipped, and whether the run has ended.
//!
//! Pure and total: the same states and values give the same plan, and a run in which every started step ends
//! always ends. The caller applies the plan in the order skip, fail, dispatch, run, through
//! [`crate::transition`], in one write.
//!
//! **When a step runs.** A step waits until every step it needs has ended. Without any `needs` in the
//! workflow, each step needs the one before it; as soon as one step says `needs`, a step without it starts at
//! once. Then, without an `if`, it runs unless something it needs was skipped, cancelled, or failed without
//! `on-error: continue`; in a workflow without `needs` a skipped step does not hold up the next. With an
//! `if`, the condition must be true as well; one that asks `success()`, `failure()`, `always()` or
//! `cancelled()` decides alone. A condition that cannot be evaluated fails its step.

use tenantry_protocol::state::StepState;

use crate::context::Context;
use crate::definition::{Step, Workflow};
use crate::expression::{ExpressionError, Progress, Scope};
use crate::transition::RunEvent;

/// What to do with a run now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Steps whose first attempt is handed to the action stage.
    pub dispatch: Vec<usize>,
    /// Steps that are skipped.
    pub skip: Vec<usize>,
    /// Steps that fail because their condition has no value.
    pub fail: Vec<(usize, ExpressionError)>,
    /// How the run ends, if it does. Never together with `dispatch`.
    pub run: Option<RunEvent>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.dispatch.is_empty() && self.skip.is_empty() && self.fail.is_empty() && self.run.is_none()
    }
}

/// Decides what a run does next. `states` holds one state a step, in the order of [`Workflow::steps`]; a
/// missing one counts as pending. Call it when the run starts and whenever a step has ended.
pub fn advance(workflow: &Workflow, states: &[StepState], context: &Context<'_>) -> Plan {
    let mut states: Vec<StepState> = states.to_vec();
    states.resize(workflow.steps.len(), StepState::Pending);
    let mut plan = Plan::default();
    loop {
        let mut changed = false;
        for step in &workflow.steps {
            if states.get(step.index) != Some(&StepState::Pending) || !needs_have_ended(step, &states) {
                continue;
            }
            let next = match wants_to_run(workflow, step, &states, context) {
                Ok(true) => {
                    plan.dispatch.push(step.index);
                    StepState::Running
                }
                Ok(false) => {
                    plan.skip.push(step.index);
                    StepState::Skipped
                }
                Err(error) => {
                    plan.fail.push((step.index, error.in_step(&step.id)));
                    StepState::Failed
                }
            };
            if let Some(state) = states.get_mut(step.index) {
                *state = next;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    plan.run = ending(workflow, &states);
    plan
}

fn needs_have_ended(step: &Step, states: &[StepState]) -> bool {
    step.needs.iter().all(|need| states.get(*need).is_some_and(|state| state.is_terminal()))
}

fn wants_to_run(
    workflow: &Workflow,
    step: &Step,
    states: &[StepState],
    context: &Context<'_>,
) -> Result<bool, ExpressionError> {
    let Some(condition) = &step.condition else {
        return Ok(may_follow(workflow, step.index, states));
    };
    if !condition.reads_progress() && !may_follow(workflow, step.index, states) {
        return Ok(false);
    }
    let progress = Progress { workflow, states, step: step.index };
    condition.truth_in(&Scope { context, progress: Some(progress) })
}

/// Whether what comes before a step went well enough for it to run; what `success()` says.
pub(crate) fn may_follow(workflow: &Workflow, index: usize, states: &[StepState]) -> bool {
    let state_of = |index: usize| states.get(index).copied().unwrap_or(StepState::Pending);
    let well = |index: usize| {
        let state = state_of(index);
        state == StepState::Succeeded
            || (matches!(state, StepState::Failed | StepState::Interrupted)
                && !workflow.fails_run(index, state))
    };
    if workflow.sequential {
        return (0..index).all(|before| well(before) || state_of(before) == StepState::Skipped);
    }
    workflow.steps.get(index).is_some_and(|step| step.needs.iter().all(|need| well(*need)))
}

/// How the run ends: only once every step has ended.
fn ending(workflow: &Workflow, states: &[StepState]) -> Option<RunEvent> {
    if !states.iter().all(|state| state.is_terminal()) {
        return None;
    }
    let failed = states.iter().enumerate().any(|(index, state)| workflow.fails_run(index, *state));
    let cancelled = states.contains(&StepState::Cancelled);
    Some(match (failed, cancelled) {
        (true, _) => RunEvent::StepFailed,
        (false, true) => RunEvent::Cancel,
        (false, false) => RunEvent::StepsSucceeded,
    })
}

#[cfg(test)]
mod tests;
