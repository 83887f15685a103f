//! Sends log lines on while a handler still works: each batch is a durable job of the logging stage.

use std::sync::Arc;

use tenantry_protocol::state::StageName;

use crate::error::Result;
use crate::service::Service;
use crate::service::handover::HandedJob;
use crate::service::ledger::{Enqueue, Ledger};
use crate::service::material::{Line, Material, OutcomeRecord, RECORD_VERSION};
use crate::service::step_job::StepJob;

/// Sends a batch on. If it cannot be written the batch is lost, and the telemetry says so: the handler's outcome
/// matters more than its chatter.
pub async fn send_on(service: &Arc<Service>, job: &HandedJob, lines: Vec<Line>) {
    let count = lines.len();
    if let Err(error) = write(service, job, lines).await {
        tracing::warn!(job = %job.id, lines = count, code = %error.code(), "log lines were lost");
    }
}

async fn write(service: &Arc<Service>, job: &HandedJob, lines: Vec<Line>) -> Result<()> {
    let (Some(tenant), Some(run)) = (service.directory.get(job.tenant), job.run) else { return Ok(()) };
    let step = StepJob::decode(&job.payload)?.step;
    let (first, last) = (lines.first().map_or(0, |line| line.at), lines.last().map_or(0, |line| line.at));
    let record = Arc::new(OutcomeRecord {
        v: RECORD_VERSION,
        step: Some(step),
        attempt: job.attempt,
        outcome: String::new(),
        error: None,
        started_at: first,
        ended_at: last,
        lines,
        run_end: None,
    });
    let material = match &job.material {
        Some(Material::Step(run, _)) => Some(Material::Record(Arc::clone(&record), Arc::clone(run), None)),
        _ => None,
    };
    let file = service.store.tenant(job.tenant)?;
    let service = Arc::clone(service);
    file.write_again(StageName::Logging, move |tx| {
        let mut ledger = Ledger::new(Arc::clone(&service), Arc::clone(&tenant), tx);
        let (stage, material) = (StageName::Logging, material.clone());
        ledger.enqueue(Enqueue { stage, run: Some(run), payload: &*record, material, limit_ms: 0 })?;
        ledger.seal();
        Ok(())
    })
    .await
}
