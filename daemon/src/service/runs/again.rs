//! A run is repeated: retried from the step that failed, or replayed from the beginning.
//!
//! What has ended has ended: a repetition is a run of its own that points at the first one, so that log lines, attempts,
//! notifications and audit records of both stay what they were.

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::feed::Change;
use tenantry_protocol::id::RunId;
use tenantry_protocol::permission::Permission;
use tenantry_protocol::run::{RunReplay, RunView};
use tenantry_protocol::state::{EventKind, RunOrigin, RunState, StepState};

use super::origin_of;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::service::catalog::Live;
use crate::service::directory::Tenant;
use crate::service::ledger::Ledger;
use crate::service::trigger_job::Turn;
use crate::service::{Authorized, Service, cursor, groups};
use crate::store::tenant::runs::{self, NewRun, Repetition, Run};
use crate::store::tenant::steps;

/// How a run shall be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Retry,
    Replay { latest: bool },
}

impl Again {
    const fn origin(self) -> RunOrigin {
        match self {
            Self::Retry => RunOrigin::Retry,
            Self::Replay { .. } => RunOrigin::Replay,
        }
    }

    /// Whether a run in that state can be repeated so; the error says why not.
    pub(super) fn allows(self, run: RunId, state: RunState) -> Result<()> {
        let conflict = |detail, hint: &str| Err(Error::new(ErrorCode::StateConflict, detail).with_hint(hint));
        match (self, state) {
            (_, RunState::Queued | RunState::Running) => {
                conflict(format!("{run} has not ended"), "wait for it, or cancel it")
            }
            (Self::Retry, RunState::Succeeded) => {
                conflict(format!("{run} has succeeded; nothing is left to try"), "tenantry run replay RUN")
            }
            (Self::Retry, RunState::Failed | RunState::Cancelled | RunState::TimedOut)
            | (Self::Replay { .. }, _) => Ok(()),
        }
    }
}

impl Service {
    /// Tries a run again from the step that failed.
    pub async fn retry_run(self: &Arc<Self>, by: &Authorized, id: &str) -> Result<RunView> {
        let tenant = by.require_tenant(Permission::RunRetry)?;
        let run = cursor::parse::<RunId>(id, "run")?;
        let new = self.again(&by.context, tenant, run, Again::Retry).await?;
        self.get_run(by, &new.to_string()).await
    }

    /// Runs a workflow again with the same event.
    pub async fn replay_run(self: &Arc<Self>, by: &Authorized, id: &str, how: RunReplay) -> Result<RunView> {
        let tenant = by.require_tenant(Permission::RunReplay)?;
        let run = cursor::parse::<RunId>(id, "run")?;
        let new = self.again(&by.context, tenant, run, Again::Replay { latest: how.latest }).await?;
        self.get_run(by, &new.to_string()).await
    }

    pub(super) async fn again(
        self: &Arc<Self>,
        context: &Context,
        tenant: &Arc<Tenant>,
        run: RunId,
        again: Again,
    ) -> Result<RunId> {
        let read = self.store.tenant(tenant.id)?.read(move |tx| {
            let Some(run) = runs::get(tx, run)? else { return Ok(None) };
            let origin = origin_of(tx, run.event_id)?;
            Ok(Some((run, origin)))
        });
        let (old, origin) = read.await?.ok_or_else(|| Error::not_found("run", run))?;
        again.allows(run, old.state)?;
        let Some(origin) = origin else {
            let detail = format!("the event of {run} was forgotten; it cannot be repeated");
            return Err(Error::new(ErrorCode::StateConflict, detail));
        };
        let live = self.revision_for(tenant, &old, again).await?;
        let inputs = inputs(&live, &old, origin.kind, again)?;
        let context = context.clone();
        self.change(tenant, move |ledger| insert(ledger, &context, &old, &live, inputs.as_deref(), again))
            .await
    }

