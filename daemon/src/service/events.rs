//! Events: accepted, emitted, read. Accepting is the one door through which work enters.
//!
//! **Invariant:** an event is acknowledged only after the commit that made it and its job durable.
//! **Invariant:** deduplication happens in that same transaction.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::feed::Change;
use tenantry_protocol::id::{EventId, RunId, TenantId, WorkflowId};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::{Permission, is_name};
use tenantry_protocol::run::{Accepted, EventEmit, EventView};
use tenantry_protocol::state::{EventKind, StageName, TenantState};

use super::directory::{Tenant, count};
use super::event::Event;
use super::ledger::{Enqueue, Ledger};
use super::material::{EventMaterial, Material};
use super::prompt::Starts;
use super::trigger_job::TriggerJob;
use super::{Authorized, Service, cursor};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::store::PAGE_LIMIT;
use crate::store::tenant::dedupe::{self, Claim};
use crate::store::tenant::events::{self, Body, NewEvent};
use crate::store::tenant::runs;

/// How long an idempotency key of the API is remembered, in milliseconds.
pub const IDEMPOTENCY_TTL_MS: i64 = 24 * 60 * 60 * 1_000;
/// Bodies above this size lie in `blobs/`, not in the row.
pub const INLINE_LIMIT: usize = 64 * 1024;
/// The longest name of an emitted event.
const NAME_LIMIT: usize = 128;

/// The run of a workflow that an event starts. An event starts at most one, so both ids together name it: whoever
/// starts a workflow by hand is told the id before the run exists, and a trigger job that is tried again finds what
/// it has started. The time of the event stays in front, so that runs sort by age.
pub fn run_of(event: EventId, workflow: WorkflowId) -> RunId {
    let mut bytes = *event.as_bytes();
    // Random bits of two UUIDv7; the positions of version and variant (RFC 9562 §5.7) are left alone.
    for (index, byte) in workflow.as_bytes().iter().enumerate().skip(7) {
        let mask = if index == 8 { 0x3f } else { 0xff };
        bytes[index] ^= byte & mask;
    }
    RunId::from_bytes(bytes)
}

/// The event that started a run of the workflow: [`run_of`] the other way round.
pub fn event_of(run: RunId, workflow: WorkflowId) -> EventId {
    EventId::from_bytes(*run_of(EventId::from_bytes(*run.as_bytes()), workflow).as_bytes())
}

/// By what a repeat is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DedupeKey {
    /// SHA-256 over where the key counts and its text.
    pub hash: [u8; 32],
    /// How long it is remembered, in milliseconds.
    pub ttl_ms: i64,
}

impl DedupeKey {
    /// A key within a scope, such as a webhook's path.
    pub fn new(scope: &str, key: &str, ttl_ms: i64) -> Self {
        let text = format!("{}:{scope}:{key}", scope.len());
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self { hash, ttl_ms }
    }
}

/// An event at the door.
#[derive(Clone, Debug)]
pub struct Arriving {
    /// The event; its body is what its content type says.
    pub event: Arc<Event>,
    /// Its value, where it was needed already. Whoever handles the event makes it otherwise: a flood that queues up on
    /// disk is read again anyhow.
    pub value: Option<Arc<Value>>,
    /// By what a repeat is recognised, if it can be.
    pub dedupe: Option<DedupeKey>,
}

impl Arriving {
    /// What its job takes along.
    fn material(&self) -> Material {
        let event = Arc::clone(&self.event);
        match &self.value {
            Some(value) => Material::Event(EventMaterial { event, value: Arc::clone(value) }),
            None => Material::Unread(event),
        }
    }
}

impl Service {
    /// Makes an event durable and hands it to the trigger stage. Refuses when the tenant is suspended or its queue
    /// is at its quota; a repeat answers with the first event's id.
    pub async fn accept(
        self: &Arc<Self>,
        context: &Context,
        tenant: &Arc<Tenant>,
        arriving: Arriving,
    ) -> Result<Accepted> {
        self.admit(tenant)?;
        let blob = self.store_body(tenant.id, &arriving.event).await?;
        let starts = self.prompt(tenant, &arriving).await;
        let is_prompt = starts.is_some();
        match self.insert(context, tenant, arriving.clone(), blob, starts).await {
            // A mistake of ours in what it starts must not cost the event.
            Err(error) if is_prompt && error.code() == ErrorCode::Internal => {
                tracing::error!(tenant = %tenant.id, operator = error.operator_line(), "prompt start failed");
                self.insert(context, tenant, arriving, blob, None).await
            }
            accepted => accepted,
        }
    }

