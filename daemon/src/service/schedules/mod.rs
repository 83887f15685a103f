//! Schedules: what a workflow's entries are, when they are due, and what is done about it.
//!
//! An entry is a row of the tenant's file with its place in time, so that a fire, its event and the new place are one
//! transaction. In memory is only when each tenant must be looked at next: the start reads that from every file,
//! and from then on each commit that changes it says so. No idle file is kept open.
//!
//! **Invariant:** a fire of an entry becomes at most one event, whatever crashes and whatever the clock does: the
//! event's id is made from workflow, entry and fire ([`event_of_fire`]).
//! Go next to [`look`] for what a look does, to `fate` for what becomes of a fire beside others, to [`entries`] for what applying a workflow changes.

pub mod downtime;
pub mod entries;
mod fate;
pub mod look;
mod view;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tenantry_protocol::id::{EventId, TenantId, WorkflowId};
use tenantry_workflow::schedule::{Cron, Schedule, When, Zone};
use tenantry_workflow::{Catchup, Overlap};
use tokio::sync::Notify;

use crate::error::{Error, Result};

/// When which tenant must be looked at; cheap to clone.
#[derive(Clone, Default)]
pub struct Schedules {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    hints: Mutex<Hints>,
    /// A hint is earlier than it was.
    nudge: Notify,
}

#[derive(Default)]
struct Hints {
    /// Unix milliseconds.
    due: HashMap<TenantId, i64>,
    /// The same, the first in front.
    order: BTreeSet<(i64, TenantId)>,
    /// Workflows with fires that wait for the end of a run.
    holding: HashSet<(TenantId, WorkflowId)>,
}

impl Hints {
    fn set(&mut self, tenant: TenantId, at: Option<i64>) {
        let before = match at {
            Some(at) => self.due.insert(tenant, at),
            None => self.due.remove(&tenant),
        };
        if let Some(before) = before {
            self.order.remove(&(before, tenant));
        }
        if let Some(at) = at {
            self.order.insert((at, tenant));
        }
    }
}

impl Schedules {
    fn lock(&self) -> MutexGuard<'_, Hints> {
        self.shared.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant must be looked at at this time, not earlier; never, if `None`. Call it from a commit hook.
    pub fn set(&self, tenant: TenantId, at: Option<i64>) {
        self.lock().set(tenant, at);
        self.shared.nudge.notify_one();
    }

    /// The tenant must be looked at at this time at the latest.
    pub fn not_later(&self, tenant: TenantId, at: i64) {
        let mut hints = self.lock();
        let due = hints.due.get(&tenant).map_or(at, |due| at.min(*due));
        hints.set(tenant, Some(due));
        drop(hints);
        self.shared.nudge.notify_one();
    }

    /// Which of the tenant's workflows have fires that wait.
    pub fn set_holding(&self, tenant: TenantId, workflows: &[WorkflowId]) {
        let mut hints = self.lock();
        hints.holding.retain(|(owner, _)| *owner != tenant);
        hints.holding.extend(workflows.iter().map(|workflow| (tenant, *workflow)));
    }

    /// A run of the workflow has ended.
    pub fn run_ended(&self, tenant: TenantId, workflow: WorkflowId) {
        let waited_for = self.lock().holding.contains(&(tenant, workflow));
        if waited_for {
            self.not_later(tenant, i64::MIN);
        }
    }

    /// The tenant is no longer served.
    pub fn forget(&self, tenant: TenantId) {
        let mut hints = self.lock();
        hints.set(tenant, None);
        hints.holding.retain(|(owner, _)| *owner != tenant);
    }

    /// The tenant that must be looked at first, and when; unix milliseconds.
    pub fn first(&self) -> Option<(i64, TenantId)> {
        self.lock().order.first().copied()
    }

    /// The same without some tenants.
    pub fn first_but(&self, others: &HashSet<TenantId>) -> Option<(i64, TenantId)> {
        self.lock().order.iter().find(|(_, tenant)| !others.contains(tenant)).copied()
    }

    /// The tenants with schedules.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.lock().due.keys().copied().collect()
    }

    /// Takes the hint of a tenant that is looked at now: what commits meanwhile makes a new one.
    pub fn take(&self, tenant: TenantId) {
        self.lock().set(tenant, None);
    }

    /// Waits until a hint may be earlier than it was.
    pub async fn nudged(&self) {
        self.shared.nudge.notified().await;
    }
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Spec {
    /// The expression, or the instant as it was written.
    pub text: String,
    /// The instant of an entry that fires once; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// The zone's name.
    pub timezone: String,
    catchup: String,
    catchup_window_ms: u64,
    overlap: String,
    jitter_ms: u64,
}

impl Spec {
    fn of(schedule: &Schedule) -> Self {
        let at = match &schedule.when {
            When::At { instant, .. } => Some(*instant),
            When::Cron(_) => None,
        };
        Self {
            text: schedule.text().to_owned(),
            at,
            timezone: schedule.zone.name().to_owned(),
            catchup: schedule.catchup.as_str().to_owned(),
            catchup_window_ms: schedule.catchup_window_ms,
            overlap: schedule.overlap.as_str().to_owned(),
            jitter_ms: schedule.jitter_ms,
        }
    }

    fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::internal(format!("a schedule on disk: {error}")))
    }

    /// The entry, ready to be asked. Fails where this release or machine does not know what an earlier one knew.
    pub fn schedule(&self) -> Result<Schedule> {
        let unknown = |what: String| Error::internal(format!("schedule {}: {what}", self.text));
        let when = if let Some(instant) = self.at {
            When::At { instant, text: self.text.as_str().into() }
        } else {
            let cron = Cron::parse(&self.text).map_err(|error| unknown(error.to_string()))?;
            When::Cron(Arc::new(cron))
        };
        let catchup = Catchup::ALL.iter().find(|word| word.as_str() == self.catchup);
        let overlap = Overlap::ALL.iter().find(|word| word.as_str() == self.overlap);
        Ok(Schedule {
            when,
            zone: Zone::parse(&self.timezone).map_err(|error| unknown(error.to_string()))?,
            catchup: *catchup.ok_or_else(|| unknown(format!("catchup {}", self.catchup)))?,
            catchup_window_ms: self.catchup_window_ms,
            overlap: *overlap.ok_or_else(|| unknown(format!("overlap {}", self.overlap)))?,
            jitter_ms: self.jitter_ms,
        })
    }
}

/// The event that a fire of a workflow's entry becomes. A UUIDv7 (RFC 9562 §5.7) whose time is the fire's and whose
/// other bits are a digest: asked again, it is the same.
pub fn event_of_fire(workflow: WorkflowId, key: &str, fire: i64) -> EventId {
    let text = format!("{workflow}:{fire}:{key}");
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
    let time = u64::try_from(fire).unwrap_or_default().to_be_bytes();
    bytes[..6].copy_from_slice(&time[2..]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    EventId::from_bytes(bytes)
}

#[cfg(test)]
mod tests;