    /// The revision that a repetition runs. The workflow must still be there.
    async fn revision_for(&self, tenant: &Tenant, old: &Run, again: Again) -> Result<Arc<Live>> {
        let catalog = self.catalog.of(tenant.id).await?;
        let newest = catalog.workflows.values().find(|live| live.id == old.workflow_id);
        let newest = newest.ok_or_else(|| {
            let detail = format!("the workflow of {} is deleted", old.id);
            Error::new(ErrorCode::StateConflict, detail).with_hint("apply it again and start it")
        })?;
        match again {
            Again::Replay { latest: true } => Ok(Arc::clone(newest)),
            Again::Retry | Again::Replay { latest: false } => {
                self.catalog.revision(tenant.id, old.workflow_id, old.revision).await
            }
        }
    }
}

/// The inputs of a repetition. Those of another revision are checked against what that one takes.
fn inputs(live: &Live, old: &Run, kind: EventKind, again: Again) -> Result<Option<String>> {
    if again != (Again::Replay { latest: true }) || live.revision == old.revision {
        return Ok(old.inputs.clone());
    }
    if kind != EventKind::Manual {
        let defaults = live.workflow.default_inputs();
        return Ok((!defaults.is_null()).then(|| defaults.to_string()));
    }
    let given = super::view::inputs_of(old).unwrap_or_default();
    let Some(manual) = &live.workflow.triggers.manual else { return Ok(None) };
    let accepted = manual.accept(&given).map_err(|findings| {
        let detail = format!("revision {} does not take the inputs of {}", live.revision, old.id);
        Error::new(ErrorCode::InvalidInput, detail).with_findings(findings)
    })?;
    Ok(Some(Value::Object(accepted).to_string()))
}

fn insert(
    ledger: &mut Ledger<'_>,
    by: &Context,
    old: &Run,
    live: &Live,
    inputs: Option<&str>,
    again: Again,
) -> Result<RunId> {
    // Forgotten in between, with its event.
    let state = runs::state(ledger.tx, old.id)?.ok_or_else(|| Error::not_found("run", old.id))?;
    again.allows(old.id, state)?;
    let id = RunId::new(ledger.now);
    let row = NewRun {
        id,
        workflow_id: live.id,
        revision: live.revision,
        event_id: old.event_id,
        inputs,
        accepted_at: ledger.now,
        created_at: ledger.now,
    };
    runs::insert(ledger.tx, &row)?;
    let origin = again.origin();
    let actor = by.actor();
    let key_run = (again == Again::Retry).then(|| old.key_run.unwrap_or(old.id));
    let repetition = Repetition { origin, of: old.id, actor: &actor, key_run };
    runs::set_repetition(ledger.tx, id, &repetition)?;
    let kept = insert_steps(ledger, old.id, id, live, again)?;
    groups::take_turn(ledger, id, Turn::Begin)?;
    ledger.count(|tally| &tally.runs_started);
    let (workflow, state) = (live.name.clone(), RunState::Queued);
    ledger.change(|| Change::Run { run: id, workflow, state, error: None });
    let detail = json!({ "run": id, "workflow": live.name, "revision": live.revision, "kept-steps": kept });
    ledger.audit_by(by, &format!("run.{origin}"), &old.id.to_string(), &detail)?;
    Ok(id)
}

/// The steps of the new run; answers how many it takes over.
fn insert_steps(ledger: &Ledger<'_>, old: RunId, new: RunId, live: &Live, again: Again) -> Result<u32> {
    let mut kept = 0;
    for step in &live.workflow.steps {
        let idx = u32::try_from(step.index).unwrap_or(u32::MAX);
        if again == Again::Retry && steps::take_over(ledger.tx, old, new, idx)? {
            kept += 1;
            continue;
        }
        let pending = steps::NewStep {
            idx,
            id: &step.id,
            state: StepState::Pending,
            attempt: 0,
            started_at: None,
            ended_at: None,
        };
        steps::insert(ledger.tx, new, &pending)?;
    }
    Ok(kept)
}