    /// Writes the event with what it starts, or with a job of the trigger queue.
    async fn insert(
        self: &Arc<Self>,
        context: &Context,
        tenant: &Arc<Tenant>,
        arriving: Arriving,
        blob: Option<[u8; 32]>,
        starts: Option<Starts>,
    ) -> Result<Accepted> {
        let queued = arriving.material();
        let Arriving { event, dedupe, .. } = arriving;
        let file = self.store.tenant(tenant.id)?;
        let (service, entry, context) = (Arc::clone(self), Arc::clone(tenant), context.clone());
        let accepted = file.write_again(StageName::Trigger, move |tx| {
            let mut ledger = Ledger::new(Arc::clone(&service), Arc::clone(&entry), tx);
            let id = event.id;
            if let Some(key) = &dedupe {
                let expires = ledger.now.saturating_add(key.ttl_ms);
                if let Claim::Seen(first) = dedupe::claim(tx, &key.hash, id, ledger.now, expires)? {
                    ledger.count(|tally| &tally.events_duplicate);
                    ledger.seal();
                    return Ok(Accepted { event: first, run: None, duplicate: true });
                }
            }
            let actor = context.actor();
            if let Some(starts) = &starts {
                insert_accepted(&mut ledger, &event, blob, &actor)?;
                if !starts(&mut ledger)? {
                    ledger.decided(id);
                }
            } else {
                insert_queued(&mut ledger, &event, queued.clone(), blob, &actor)?;
            }
            let detail = json!({ "kind": event.kind, "source": event.source });
            ledger.audit_by(&context, "event.accept", &id.to_string(), &detail)?;
            ledger.seal();
            Ok(Accepted { event: id, run: None, duplicate: false })
        });
        accepted.await
    }

    /// Whether the tenant takes events at present.
    pub fn admit(&self, tenant: &Tenant) -> Result<()> {
        let name = &tenant.name;
        match tenant.state {
            TenantState::Active => {}
            TenantState::Suspended => {
                return Err(Error::new(ErrorCode::TenantSuspended, format!("tenant {name} is suspended")));
            }
            TenantState::Quarantined => {
                return Err(Error::new(
                    ErrorCode::TenantQuarantined,
                    format!("tenant {name} is quarantined"),
                ));
            }
        }
        if self.draining() {
            return Err(Error::new(ErrorCode::Draining, "the daemon is stopping").with_retry_after(1));
        }
        let default = self.config.tenant_defaults.queue_quota as u64;
        let quota = tenant.limits.queue_quota.map_or(default, u64::from);
        // Every stage counts: a slow receiver fills the action queue, and what it cannot take must not be accepted.
        for (stage, waiting) in StageName::ALL.iter().zip(&tenant.tally.waiting) {
            let waiting = waiting.load(Ordering::Relaxed);
            if u64::try_from(waiting).unwrap_or_default() >= quota {
                count(&tenant.tally.events_refused);
                let detail =
                    format!("tenant {name} has {waiting} {stage} jobs waiting, its quota is {quota}");
                return Err(Error::new(ErrorCode::QueueFull, detail).with_retry_after(1));
            }
        }
        Ok(())
    }

    /// A body that is large or no text becomes a blob before the row that names it.
    pub(super) async fn store_body(&self, tenant: TenantId, event: &Event) -> Result<Option<[u8; 32]>> {
        if event.body.len() <= INLINE_LIMIT && !event.is_binary() {
            return Ok(None);
        }
        self.store.put_blob(tenant, event.body.clone()).await.map(Some)
    }

    /// Emits an event in the name of a principal.
    pub async fn emit_event(self: &Arc<Self>, by: &Authorized, emit: EventEmit) -> Result<Accepted> {
        let tenant = by.require_tenant(Permission::EventEmit)?;
        let EventEmit { name, data, idempotency_key } = emit;
        check_event_name(&name)?;
        let dedupe = idempotency_key.map(|key| DedupeKey::new("emit", &key, IDEMPOTENCY_TTL_MS));
        let EventMaterial { event, value } = self.internal_event(EventKind::Emitted, name, &data)?;
        self.accept(&by.context, tenant, Arriving { event, value: Some(value), dedupe }).await
    }

    /// An event that did not come over HTTP.
    pub(super) fn internal_event(
        &self,
        kind: EventKind,
        source: String,
        body: &Value,
    ) -> Result<EventMaterial> {
        let event = Event::internal(kind, source, body, 0, self.clock.now_ms());
        let value = event.value().map_err(|error| Error::internal(error.to_string()))?;
        Ok(EventMaterial { event: Arc::new(event), value })
    }

    /// Lists events, newest first.
    pub async fn list_events(&self, by: &Authorized, query: &PageQuery) -> Result<Page<EventView>> {
        let tenant = by.require_tenant(Permission::EventRead)?;
        let (after, size) = (cursor::id(query.after.as_deref())?, query.size());
        let rows = self.store.tenant(tenant.id)?.read(move |tx| events::list(tx, after, size)).await?;
        Ok(cursor::page(rows, size, |row| row.id.to_string(), |row| self.event_view(tenant.id, row)))
    }

    /// The runs that an event has started, and their repetitions.
    async fn runs_of(&self, tenant: &Tenant, event: EventId) -> Result<Vec<RunId>> {
        self.store.tenant(tenant.id)?.read(move |tx| runs::of_event(tx, event, PAGE_LIMIT)).await
    }

