//! Handing jobs over in memory after their commit, so that no stage reads back what was just written.
//!
//! The durable row is the truth; this is the fast path. Whoever inserts a job asks for a [`Slot`] inside the write
//! transaction. With a slot the row is born leased and the job is put into the slot when the commit has
//! succeeded; without one the row is born ready, stays on disk, and the stage's feeder claims it later.
//!
//! **Invariant:** a job is in memory only after its commit. **Invariant:** memory is bounded (`memory-jobs`,
//! `memory-bytes` of each stage); the disk is the overflow.
//! Go next to [`lanes`] for the order in which tenants are served and to `stage::driver` for who takes jobs.

mod lanes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenantry_protocol::id::{JobId, LeaseToken, RunId, TenantId};
use tenantry_protocol::state::StageName;
use tokio::sync::Notify;

use self::lanes::{LaneLimits, Lanes};
use super::material::Material;
use crate::config::{Stage, Stages};

/// A leased job in memory.
#[derive(Debug)]
pub struct HandedJob {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its row.
    pub seq: i64,
    /// Its public id.
    pub id: JobId,
    /// The fence: settling with another token changes nothing.
    pub token: LeaseToken,
    /// When the lease lapses; unix milliseconds.
    pub lease_until: i64,
    /// Counted from 1.
    pub attempt: u32,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// As stored.
    pub payload: Arc<[u8]>,
    /// What the handler needs besides the payload, if whoever made the job had it at hand.
    pub material: Option<Material>,
}

/// The hand-over of all four stages. Cheap to clone.
#[derive(Clone)]
pub struct Handover {
    stages: Arc<[StageLanes; 4]>,
}

struct StageLanes {
    lanes: Mutex<Lanes<TenantId, HandedJob>>,
    margin_ms: i64,
    /// A job was pushed, or a tenant fell below its ceiling.
    nudge: Notify,
    /// A lane wants a refill, or a due time was added.
    feeder: Notify,
}

/// Room for one job in memory. Dropped unused, it gives the room back.
pub struct Slot {
    handover: Handover,
    stage: StageName,
    tenant: TenantId,
    bytes: usize,
    used: bool,
}

impl Slot {
    /// Puts the job into its slot. Call it from the commit hook of the transaction that inserted the row.
    pub fn fill(mut self, job: HandedJob) {
        self.used = true;
        let stage = self.handover.stage(self.stage);
        stage.lock().push(self.tenant, job, self.bytes);
        stage.nudge.notify_one();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.used {
            self.handover.stage(self.stage).lock().unreserve(self.tenant, self.bytes);
        }
    }
}

