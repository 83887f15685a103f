//! A run ends that cannot go on: nobody can read what it is made of, or write what comes next, so that only its rows are
//! moved. No notification is sent and no roll-up is kept; the audit log has the end.
//! **Invariant:** whatever is wrong with a run, it does not stay `running` when nothing will wake it any more.

use serde_json::json;
use tenantry_protocol::feed::Change;
use tenantry_protocol::id::RunId;
use tenantry_protocol::state::{RunState, StageName};
use tenantry_workflow::transition::{self, RunEvent};

use super::{illegal, stop, wake};
use crate::error::{Error, Result};
use crate::service::groups;
use crate::service::ledger::Ledger;
use crate::service::step_job::{Came, StepJob};
use crate::service::trigger_job::{TriggerJob, Turn};
use crate::store::tenant::waiters::Awaited;
use crate::store::tenant::{runs, steps, workflows};

/// What of a run waits for a job, and for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// That row.
    Step(u32),
    /// Its beginning.
    Begin,
    /// Something, which cannot be read.
    Unread,
}

/// What of its run waits for a job, whose payload says so; none if the run goes on without it.
pub(crate) fn waits_for(stage: StageName, payload: &[u8]) -> Option<Waits> {
    match stage {
        StageName::Action => match StepJob::decode(payload) {
            Ok(job) if job.stop => None,
            Ok(job) => Some(Waits::Step(job.step)),
            Err(_) => Some(Waits::Unread),
        },
        StageName::Trigger => match TriggerJob::decode(payload) {
            Ok(job) => (job.turn == Some(Turn::Begin)).then_some(Waits::Begin),
            Err(_) => Some(Waits::Unread),
        },
        StageName::Logging | StageName::Notification => None,
    }
}

/// Whether the run waits for that now.
pub(crate) fn is_waiting(ledger: &Ledger<'_>, run: RunId, waits: Waits) -> Result<bool> {
    let state = runs::state(ledger.tx, run)?.filter(|state| !state.is_terminal());
    Ok(match (state, waits) {
        (None, _) => false,
        (Some(_), Waits::Unread) => true,
        (Some(state), Waits::Begin) => state == RunState::Queued,
        (Some(_), Waits::Step(row)) => {
            steps::get(ledger.tx, run, row)?.is_some_and(|row| !row.state.is_terminal())
        }
    })
}

/// Ends a run that has not ended, because of a job of that stage.
pub(crate) fn give_up(ledger: &mut Ledger<'_>, stage: StageName, id: RunId, error: &str) -> Result<()> {
    let run = runs::get(ledger.tx, id)?;
    let Some(run) = run.filter(|run| !run.state.is_terminal()) else { return Ok(()) };
    let state = transition::run(run.state, RunEvent::StepFailed).map_err(|error| illegal(&error))?;
    stop::drop_jobs(ledger, id)?;
    stop::order_children(ledger, id)?;
    let mut at_work = Vec::new();
    for step in steps::list(ledger.tx, id)?.iter().filter(|step| !step.state.is_terminal()) {
        wake::forget(ledger, id, step.idx)?;
        at_work.push(step.idx);
    }
    steps::cancel(ledger.tx, id, ledger.now)?;
    ledger.stop_handlers(id, at_work);
    if !runs::end(ledger.tx, id, run.state, state, Some(error), ledger.now)? {
        return Err(Error::internal(format!("{id} is no longer {}", run.state)));
    }
    if let Some((parent, row)) = run.parent {
        let came = Came::End { run: id, state, error: Some(error.to_owned()), outputs: None };
        wake::wake(ledger, parent, row, Awaited::Run, came)?;
    }
    if let Some(event) = run.event_id {
        ledger.decided(event);
    }
    ledger.count(|tally| &tally.runs_failed);
    ledger.run_ended(run.workflow_id);
    let workflow = workflows::get(ledger.tx, run.workflow_id)?;
    let workflow = workflow.map_or_else(|| run.workflow_id.to_string(), |workflow| workflow.name);
    let detail = json!({
        "workflow": workflow,
        "revision": run.revision,
        "event": run.event_id,
        "created-at": run.created_at,
        "ended-at": ledger.now,
        "error": error,
    });
    ledger.change(|| Change::Run { run: id, workflow, state, error: Some(error.to_owned()) });
    groups::free(ledger, id)?;
    ledger.audit(&format!("system:{stage}"), "run.end", &id.to_string(), state.as_str(), &detail)
}
