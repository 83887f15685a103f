//! Approvals: steps that ask a person. Who may decide was said by the workflow; the answer wakes the step.
//!
//! **Invariant:** whoever started a run by hand does not decide on it, unless the workflow allows it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::RunId;
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::{Permission, Role};
use tenantry_protocol::run::{ApprovalView, Decide, RunView};
use tenantry_workflow::OnTimeout;

use super::flow::wake;
use super::step_job::Came;
use super::{Authorized, Service, cursor};
use crate::error::{Error, Result};
use crate::store::tenant::waiters::{self, Awaited, Waiter};
use crate::store::tenant::{events, runs, steps};

/// The longest comment, in bytes.
const COMMENT_LIMIT: usize = 2_000;

/// What is asked, as it is stored with the step that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Question {
    /// The least role that may decide.
    pub by: Role,
    /// What is asked.
    pub message: Option<String>,
    /// Whether who started the run may decide too.
    pub allow_starter: bool,
    /// Until when; unix milliseconds.
    pub due: Option<i64>,
    /// What it becomes then.
    pub on_timeout: OnTimeout,
}

impl Service {
    /// Decides on a step that waits for an approval.
    pub async fn decide(
        self: &Arc<Self>,
        by: &Authorized,
        run: &str,
        step: &str,
        approved: bool,
        decide: Decide,
    ) -> Result<RunView> {
        let tenant = by.require_tenant(Permission::RunApprove)?;
        let id = cursor::parse::<RunId>(run, "run")?;
        let material = self.material_of(tenant, id).await?.ok_or_else(|| Error::not_found("run", id))?;
        let found = material.live.workflow.step(step).ok_or_else(|| {
            Error::not_found("step", cursor::shown(step))
                .with_hint(format!("tenantry run show {id} names them"))
        })?;
        if decide.comment.as_ref().is_some_and(|comment| comment.len() > COMMENT_LIMIT) {
            let detail = format!("a comment has at most {COMMENT_LIMIT} bytes");
            return Err(Error::new(ErrorCode::InvalidInput, detail));
        }
        let row = u32::try_from(found.index).unwrap_or(u32::MAX);
        let (context, role) = (by.context.clone(), by.grant.role);
        let name = found.id.clone();
        self.change(tenant, move |ledger| {
            let waiter = waiters::get(ledger.tx, id, row)?.filter(|waiter| waiter.kind == Awaited::Approval);
            let waiter = waiter.ok_or_else(|| decided(id, &name))?;
            let question = question(&waiter)?;
            if role < question.by {
                let detail = format!("step {name} is decided by {} and above", question.by);
                return Err(Error::new(ErrorCode::PermissionDenied, detail));
            }
            let run = runs::get(ledger.tx, id)?.ok_or_else(|| Error::not_found("run", id))?;
            // Whoever asked for a repetition has started it.
            let starter = match run.event_id.filter(|_| run.actor.is_none()) {
                Some(event) => events::origin(ledger.tx, event)?.and_then(|origin| origin.actor),
                None => run.actor,
            };
            if !question.allow_starter && starter.as_deref() == Some(context.actor().as_str()) {
                let detail = format!("whoever started {id} does not decide on it");
                return Err(Error::new(ErrorCode::PermissionDenied, detail)
                    .with_hint("somebody else decides, or the step says `allow-starter: true`"));
            }
            let comment = decide.comment.filter(|comment| !comment.trim().is_empty());
            let came = Came::Decision {
                approved,
                by: context.principal.name.clone(),
                comment: comment.clone(),
                at: ledger.now,
            };
            if !wake::wake(ledger, id, row, Awaited::Approval, came)? {
                return Err(decided(id, &name));
            }
            let verb = if approved { "run.approve" } else { "run.reject" };
            ledger.audit_by(&context, verb, &id.to_string(), &json!({ "step": name, "comment": comment }))
        })
        .await?;
        // Admins hold both permissions: whoever may decide also sees what became of it.
        self.get_run(by, run).await
    }

    /// Lists the steps that wait for a decision, those of the newest runs first.
    pub async fn list_approvals(&self, by: &Authorized, query: &PageQuery) -> Result<Page<ApprovalView>> {
        let tenant = by.require_tenant(Permission::RunRead)?;
        let (after, size) = (cursor::id(query.after.as_deref())?, query.size());
        let read = self.store.tenant(tenant.id)?.read(move |tx| {
            let mut found = Vec::new();
            for waiter in waiters::approvals(tx, after, size)? {
                let step = steps::get(tx, waiter.run, waiter.idx)?;
                found.extend(runs::get(tx, waiter.run)?.zip(step).map(|(run, step)| (waiter, run, step)));
            }
            Ok(found)
        });
        let mut items = Vec::new();
        let rows = read.await?;
        let next =
            rows.last().filter(|_| rows.len() >= size as usize).map(|(waiter, ..)| waiter.run.to_string());
        for (waiter, run, step) in rows {
            let question = question(&waiter)?;
            let live = self.catalog.revision(tenant.id, run.workflow_id, run.revision).await?;
            items.push(ApprovalView {
                run: run.id,
                workflow: live.name.clone(),
                step: step.id,
                message: question.message,
                by: question.by,
                asked_at: waiter.created_at,
                due_at: question.due,
            });
        }
        Ok(Page { items, next })
    }
}

fn question(waiter: &Waiter) -> Result<Question> {
    serde_json::from_str(&waiter.detail).map_err(|error| Error::internal(format!("approval: {error}")))
}

fn decided(run: RunId, step: &str) -> Error {
    let detail = format!("step {step} of {run} waits for no decision");
    Error::new(ErrorCode::StateConflict, detail).with_hint("tenantry run approvals lists what waits")
}
