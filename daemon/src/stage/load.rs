//! Gathers what a handler needs, so that the stage itself needs no store.
//!
//! What was handed over in memory is used as it is; for a job that came from disk the same rows are read from which
//! the fast path made it. **Invariant:** nothing is written here. What is gone (purged, deleted) makes the job void,
//! not dead.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tenantry_protocol::id::EventId;
use tenantry_protocol::state::{EventKind, StageName};
use tenantry_workflow::limits::MAX_BATCH_SIZE;

use crate::error::{Error, Result};
use crate::service::Service;
use crate::service::directory::Tenant;
use crate::service::event::Event;
use crate::service::events;
use crate::service::handover::HandedJob;
use crate::service::material::{
    EventMaterial, GatheredMaterial, Material, NotificationMaterial, OutcomeRecord, RunMaterial,
};
use crate::service::notifications::NotificationJob;
use crate::service::step_job::StepJob;
use crate::service::trigger_job::TriggerJob;
use crate::store::tenant::{channels, gatherings, notifications, runs, waiters};

/// How many steps one event can wake.
const WAITERS_LIMIT: u32 = 1_000;

/// Whether something must be read even for a job that was handed over: how the run before it ended, or which steps
/// wait for the event.
pub fn is_incomplete(tenant: &Tenant, material: &Material) -> bool {
    match material {
        Material::Record(record, run, None) => asks(record, run),
        Material::Event(event) => may_be_awaited(tenant, event),
        Material::Unread(_) => true,
        _ => false,
    }
}

/// Read after the event has been committed: a step that waits since before is found.
fn may_be_awaited(tenant: &Tenant, event: &EventMaterial) -> bool {
    event.event.kind == EventKind::Emitted && tenant.tally.event_waits.load(Ordering::Relaxed) > 0
}

fn asks(record: &OutcomeRecord, run: &RunMaterial) -> bool {
    record.run_end.is_some() && run.live.asks_previous
}

/// The material of a job; none if what it is about is gone.
pub async fn material(
    service: &Service,
    tenant: &Tenant,
    stage: StageName,
    job: &HandedJob,
) -> Result<Option<Material>> {
    let material = match (&job.material, stage) {
        (Some(Material::Unread(event)), _) => Some(Material::Event(read(Arc::clone(event))?)),
        (Some(material), _) => Some(material.clone()),
        (None, StageName::Trigger) => trigger(service, tenant, job).await?,
        (None, StageName::Action) => step(service, tenant, job).await?,
        (None, StageName::Logging) => record(service, tenant, job).await?,
        (None, StageName::Notification) => notification(service, tenant, job).await?,
    };
    match material {
        Some(Material::Record(record, run, None)) if asks(&record, &run) => {
            with_previous(service, tenant, record, run).await.map(Some)
        }
        Some(Material::Event(event)) if may_be_awaited(tenant, &event) => {
            let name = event.event.source.clone();
            let read =
                service.store.tenant(tenant.id)?.read(move |tx| waiters::of_event(tx, &name, WAITERS_LIMIT));
            Ok(Some(Material::Awaited(event, read.await?)))
        }
        other => Ok(other),
    }
}

/// Adds how the workflow's run before this one ended.
async fn with_previous(
    service: &Service,
    tenant: &Tenant,
    record: Arc<OutcomeRecord>,
    run: Arc<RunMaterial>,
) -> Result<Material> {
    let (workflow, id) = (run.live.id, run.id);
    let read = service.store.tenant(tenant.id)?.read(move |tx| runs::last_outcome(tx, workflow, id));
    Ok(Material::Record(record, run, read.await?))
}

async fn trigger(service: &Service, tenant: &Tenant, job: &HandedJob) -> Result<Option<Material>> {
    let payload = TriggerJob::decode(&job.payload)?;
    match payload {
        TriggerJob { turn: Some(turn), slot, .. } => {
            let run = run_of(service, tenant, job).await?;
            Ok(run.map(|run| Material::Turn(turn, slot, run)))
        }
        TriggerJob { gathering: Some(id), .. } => {
            let gathered = gathered(service, tenant, id).await?;
            Ok(gathered.map(|gathered| Material::Gathered(Arc::new(gathered))))
        }
        TriggerJob { event: Some(id), .. } => Ok(event(service, tenant, id).await?.map(Material::Event)),
        TriggerJob { event: None, .. } => Err(Error::internal("the trigger payload says nothing")),
    }
}

async fn event(service: &Service, tenant: &Tenant, id: EventId) -> Result<Option<EventMaterial>> {
    let event = events::load(service, tenant.id, id).await?;
    event.map(|event| read(Arc::new(event))).transpose()
}

/// An event with its value. Its body was looked at before it was accepted.
fn read(event: Arc<Event>) -> Result<EventMaterial> {
    let value = event.value().map_err(|error| Error::internal(error.to_string()))?;
    Ok(EventMaterial { event, value })
}

/// Gathered events with the workflow that waits for them.
async fn gathered(service: &Service, tenant: &Tenant, id: EventId) -> Result<Option<GatheredMaterial>> {
    let read = service.store.tenant(tenant.id)?.read(move |tx| {
        let Some(gathering) = gatherings::get(tx, id)? else { return Ok(None) };
        Ok(Some((gathering, gatherings::events(tx, id, MAX_BATCH_SIZE)?)))
    });
    let Some((gathering, ids)) = read.await? else { return Ok(None) };
    let catalog = service.catalog.of(tenant.id).await?;
    let live = catalog.workflows.values().find(|live| live.id == gathering.workflow_id).cloned();
    let mut events = Vec::new();
    for id in ids {
        events.extend(event(service, tenant, id).await?);
    }
    Ok(Some(GatheredMaterial { gathering, live, events }))
}

async fn run_of(service: &Service, tenant: &Tenant, job: &HandedJob) -> Result<Option<Arc<RunMaterial>>> {
    let id = job.run.ok_or_else(|| Error::internal("the job names no run"))?;
    service.material_of(tenant, id).await
}

async fn step(service: &Service, tenant: &Tenant, job: &HandedJob) -> Result<Option<Material>> {
    let payload = StepJob::decode(&job.payload)?;
    let run = run_of(service, tenant, job).await?;
    Ok(run.map(|run| Material::Step(run, payload)))
}

async fn record(service: &Service, tenant: &Tenant, job: &HandedJob) -> Result<Option<Material>> {
    let record: OutcomeRecord = serde_json::from_slice(&job.payload)
        .map_err(|error| Error::internal(format!("logging payload: {error}")))?;
    let run = run_of(service, tenant, job).await?;
    Ok(run.map(|run| Material::Record(Arc::new(record), run, None)))
}

async fn notification(service: &Service, tenant: &Tenant, job: &HandedJob) -> Result<Option<Material>> {
    let payload = NotificationJob::decode(&job.payload)?;
    let read = service.store.tenant(tenant.id)?.read(move |tx| {
        let Some(row) = notifications::get(tx, payload.notification)? else { return Ok(None) };
        Ok(channels::get(tx, row.channel_id)?.map(|channel| (row, channel)))
    });
    let Some((row, channel)) = read.await? else { return Ok(None) };
    Ok(Some(Material::Notification(Arc::new(NotificationMaterial {
        id: row.id,
        channel: Arc::new(channel),
        run: row.run_id,
        title: row.title,
        body: row.body,
        created_at: row.created_at,
    }))))
}
