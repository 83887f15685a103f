//! `emit`: an event for the trigger stage of the same tenant.

use std::sync::Arc;

use serde_json::json;
use tenantry_protocol::state::EventKind;
use tenantry_workflow::EmitCall;
use tenantry_workflow::limits::MAX_EVENT_DEPTH;

use super::attempt::{Attempt, Done, Failure};
use crate::service::event::Event;
use crate::service::events::INLINE_LIMIT;
use crate::service::material::EventMaterial;

pub(super) fn emit(attempt: &Attempt<'_>, call: EmitCall) -> Result<Done, Failure> {
    let depth = attempt.run.event_depth().saturating_add(1);
    if depth > MAX_EVENT_DEPTH {
        let error = format!(
            "{MAX_EVENT_DEPTH} events have followed from one another; is this workflow its own cause?"
        );
        return Err(Failure::permanent(error));
    }
    let now = attempt.context.clock.now_ms();
    let event = Event::internal(EventKind::Emitted, call.name, &call.data, depth, now);
    if event.body.len() > INLINE_LIMIT {
        return Err(Failure::permanent(format!("an emitted event carries at most {INLINE_LIMIT} bytes")));
    }
    let value = event.value().map_err(|error| Failure::permanent(error.to_string()))?;
    let output = json!({ "output": { "event": event.id, "name": event.source } });
    let emitted = EventMaterial { event: Arc::new(event), value };
    Ok(Done { output, emitted: Some(emitted) })
}
