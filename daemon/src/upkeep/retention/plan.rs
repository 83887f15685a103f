//! How long what is kept, and which events jobs still wait for.

use std::sync::Arc;

use serde_json::Value;
use tenantry_protocol::id::EventId;
use tenantry_protocol::state::StageName;
use tenantry_workflow::Retention;

use crate::error::Result;
use crate::store::Database;
use crate::store::tenant::jobs;

/// Jobs of the trigger queue beyond which no event is forgotten: too many might need one.
const PENDING_LIMIT: u32 = 10_000;

/// How long runs and their log lines are kept, in milliseconds from their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keep {
    pub(super) runs_ms: i64,
    pub(super) logs_ms: i64,
}

impl Keep {
    /// What a workflow says wins.
    pub(super) fn with(self, retention: Retention) -> Self {
        let or = |own: Option<u64>, host: i64| own.map_or(host, |ms| i64::try_from(ms).unwrap_or(i64::MAX));
        Self { runs_ms: or(retention.runs_ms, self.runs_ms), logs_ms: or(retention.logs_ms, self.logs_ms) }
    }
}

/// The time before which something is too old. Never before the epoch.
pub(super) fn age(now: i64, keep_ms: i64) -> i64 {
    now.saturating_sub(keep_ms).max(0)
}

/// The events that jobs of the trigger queue are about; none if there are too many to tell.
pub(super) async fn pending_events(file: &Database, now: i64) -> Result<Option<Arc<Vec<EventId>>>> {
    let read = file.read(move |tx| jobs::payloads(tx, StageName::Trigger, now, PENDING_LIMIT));
    let payloads = read.await?;
    if payloads.len() >= PENDING_LIMIT as usize {
        return Ok(None);
    }
    let event = |payload: &Vec<u8>| {
        let payload: Value = serde_json::from_slice(payload).ok()?;
        payload.get("event")?.as_str()?.parse().ok()
    };
    Ok(Some(Arc::new(payloads.iter().filter_map(event).collect())))
}