    fn event_view(&self, tenant: TenantId, row: events::Event) -> EventView {
        let body_bytes = match &row.body {
            Body::None => 0,
            Body::Blob(hash) => self.store.blob_bytes(tenant, hash),
            Body::Inline(bytes) => bytes.len() as u64,
        };
        EventView {
            id: row.id,
            kind: row.kind,
            source: row.source,
            received_at: row.received_at,
            body_bytes,
            runs: Vec::new(),
            content: None,
        }
    }

    /// Shows an event with its content and its runs.
    pub async fn get_event(&self, by: &Authorized, id: &str) -> Result<EventView> {
        let tenant = by.require_tenant(Permission::EventRead)?;
        let id = cursor::parse::<EventId>(id, "event")?;
        let event = load(self, tenant.id, id).await?.ok_or_else(|| Error::not_found("event", id))?;
        let runs = self.runs_of(tenant, id).await?;
        let content = event.value().map_err(|error| Error::internal(error.to_string()))?;
        Ok(EventView {
            id,
            kind: event.kind,
            source: event.source.clone(),
            received_at: event.received_at,
            body_bytes: event.body.len() as u64,
            runs,
            content: Some(Value::clone(&content)),
        })
    }
}

/// Names joined by dots: `invoice.paid`.
fn check_event_name(name: &str) -> Result<()> {
    if name.len() <= NAME_LIMIT && name.split('.').all(is_name) {
        return Ok(());
    }
    let shown = cursor::shown(name);
    Err(Error::new(ErrorCode::BadIdentifier, format!("{shown:?} is no name of an event"))
        .with_hint("names joined by dots, such as invoice.paid"))
}

/// Inserts an event and its job into a transaction. `blob` names its body if that lies outside of the row.
pub fn insert_event(ledger: &mut Ledger<'_>, material: &EventMaterial, blob: Option<[u8; 32]>) -> Result<()> {
    let actor = if material.event.kind == EventKind::Workflow { "system:logging" } else { "system:action" };
    insert_event_by(ledger, material, blob, actor)
}

/// Inserts an event that somebody brought, and its job.
pub fn insert_event_by(
    ledger: &mut Ledger<'_>,
    material: &EventMaterial,
    blob: Option<[u8; 32]>,
    actor: &str,
) -> Result<()> {
    insert_queued(ledger, &material.event, Material::Event(material.clone()), blob, actor)
}

fn insert_queued(
    ledger: &mut Ledger<'_>,
    event: &Event,
    material: Material,
    blob: Option<[u8; 32]>,
    actor: &str,
) -> Result<()> {
    insert_accepted(ledger, event, blob, actor)?;
    ledger.enqueue(Enqueue {
        stage: StageName::Trigger,
        run: None,
        payload: &TriggerJob::event(event.id),
        material: Some(material),
        limit_ms: 0,
    })?;
    Ok(())
}

fn insert_accepted(
    ledger: &mut Ledger<'_>,
    event: &Event,
    blob: Option<[u8; 32]>,
    actor: &str,
) -> Result<()> {
    insert_row(ledger, event, blob, actor)?;
    ledger.count(|tally| &tally.events_accepted);
    ledger.change(|| Change::Event { event: event.id, source: event.source.clone() });
    Ok(())
}

/// Inserts an event without a job: the one of a batch, whose run begins with it.
pub fn insert_row(ledger: &Ledger<'_>, event: &Event, blob: Option<[u8; 32]>, actor: &str) -> Result<()> {
    let body = match blob {
        Some(hash) => Body::Blob(hash),
        None if event.body.is_empty() => Body::None,
        None => Body::Inline(&event.body[..]),
    };
    let row = NewEvent {
        id: event.id,
        kind: event.kind,
        source: &event.source,
        method: event.method.as_deref(),
        content_type: event.content_type.as_deref(),
        headers: &event.headers,
        query: event.query.as_deref(),
        body,
        received_at: event.received_at,
        depth: event.depth,
        actor: Some(actor),
    };
    events::insert(ledger.tx, &row)
}

/// Reads an event with its body.
pub async fn load(service: &Service, tenant: TenantId, id: EventId) -> Result<Option<Event>> {
    let file = service.store.tenant(tenant)?;
    let Some(row) = file.read(move |tx| events::get(tx, id)).await? else { return Ok(None) };
    match row.body {
        Body::Blob(hash) => {
            let body = service.store.get_blob(tenant, hash).await?;
            Ok(Some(Event::recorded(row, Some(body))))
        }
        Body::None | Body::Inline(_) => Ok(Some(Event::recorded(row, None))),
    }
}

/// Reads an event with its body, inside of a transaction.
pub(crate) fn load_now(ledger: &Ledger<'_>, id: EventId) -> Result<Option<Event>> {
    let Some(row) = events::get(ledger.tx, id)? else { return Ok(None) };
    let body = match row.body {
        Body::Blob(hash) => Some(ledger.blob(&hash)?),
        Body::None | Body::Inline(_) => None,
    };
    Ok(Some(Event::recorded(row, body)))
}
