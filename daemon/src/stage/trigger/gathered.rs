//! Events that have waited for others: the last of a debounce, all of a batch.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{JobContext, inputs_of, reject};
use crate::service::catalog::TenantCatalog;
use crate::service::event::{BATCH_TYPE, Event};
use crate::service::material::{EventMaterial, GatheredMaterial};
use crate::stage::outcome::{Effect, Outcome, StartGathered};
use crate::store::tenant::gatherings::{Gathering, Kind};

/// Starts the run, or looks again when it is due.
pub(super) fn start(context: &JobContext, gathered: &GatheredMaterial, catalog: &TenantCatalog) -> Outcome {
    let gathering = &gathered.gathering;
    if gathering.open && gathering.due_at > context.clock.now_ms() {
        return Outcome::Snooze { until: gathering.due_at };
    }
    let event = match (gathering.kind, gathered.events.as_slice()) {
        (_, []) => None,
        (Kind::Debounce, [.., last]) => Some((last.clone(), None)),
        (Kind::Batch, events) => match batch(gathering, events, context.clock.now_ms()) {
            Ok(batch) => Some((batch.clone(), Some(batch))),
            Err(error) => return reject(error, vec![Effect::CloseGathered(gathering.id)]),
        },
    };
    let (Some(live), Some((event, stored))) = (&gathered.live, event) else {
        let dropped = StartGathered { gathering: gathering.clone(), event: None, start: None };
        return Outcome::Done(vec![Effect::StartGathered(Box::new(dropped))]);
    };
    let inputs = inputs_of(&event, live);
    match super::start(&context.tenant, &event, live, &catalog.vars, inputs) {
        Ok(start) => {
            let start = StartGathered { gathering: gathering.clone(), event: stored, start: Some(start) };
            Outcome::Done(vec![Effect::StartGathered(Box::new(start))])
        }
        Err(error) => {
            let close = Effect::CloseGathered(gathering.id);
            reject(format!("workflow {}: {error}", live.name), vec![close])
        }
    }
}

/// The event of a batch. It is as the first of them was, and its body holds the values of all.
fn batch(gathering: &Gathering, events: &[EventMaterial], now: i64) -> Result<EventMaterial, String> {
    let Some(first) = events.first() else { return Err("the batch is empty".to_owned()) };
    let items: Vec<&Value> = events.iter().map(|event| &*event.value).collect();
    let event = Event {
        id: gathering.id,
        kind: first.event.kind,
        source: first.event.source.clone(),
        content_type: Some(BATCH_TYPE.to_owned()),
        method: None,
        headers: "{}".to_owned(),
        query: None,
        body: Bytes::from(json!({ "items": items }).to_string()),
        received_at: now,
        depth: events.iter().map(|event| event.event.depth).max().unwrap_or_default(),
    };
    let value = event.value().map_err(|error| error.to_string())?;
    Ok(EventMaterial { event: Arc::new(event), value })
}
