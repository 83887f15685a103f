//! The event that the end of a run is for other workflows.

use std::sync::Arc;

use serde_json::json;
use tenantry_protocol::run::LogStream;
use tenantry_protocol::state::EventKind;
use tenantry_workflow::limits::MAX_EVENT_DEPTH;

use crate::service::event::Event;
use crate::service::material::{EventMaterial, Line, RunEnd, RunMaterial};

/// The event, or the log line that says why there is none.
pub(super) fn event(run: &RunMaterial, end: &RunEnd, now: i64) -> Result<EventMaterial, Line> {
    let refused = |text: String| Line { at: now, stream: LogStream::System, text };
    let depth = run.event_depth().saturating_add(1);
    if depth > MAX_EVENT_DEPTH {
        return Err(refused(format!(
            "starts no other workflow: {MAX_EVENT_DEPTH} events have followed from one another; \
             do workflows wait for each other's ends?"
        )));
    }
    let body = json!({
        "workflow": run.live.name,
        "workflow_id": run.live.id,
        "revision": run.live.revision,
        "run": run.id,
        "state": end.state,
        "error": end.error,
        "failed_step": end.failed_step,
        "outputs": end.outputs,
        "trigger": run.trigger,
        "created_at": run.created_at,
        "ended_at": end.at,
    });
    let event = Event::internal(EventKind::Workflow, run.live.name.clone(), &body, depth, now);
    let value = event.value().map_err(|error| refused(error.to_string()))?;
    Ok(EventMaterial { event: Arc::new(event), value })
}
