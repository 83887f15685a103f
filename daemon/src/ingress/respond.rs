//! What a sender is answered: at once, or with the result of its run.
//!
//! A sender that goes away, or waits in vain, changes nothing about the run: it is on disk, and only this answer waits.
//! **Invariant:** nothing is answered before the event's commit.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_protocol::id::{EventId, RunId};
use tenantry_protocol::run::Accepted;
use tenantry_protocol::state::RunState;
use tenantry_workflow::{Context, Reply, RespondMode, WebhookTrigger};

use crate::error::{Error, Result};
use crate::service::Service;
use crate::service::catalog::Live;
use crate::service::directory::Tenant;
use crate::service::events::run_of;
use crate::service::material::RunMaterial;
use crate::service::waiting::Waiter;

/// How often the tenant's file is looked into although nobody told to.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// An answer, and the run that it is about.
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) run: Option<RunId>,
}

/// Whose request it is.
pub(super) struct Asked<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) live: &'a Arc<Live>,
    pub(super) hook: &'a WebhookTrigger,
    /// The tenant's variables.
    pub(super) vars: &'a Value,
}

/// A place among those that wait, where the trigger answers with the result.
pub(super) fn waiter(service: &Service, asked: &Asked<'_>, event: EventId) -> Result<Option<Waiter>> {
    match asked.hook.respond.mode {
        RespondMode::Ack => Ok(None),
        RespondMode::Result => service.waiting.enter(asked.tenant.id, event).map(Some),
    }
}

/// 202 with the event's id; 200 for a repeat, because senders that look expect a success either way.
///
/// The event's value is there where the trigger says anything about the answer.
pub(super) fn acknowledge(asked: &Asked<'_>, accepted: &Accepted, event: Option<&Value>) -> Result<Answer> {
    let status = if accepted.duplicate { 200 } else { 202 };
    let usual = Reply::json(status, &json!({ "event": accepted.event, "duplicate": accepted.duplicate }));
    let values = Context {
        event: event.unwrap_or(&Value::Null),
        vars: asked.vars,
        tenant: &asked.tenant.value,
        workflow: &asked.live.value,
        ..Context::default()
    };
    let reply = match asked.hook.respond.mode {
        RespondMode::Ack => asked.hook.respond.reply(usual, &values).map_err(|error| failed(&error))?,
        RespondMode::Result => usual,
    };
    Ok(Answer { reply, run: None })
}

/// The result of the run; 202 where there is none in time, or no run.
pub(super) async fn result(
    service: &Service,
    asked: &Asked<'_>,
    accepted: &Accepted,
    mut waiter: Waiter,
) -> Result<Answer> {
    if accepted.duplicate {
        waiter.turn_to(accepted.event);
    }
    let run = run_of(accepted.event, asked.live.id);
    let limit = service.config.ingress.result_timeout;
    let limit = asked.hook.respond.timeout_ms.map_or(limit, |own| limit.min(Duration::from_millis(own)));
    let decided = decided(service, asked.tenant, run, &mut waiter, accepted.duplicate);
    match service.clock.timeout(limit, decided).await {
        Ok(Ok(Some(state))) => of_run(service, asked, run, state).await,
        Ok(Ok(None)) => acknowledge(asked, accepted, None),
        Ok(Err(error)) => Err(error),
        Err(_) => {
            let body = json!({ "event": accepted.event, "run": run, "duplicate": accepted.duplicate });
            Ok(Answer { reply: Reply::json(202, &body), run: Some(run) })
        }
    }
}

/// Waits until the run has ended, or it is clear that there is none; then `None`.
async fn decided(
    service: &Service,
    tenant: &Tenant,
    run: RunId,
    waiter: &mut Waiter,
    is_repeat: bool,
) -> Result<Option<RunState>> {
    let mut was_told = false;
    loop {
        match service.run_state(tenant, run).await? {
            Some(state) if state.is_terminal() => return Ok(Some(state)),
            // The daemon stops and cannot keep anybody waiting; the run goes on when it is back.
            Some(_) if service.draining() => return Ok(None),
            None if was_told || service.draining() => return Ok(None),
            Some(_) | None => {}
        }
        tokio::select! {
            () = waiter.told() => was_told = true,
            // Nobody will tell about an event that started no run long ago.
            () = service.clock.sleep(LOOK_AGAIN) => was_told |= is_repeat,
        }
    }
}

async fn of_run(service: &Service, asked: &Asked<'_>, run: RunId, state: RunState) -> Result<Answer> {
    let material = service.material_of(asked.tenant, run).await?;
    let material = material.ok_or_else(|| Error::not_found("run", run))?;
    let error = service.run_error(asked.tenant, run).await?;
    let status = if state == RunState::Succeeded { 200 } else { 500 };
    let usual = Reply::json(status, &json!({ "event": material.event_id, "run": run, "state": state }));
    let reply = words(asked, &material, state, error.as_deref(), usual)?;
    Ok(Answer { reply, run: Some(run) })
}

fn words(
    asked: &Asked<'_>,
    material: &RunMaterial,
    state: RunState,
    error: Option<&str>,
    usual: Reply,
) -> Result<Reply> {
    let mut run_value = material.run_value();
    run_value["state"] = json!(state);
    run_value["error"] = json!(error);
    let values = Context {
        event: &material.event,
        inputs: &material.inputs,
        steps: &material.steps,
        vars: &material.vars,
        tenant: &asked.tenant.value,
        workflow: &material.live.value,
        run: &run_value,
        ..Context::default()
    };
    asked.hook.respond.reply(usual, &values).map_err(|error| failed(&error))
}

/// The event is accepted all the same: what could not be written is only the answer.
fn failed(error: &tenantry_workflow::ExpressionError) -> Error {
    Error::new(error.code(), format!("the event was taken, but the answer could not be made: {error}"))
}
