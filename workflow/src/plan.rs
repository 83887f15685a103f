//! What a run does next: which steps start, which are skipped, which groups begin and end, and whether the run has
//! ended.
//!
//! Pure and total: the same states and values give the same plan, and a run in which every started step ends
//! always ends. The caller applies the plan in the order skip, fail, open, close, expand, dispatch, run, through
//! [`crate::transition`], in one write.
//!
//! **When a step runs.** A step waits until every step it needs has ended. Without any `needs` in its list of steps,
//! each step needs the one before it; as soon as one step says `needs`, a step without it starts at once. Then,
//! without an `if`, it runs unless something it needs was skipped, cancelled, or failed without `on-error: continue`;
//! in a list without `needs` a skipped step does not hold up the next. With an `if`, the condition must be true as
//! well; one that asks `success()`, `failure()`, `always()` or `cancelled()` decides alone. A condition that cannot be
//! evaluated fails its step.
//!
//! **Groups.** The steps inside of a group wait for it to begin; it ends when they have ended, and fails if one of
//! them has. **Finally.** The steps of `finally` wait for all others. **Items.** A step with `foreach` is one step
//! here; [`items()`] says which of its items start. **Cancelling.** The caller cancels what is under way; what comes
//! of the rest is decided here as ever, so that a step whose condition says `always()` or `cancelled()` still runs.

mod item;

pub use item::{ItemPlan, Items, Slot, items};

use serde_json::Value;
use tenantry_protocol::state::StepState;

use crate::context::Context;
use crate::definition::{Action, Step, Workflow};
use crate::expression::{ExpressionError, Progress, Scope};
use crate::transition::{RunEvent, StepEvent};

/// What to do with a run now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Steps whose first attempt is handed to the action stage.
    pub dispatch: Vec<usize>,
    /// Groups that begin: they are running, and nothing is handed on.
    pub open: Vec<usize>,
    /// Steps with `foreach` that begin, and their items; one without items has ended with that.
    pub expand: Vec<(usize, Vec<Value>)>,
    /// Groups that end.
    pub close: Vec<Close>,
    /// Steps that are skipped.
    pub skip: Vec<usize>,
    /// Steps that fail because their condition, their items or their case has no value.
    pub fail: Vec<(usize, ExpressionError)>,
    /// How the run ends, if it does. Never together with `dispatch`, nor with items to begin.
    pub run: Option<RunEvent>,
}

/// The end of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The group.
    pub step: usize,
    /// `Succeed`, `Fail` or `Cancel`.
    pub event: StepEvent,
}

impl Plan {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.dispatch.is_empty() && self.is_plain()
    }

    /// Whether all there is to do is to hand steps to the action stage.
    pub const fn is_plain(&self) -> bool {
        self.open.is_empty() && !self.ends_steps() && self.run.is_none()
    }

    /// Whether a group or a step without items ends with it, and has left something behind that the next decision may
    /// look at.
    pub fn pauses(&self) -> bool {
        !self.close.is_empty() || self.expand.iter().any(|(_, items)| items.is_empty())
    }

    /// Whether steps end with it.
    pub const fn ends_steps(&self) -> bool {
        !(self.expand.is_empty() && self.close.is_empty() && self.skip.is_empty() && self.fail.is_empty())
    }

    /// Whether something is handed to the action stage, so that the run is running.
    pub fn starts(&self) -> bool {
        !self.dispatch.is_empty() || self.expand.iter().any(|(_, items)| !items.is_empty())
    }
}

/// Decides what a run does next. `states` holds one state a step, in the order of [`Workflow::steps`]; a
/// missing one counts as pending. Call it when the run starts and whenever a step has ended, and again while
/// [`Plan::pauses`], with `steps` in the context as they are then.
pub fn advance(workflow: &Workflow, states: &[StepState], context: &Context<'_>) -> Plan {
    let mut states: Vec<StepState> = states.to_vec();
    states.resize(workflow.steps.len(), StepState::Pending);
    let mut planner = Planner { workflow, context, states, plan: Plan::default() };
    while planner.round() && !planner.plan.pauses() {}
    planner.plan.run = ending(workflow, &planner.states);
    planner.plan
}

struct Planner<'a> {
    workflow: &'a Workflow,
    context: &'a Context<'a>,
    states: Vec<StepState>,
    plan: Plan,
}

/// Whether a pending step may be decided on.
enum Turn {
    NotYet,
    Never,
    Now,
}