impl StageLanes {
    fn of(stage: &Stage) -> Self {
        let limits = LaneLimits {
            jobs: stage.memory_jobs,
            bytes: stage.memory_bytes.as_usize(),
            ceiling: stage.tenant_ceiling,
        };
        Self {
            lanes: Mutex::new(Lanes::new(limits)),
            margin_ms: i64::try_from(stage.lease_margin.as_millis()).unwrap_or(i64::MAX),
            nudge: Notify::new(),
            feeder: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes<TenantId, HandedJob>> {
        // A panic inside the pure bookkeeping would be a bug; the lanes stay usable after it.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handover {
    /// Empty lanes with the limits of the configuration.
    pub fn new(stages: &Stages) -> Self {
        let all = [&stages.trigger, &stages.action, &stages.logging, &stages.notification];
        Self { stages: Arc::new(all.map(StageLanes::of)) }
    }

    fn stage(&self, stage: StageName) -> &StageLanes {
        let [trigger, action, logging, notification] = &*self.stages;
        match stage {
            StageName::Trigger => trigger,
            StageName::Action => action,
            StageName::Logging => logging,
            StageName::Notification => notification,
        }
    }

    /// How long a lease of this stage holds beyond the handler's own time limit, in milliseconds.
    pub fn lease_margin_ms(&self, stage: StageName) -> i64 {
        self.stage(stage).margin_ms
    }

    /// Sets a tenant's share of every stage.
    pub fn set_weight(&self, tenant: TenantId, weight: u32) {
        for stage in StageName::ALL {
            self.stage(*stage).lock().set_weight(tenant, weight);
        }
    }

    /// Room for one job, or none: then the row must be inserted as ready.
    pub fn reserve(&self, stage: StageName, tenant: TenantId, bytes: usize) -> Option<Slot> {
        let lanes = self.stage(stage);
        if lanes.lock().reserve(tenant, bytes) {
            return Some(Slot { handover: self.clone(), stage, tenant, bytes, used: false });
        }
        lanes.feeder.notify_one();
        None
    }

    /// Whether nothing of the tenant waits for the trigger stage, and the action stage has a handler free for it.
    pub fn is_clear(&self, tenant: TenantId) -> bool {
        let [trigger, action, ..] = &*self.stages;
        trigger.lock().is_empty(tenant) && action.lock().has_room(tenant)
    }

    /// Says that a job of this tenant lies on disk and becomes due at this time (unix milliseconds).
    pub fn due_at(&self, stage: StageName, tenant: TenantId, at: i64) {
        let lanes = self.stage(stage);
        lanes.lock().due_at(tenant, at);
        lanes.feeder.notify_one();
    }

    /// Says that due jobs of this tenant may lie on disk.
    pub fn set_behind(&self, stage: StageName, tenant: TenantId) {
        let lanes = self.stage(stage);
        lanes.lock().set_behind(tenant);
        lanes.feeder.notify_one();
    }

    /// Takes the next job by turns; waits for one. Dropping the future loses nothing.
    pub async fn next(&self, stage: StageName) -> HandedJob {
        loop {
            let nudged = self.stage(stage).nudge.notified();
            if let Some(job) = self.try_next(stage) {
                return job;
            }
            nudged.await;
        }
    }

    /// Takes the next job by turns, if there is one.
    fn try_next(&self, stage: StageName) -> Option<HandedJob> {
        let lanes = self.stage(stage);
        let (_, job, wants_refill) = lanes.lock().take()?;
        if wants_refill {
            lanes.feeder.notify_one();
        }
        Some(job)
    }

    /// Takes a job that no handler has begun, whatever its turn: for giving it back when the daemon stops.
    pub fn take_back(&self, stage: StageName) -> Option<HandedJob> {
        let mut lanes = self.stage(stage).lock();
        let (tenant, job, _) = lanes.take()?;
        lanes.done(tenant);
        Some(job)
    }

    /// Says that a handler of this tenant has ended.
    pub fn done(&self, stage: StageName, tenant: TenantId) {
        let lanes = self.stage(stage);
        let held_back = lanes.lock().done(tenant);
        if held_back {
            lanes.nudge.notify_one();
        }
    }

    /// Waits until a lane may want a refill.
    pub async fn feeder_nudged(&self, stage: StageName) {
        self.stage(stage).feeder.notified().await;
    }

    /// The tenants whose lanes want a refill, each with the number of jobs to claim; their slots are reserved
    /// until [`Handover::refill`].
    pub fn refills(&self, stage: StageName, now: i64) -> Vec<(TenantId, usize)> {
        let mut lanes = self.stage(stage).lock();
        let wanting = lanes.wanting(now);
        wanting.into_iter().map(|tenant| (tenant, lanes.reserve_refill(tenant))).collect()
    }

    /// Inside the claiming transaction: nothing due is left on disk.
    pub fn caught_up(&self, stage: StageName, tenant: TenantId) {
        self.stage(stage).lock().caught_up(tenant);
    }

    /// Ends a refill: puts the claimed jobs into the reserved slots and gives the others back.
    pub fn refill(
        &self,
        stage: StageName,
        tenant: TenantId,
        reserved: usize,
        jobs: Vec<HandedJob>,
        caught_up: bool,
    ) {
        let lanes = self.stage(stage);
        let count = jobs.len();
        {
            let mut lanes = lanes.lock();
            for job in jobs {
                let bytes = job.payload.len() + job.material.as_ref().map_or(0, Material::bytes);
                lanes.charge(bytes);
                lanes.push(tenant, job, bytes);
            }
            for _ in count..reserved {
                lanes.unreserve(tenant, 0);
            }
            lanes.refilled(tenant, caught_up);
        }
        for _ in 0..count {
            lanes.nudge.notify_one();
        }
    }

    /// The earliest time at which a job on disk becomes due; unix milliseconds.
    pub fn next_due(&self, stage: StageName) -> Option<i64> {
        self.stage(stage).lock().next_due()
    }

    /// Drops what is in memory of a tenant that is no longer served.
    pub fn forget(&self, tenant: TenantId) {
        for stage in StageName::ALL {
            self.stage(*stage).lock().forget(tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tenantry_protocol::state::EventKind;

    use super::*;
    use crate::config::Bytes;
    use crate::service::event::Event;

    #[test]
    fn the_event_of_a_job_counts_against_the_memory_of_its_stage() {
        let stages =
            Stages { trigger: Stage { memory_bytes: Bytes(1_000), ..Stage::default() }, ..Stages::default() };
        let (handover, stage) = (Handover::new(&stages), StageName::Trigger);
        let (flooded, other) = (TenantId::new(1), TenantId::new(2));
        let body = Value::String("x".repeat(900));
        let event = Event::internal(EventKind::Emitted, "e".to_owned(), &body, 0, 1);
        let job = HandedJob {
            tenant: flooded,
            seq: 1,
            id: JobId::new(1),
            token: LeaseToken::new(1),
            lease_until: 1,
            attempt: 1,
            run: None,
            payload: Vec::new().into(),
            material: Some(Material::Unread(Arc::new(event))),
        };
        handover.refill(stage, flooded, 1, vec![job], true);
        assert!(handover.reserve(stage, other, 200).is_none());
        assert!(handover.take_back(stage).is_some());
        assert!(handover.reserve(stage, TenantId::new(3), 200).is_some());
    }
}
