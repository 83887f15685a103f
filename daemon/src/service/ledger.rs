//! What one write transaction will tell the world once it has committed: jobs to hand over, changes for the feed,
//! counters. Whoever writes jobs or states does it through a ledger, so that nothing is visible before its commit.
//!
//! **Invariant:** a ledger that is dropped without [`Ledger::seal`] tells nothing and gives its slots back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tenantry_protocol::feed::Change;
use tenantry_protocol::id::{EventId, JobId, LeaseToken, RequestId, RunId, WorkflowId};
use tenantry_protocol::state::StageName;

use super::Service;
use super::directory::{Tally, Tenant, count};
use super::handover::{HandedJob, Slot};
use super::material::Material;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::store::tenant::jobs::{self, Lease, NewJob};
use crate::store::{WriteTx, audit};

/// Picks one counter of a tally.
pub type Counter = fn(&Tally) -> &AtomicU64;

/// A job to enqueue.
pub struct Enqueue<'a, P> {
    /// The queue.
    pub stage: StageName,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// Stored as JSON.
    pub payload: &'a P,
    /// What its handler needs, if it is at hand.
    pub material: Option<Material>,
    /// The handler's own time limit in milliseconds, where it may exceed what the stage's lease allows for.
    pub limit_ms: u64,
}

/// What one transaction will tell.
pub struct Ledger<'t> {
    /// The transaction.
    pub tx: &'t WriteTx<'t>,
    /// Whose file it is.
    pub tenant: Arc<Tenant>,
    /// The time of the transaction; unix milliseconds.
    pub now: i64,
    /// Joins what the transaction writes in the audit log.
    request: RequestId,
    service: Arc<Service>,
    handed: Vec<(Slot, HandedJob)>,
    due: Vec<(StageName, i64)>,
    stopped: Vec<(RunId, Vec<u32>)>,
    changes: Vec<Change>,
    counters: Vec<Counter>,
    queued: [i64; StageName::ALL.len()],
    event_waits: i64,
    /// Events of which those who wait for their results are told.
    decided: Vec<EventId>,
    followed: bool,
    ended_runs: Vec<WorkflowId>,
}

impl<'t> Ledger<'t> {
    /// An empty ledger.
    pub fn new(service: Arc<Service>, tenant: Arc<Tenant>, tx: &'t WriteTx<'t>) -> Self {
        let now = service.clock.now_ms();
        Self {
            tx,
            tenant,
            now,
            request: RequestId::new(now),
            followed: service.feed.is_followed(),
            service,
            handed: Vec::new(),
            due: Vec::new(),
            stopped: Vec::new(),
            changes: Vec::new(),
            counters: Vec::new(),
            queued: [0; StageName::ALL.len()],
            event_waits: 0,
            decided: Vec::new(),
            ended_runs: Vec::new(),
        }
    }

    /// Inserts a job: leased and handed over in memory if there is room, else ready on disk.
    pub fn enqueue<P: Serialize>(&mut self, job: Enqueue<'_, P>) -> Result<JobId> {
        let payload = serde_json::to_vec(job.payload).map_err(|error| Error::internal(error.to_string()))?;
        let id = JobId::new(self.now);
        let bytes = payload.len() + job.material.as_ref().map_or(0, Material::bytes);
        let slot = self.service.handover.reserve(job.stage, self.tenant.id, bytes);
        let limit = i64::try_from(job.limit_ms).unwrap_or(i64::MAX);
        let until = self.now.saturating_add(self.service.lease_ms(job.stage).max(limit));
        let lease = slot.is_some().then(|| Lease { token: LeaseToken::new(self.now), until });
        let row = NewJob {
            id,
            stage: job.stage,
            run_id: job.run,
            payload: &payload,
            available_at: self.now,
            created_at: self.now,
            lease,
        };
        let seq = jobs::insert(self.tx, &row)?;
        if let (Some(slot), Some(lease)) = (slot, lease) {
            let handed = HandedJob {
                tenant: self.tenant.id,
                seq,
                id,
                token: lease.token,
                lease_until: lease.until,
                attempt: 1,
                run: job.run,
                payload: payload.into(),
                material: job.material,
            };
            self.handed.push((slot, handed));
        }
        self.queued[job.stage as usize] += 1;
        Ok(id)
    }

    /// Inserts a job that is due later. It waits on disk.
    pub fn enqueue_later<P: Serialize>(
        &mut self,
        stage: StageName,
        run: Option<RunId>,
        payload: &P,
        at: i64,
    ) -> Result<JobId> {
        let payload =
            serde_json::to_vec(payload).map_err(|error| Error::internal(format!("job payload: {error}")))?;
        let id = JobId::new(self.now);
        let row = NewJob {
            id,
            stage,
            run_id: run,
            payload: &payload,
            available_at: at,
            created_at: self.now,
            lease: None,
        };
        jobs::insert(self.tx, &row)?;
        self.queued[stage as usize] += 1;
        self.due_at(stage, at);
        Ok(id)
    }

