//! `emit`: an event for the trigger stage of the same tenant.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tenantry_protocol::id::EventId;
use tenantry_protocol::state::EventKind;
use tenantry_workflow::EmitCall;

use super::attempt::{Attempt, Done, Failure};
use crate::service::event::Event;
use crate::service::events::INLINE_LIMIT;
use crate::service::material::EventMaterial;

/// How many emitted events may follow from one another: a workflow that starts itself ends here.
const CHAIN_LIMIT: u64 = 32;
/// The header field of an emitted event that counts the chain.
const CHAIN: &str = "tenantry-chain";

pub(super) fn emit(attempt: &Attempt<'_>, call: EmitCall) -> Result<Done, Failure> {
    let before = attempt.run.event["headers"][CHAIN].as_str().and_then(|text| text.parse::<u64>().ok());
    let chain = before.unwrap_or_default() + 1;
    if chain > CHAIN_LIMIT {
        let error =
            format!("{CHAIN_LIMIT} events have followed from one another; is this workflow its own cause?");
        return Err(Failure::permanent(error));
    }
    let body = Bytes::from(call.data.to_string());
    if body.len() > INLINE_LIMIT {
        return Err(Failure::permanent(format!("an emitted event carries at most {INLINE_LIMIT} bytes")));
    }
    let now = attempt.context.clock.now_ms();
    let event = Event {
        id: EventId::new(now),
        kind: EventKind::Emitted,
        source: call.name,
        content_type: Some("application/json".to_owned()),
        headers: json!({ CHAIN: chain.to_string() }).to_string(),
        query: None,
        body,
        received_at: now,
    };
    let value = event.value().map_err(|error| Failure::permanent(error.to_string()))?;
    let output = json!({ "output": { "event": event.id, "name": event.source } });
    let emitted = EventMaterial { event: Arc::new(event), value };
    Ok(Done { output, emitted: Some(emitted) })
}
