//! By what a repeated webhook is recognised.

use std::sync::Arc;

use serde_json::Value;
use tenantry_protocol::error::ErrorCode;
use tenantry_workflow::{Context, WebhookTrigger};

use super::verify::Verified;
use crate::error::{Error, Result};
use crate::service::event::{Event, sha256_hex};
use crate::service::events::DedupeKey;

/// How long a sender's own delivery id is remembered where the trigger says nothing else, in milliseconds.
const DELIVERY_TTL_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// The trigger's own key, else the sender's delivery id, else what was signed together with its time: within the replay
/// window the same request again is a repeat.
pub(super) fn key_of(
    hook: &WebhookTrigger,
    verified: &Verified,
    event: &Event,
    value: Option<&Arc<Value>>,
) -> Result<Option<DedupeKey>> {
    let scope = format!("hook:{}", hook.path);
    let Some(dedupe) = &hook.dedupe else {
        if let Some(id) = &verified.delivery_id {
            return Ok(Some(DedupeKey::new(&scope, id, DELIVERY_TTL_MS)));
        }
        let window_ms = i64::try_from(hook.verify.tolerance_ms).unwrap_or(i64::MAX).saturating_mul(2);
        return Ok(verified.timestamp_ms.map(|signed_ms| {
            let body = sha256_hex(&event.body);
            DedupeKey::new(&scope, &format!("{signed_ms}:{body}"), window_ms)
        }));
    };
    let value = value.ok_or_else(|| Error::internal("an event without its value"))?;
    let values = Context { event: value, ..Context::default() };
    let key = dedupe.key.text(&values).map_err(|error| {
        Error::new(ErrorCode::ExpressionFailed, format!("dedupe.key: {error}"))
            .with_hint("the event has no such field; senders and workflow disagree")
    })?;
    Ok(Some(DedupeKey::new(&scope, &key, i64::try_from(dedupe.ttl_ms).unwrap_or(i64::MAX))))
}