    /// Reads a payload of the tenant's `blobs/` at once.
    pub fn blob(&self, hash: &[u8; 32]) -> Result<Bytes> {
        self.service.store.get_blob_now(self.tenant.id, hash)
    }

    /// How long a lease of the stage holds beyond the handler's own time limit, in milliseconds.
    pub fn margin_ms(&self, stage: StageName) -> u64 {
        self.service.handover.lease_margin_ms(stage).unsigned_abs()
    }

    /// So many jobs of the stage's queue were settled, dropped or buried.
    pub fn ended(&mut self, stage: StageName, jobs: usize) {
        self.queued[stage as usize] -= i64::try_from(jobs).unwrap_or(i64::MAX);
    }

    /// A job that waited for a person or for the world counts among those of its stage's queue again.
    pub fn back_in_queue(&mut self, stage: StageName) {
        self.queued[stage as usize] += 1;
        self.due_at(stage, self.now);
    }

    /// A job on disk becomes due at this time; unix milliseconds.
    pub fn due_at(&mut self, stage: StageName, at: i64) {
        self.due.push((stage, at));
    }

    /// So many more steps wait for events.
    pub fn event_waits(&mut self, more: i64) {
        self.event_waits += more;
    }

    /// The handlers at work on these rows of a run are told to stop.
    pub fn stop_handlers(&mut self, run: RunId, rows: Vec<u32>) {
        if !rows.is_empty() {
            self.stopped.push((run, rows));
        }
    }

    /// Tells followers of the feed. The change is made only if there are any.
    pub fn change(&mut self, change: impl FnOnce() -> Change) {
        if self.followed {
            self.changes.push(change());
        }
    }

    /// What becomes of an event is decided: its run has ended, or it starts none.
    pub fn decided(&mut self, event: EventId) {
        if self.service.waiting.is_any() {
            self.decided.push(event);
        }
    }

    /// Counts one more.
    pub fn count(&mut self, counter: Counter) {
        self.counters.push(counter);
    }

    /// Appends an audit record in the name of a stage.
    pub fn audit(
        &self,
        actor: &str,
        verb: &str,
        resource: &str,
        outcome: &str,
        detail: &Value,
    ) -> Result<()> {
        let request_id = self.request;
        let record = audit::Record { at: self.now, actor, verb, resource, outcome, request_id, detail };
        audit::append(self.tx, &record)?;
        Ok(())
    }

    /// Appends an audit record about what a caller did.
    pub fn audit_by(&self, by: &Context, verb: &str, resource: &str, detail: &Value) -> Result<()> {
        self.audit_outcome(by, verb, resource, "ok", detail)
    }

    /// Appends an audit record about what a caller did or failed to do.
    pub fn audit_outcome(
        &self,
        by: &Context,
        verb: &str,
        resource: &str,
        outcome: &str,
        detail: &Value,
    ) -> Result<()> {
        let (actor, request_id) = (by.actor(), by.request);
        let record =
            audit::Record { at: self.now, actor: &actor, verb, resource, outcome, request_id, detail };
        audit::append(self.tx, &record)?;
        Ok(())
    }

    /// A run of the workflow has ended: whatever waited for that is looked at.
    pub fn run_ended(&mut self, workflow: WorkflowId) {
        self.ended_runs.push(workflow);
    }

    /// Whose service it is: for what else the commit shall tell.
    pub const fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Hands everything to the commit.
    pub fn seal(self) {
        let Self {
            tx,
            tenant,
            now,
            service,
            handed,
            due,
            stopped,
            changes,
            counters,
            queued,
            event_waits,
            decided,
            ended_runs,
            ..
        } = self;
        tx.on_commit(move || {
            // Before anything new is handed over, so that a handler that begins now is not meant.
            for (run, rows) in stopped {
                service.running.cancel(run, &rows);
            }
            for (slot, job) in handed {
                slot.fill(job);
            }
            for (stage, at) in due {
                service.handover.due_at(stage, tenant.id, at);
            }
            for counter in counters {
                count(counter(&tenant.tally));
            }
            for (waiting, more) in tenant.tally.waiting.iter().zip(queued) {
                if more != 0 {
                    waiting.fetch_add(more, Ordering::Relaxed);
                }
            }
            if event_waits != 0 {
                tenant.tally.event_waits.fetch_add(event_waits, Ordering::Relaxed);
            }
            for event in decided {
                service.waiting.tell(event);
            }
            for workflow in ended_runs {
                service.schedules.run_ended(tenant.id, workflow);
                service.files.run_ended(tenant.id);
            }
            if !changes.is_empty() {
                service.feed.publish(now, Some(tenant.id), changes);
            }
        });
    }
}