impl Planner<'_> {
    /// Looks at every step once. False if nothing came of it.
    fn round(&mut self) -> bool {
        let mut changed = false;
        let workflow = self.workflow;
        for step in &workflow.steps {
            changed |= match self.state(step.index) {
                StepState::Pending => self.pending(step),
                StepState::Running if step.kind().is_group() => self.group(step),
                _ => false,
            };
            if self.plan.pauses() {
                break;
            }
        }
        changed
    }

    fn state(&self, index: usize) -> StepState {
        self.states.get(index).copied().unwrap_or(StepState::Pending)
    }

    fn set(&mut self, index: usize, next: StepState) {
        if let Some(state) = self.states.get_mut(index) {
            *state = next;
        }
    }

    fn scope(&self, step: usize) -> Scope<'_> {
        let progress = Progress { workflow: self.workflow, states: &self.states, step };
        Scope { context: self.context, progress: Some(progress) }
    }

    fn turn(&self, step: &Step) -> Turn {
        if let Some(parent) = step.parent {
            match self.state(parent) {
                StepState::Pending => return Turn::NotYet,
                StepState::Running => {}
                // The group was skipped, has failed, or was cancelled before this step had its turn.
                _ => return Turn::Never,
            }
        }
        let mut main = self.workflow.steps.iter().filter(|other| !other.finally);
        if step.finally && !main.all(|other| self.state(other.index).is_terminal()) {
            return Turn::NotYet;
        }
        let ended = step.needs.iter().all(|need| self.state(*need).is_terminal());
        if ended { Turn::Now } else { Turn::NotYet }
    }

    fn pending(&mut self, step: &Step) -> bool {
        let begun = match self.turn(step) {
            Turn::NotYet => return false,
            Turn::Never => Ok(None),
            Turn::Now => self.wants_to_run(step).and_then(|runs| runs.then(|| self.begin(step)).transpose()),
        };
        match begun {
            Ok(Some(state)) => self.set(step.index, state),
            Ok(None) => {
                self.plan.skip.push(step.index);
                self.set(step.index, StepState::Skipped);
            }
            Err(error) => {
                self.plan.fail.push((step.index, error.in_step(&step.id)));
                self.set(step.index, StepState::Failed);
            }
        }
        true
    }

    fn wants_to_run(&self, step: &Step) -> Result<bool, ExpressionError> {
        let Some(condition) = &step.condition else {
            return Ok(may_follow(self.workflow, step.index, &self.states));
        };
        if !condition.reads_progress() && !may_follow(self.workflow, step.index, &self.states) {
            return Ok(false);
        }
        condition.truth_in(&self.scope(step.index))
    }

    /// Begins a step in the way of its kind. Answers the state it is in then.
    fn begin(&mut self, step: &Step) -> Result<StepState, ExpressionError> {
        if let Some(foreach) = &step.foreach {
            let items = foreach.items(&self.scope(step.index))?;
            let over = items.is_empty();
            self.plan.expand.push((step.index, items));
            if over {
                return Ok(StepState::Succeeded);
            }
        } else if let Action::Switch(switch) = &step.action {
            let (_, chosen) = switch.choose(&self.scope(step.index))?;
            for child in step.children() {
                if !chosen.contains(&child) && self.state(child) == StepState::Pending {
                    self.plan.skip.push(child);
                    self.set(child, StepState::Skipped);
                }
            }
            self.plan.open.push(step.index);
        } else if step.kind().is_group() {
            self.plan.open.push(step.index);
        } else {
            self.plan.dispatch.push(step.index);
        }
        Ok(StepState::Running)
    }

    /// Ends a group whose steps have ended.
    fn group(&mut self, group: &Step) -> bool {
        let children = group.children();
        if !children.iter().all(|child| self.state(*child).is_terminal()) {
            return false;
        }
        let failed = children.iter().any(|child| self.workflow.has_failed(*child, self.state(*child)));
        let cancelled = children.iter().any(|child| self.state(*child) == StepState::Cancelled);
        let (event, state) = match (failed, cancelled) {
            (true, _) => (StepEvent::Fail, StepState::Failed),
            (false, true) => (StepEvent::Cancel, StepState::Cancelled),
            (false, false) => (StepEvent::Succeed, StepState::Succeeded),
        };
        self.plan.close.push(Close { step: group.index, event });
        self.set(group.index, state);
        true
    }
}

/// The word of the case that a `switch` has chosen: the one whose steps were not skipped when it began. Asked when
/// the switch has ended; none if no case did fit.
pub fn chosen(workflow: &Workflow, step: usize, context: &Context<'_>) -> Option<String> {
    let Action::Switch(switch) = &workflow.steps.get(step)?.action else { return None };
    let (word, _) = switch.choose(&Scope::of(context)).ok()?;
    word.map(ToOwned::to_owned)
}

/// Whether what comes before a step went well enough for it to run; what `success()` says.
pub(crate) fn may_follow(workflow: &Workflow, index: usize, states: &[StepState]) -> bool {
    let state_of = |index: usize| states.get(index).copied().unwrap_or(StepState::Pending);
    let well = |index: usize| {
        let state = state_of(index);
        state == StepState::Succeeded
            || (matches!(state, StepState::Failed | StepState::Interrupted)
                && !workflow.has_failed(index, state))
    };
    let Some(step) = workflow.steps.get(index) else { return false };
    if !step.sequential {
        return step.needs.iter().all(|need| well(*need));
    }
    // Tidying up goes on whatever became of the step before.
    if step.finally && step.parent.is_none() {
        return true;
    }
    let before = |step: &usize| workflow.steps.get(*step).and_then(|step| step.needs.first()).copied();
    std::iter::successors(before(&index), before)
        .all(|before| well(before) || state_of(before) == StepState::Skipped)
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
