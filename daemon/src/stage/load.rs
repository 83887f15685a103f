//! Gathers what a handler needs, so that the stage itself needs no store.
//!
//! What was handed over in memory is used as it is; for a job that came from disk the same rows are read from which
//! the fast path made it. **Invariant:** nothing is written here. What is gone (purged, deleted) makes the job void,
//! not dead.

use std::sync::Arc;

use tenantry_protocol::state::StageName;

use super::action::payload::StepJob;
use crate::error::{Error, Result};
use crate::service::Service;
use crate::service::directory::Tenant;
use crate::service::events::{self, EventJob};
use crate::service::handover::HandedJob;
use crate::service::material::{EventMaterial, Material, NotificationMaterial, OutcomeRecord, RunMaterial};
use crate::service::notifications::NotificationJob;
use crate::store::tenant::{channels, notifications, runs};

/// Whether something must be read even for a job that was handed over: how the run before it ended.
pub fn is_incomplete(material: &Material) -> bool {
    matches!(material, Material::Record(record, run, None) if asks(record, run))
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
        (Some(material), _) => Some(material.clone()),
        (None, StageName::Trigger) => event(service, tenant, job).await?,
        (None, StageName::Action) => step(service, tenant, job).await?,
        (None, StageName::Logging) => record(service, tenant, job).await?,
        (None, StageName::Notification) => notification(service, tenant, job).await?,
    };
    match material {
        Some(Material::Record(record, run, None)) if asks(&record, &run) => {
            with_previous(service, tenant, record, run).await.map(Some)
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

async fn event(service: &Service, tenant: &Tenant, job: &HandedJob) -> Result<Option<Material>> {
    let payload: EventJob = serde_json::from_slice(&job.payload)
        .map_err(|error| Error::internal(format!("trigger payload: {error}")))?;
    let Some(event) = events::load(service, tenant.id, payload.event).await? else { return Ok(None) };
    let value = event.value().map_err(|error| Error::internal(error.to_string()))?;
    Ok(Some(Material::Event(EventMaterial { event: Arc::new(event), value })))
}

async fn run_of(service: &Service, tenant: &Tenant, job: &HandedJob) -> Result<Option<Arc<RunMaterial>>> {
    let id = job.run.ok_or_else(|| Error::internal("the job names no run"))?;
    service.material_of(tenant, id).await
}

async fn step(service: &Service, tenant: &Tenant, job: &HandedJob) -> Result<Option<Material>> {
    let payload = StepJob::decode(&job.payload)?;
    let position = usize::try_from(payload.step).unwrap_or(usize::MAX);
    let run = run_of(service, tenant, job).await?;
    Ok(run.map(|run| Material::Step(run, position)))
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
