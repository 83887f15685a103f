//! How long the daemon was away, and what became of the fires in that time: told once, after a start.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use tenantry_protocol::health::{Downtime, TenantDowntime};
use tenantry_protocol::id::TenantId;

use super::look::Looked;
use crate::context::{Context, Origin};
use crate::error::Result;
use crate::service::Service;
use crate::service::tenants::audit_host;
use crate::store::Lane;

/// What is known about the time before this start.
#[derive(Debug, Default)]
pub struct Report {
    told: Mutex<Option<Downtime>>,
}

impl Report {
    /// The report, once the first looks are done.
    pub fn get(&self) -> Option<Downtime> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Adds up the first looks after a start.
#[derive(Debug, Default)]
pub struct Tally {
    tenants: BTreeMap<TenantId, (u64, u64)>,
}

impl Tally {
    /// Adds a look at a tenant.
    pub fn add(&mut self, tenant: TenantId, looked: &Looked) {
        if looked.caught_up + looked.missed > 0 {
            let (caught_up, missed) = self.tenants.entry(tenant).or_default();
            *caught_up += looked.caught_up;
            *missed += looked.missed;
        }
    }
}

impl Service {
    /// Tells how long the daemon was away and what became of its fires: to the log, to the host's audit log, and to
    /// whoever asks for the status.
    pub async fn tell_downtime(&self, last_alive: Option<i64>, tally: Tally) -> Result<()> {
        let name = |id| self.directory.get(id).map_or_else(|| id.to_string(), |tenant| tenant.name.clone());
        let tenants: Vec<_> = tally
            .tenants
            .into_iter()
            .map(|(id, (caught_up, missed))| TenantDowntime { tenant: name(id), caught_up, missed })
            .collect();
        let report = Downtime {
            from: last_alive,
            until: self.started_at,
            caught_up: tenants.iter().map(|tenant| tenant.caught_up).sum(),
            missed: tenants.iter().map(|tenant| tenant.missed).sum(),
            tenants,
        };
        let away_ms = report.from.map_or(0, |from| self.started_at.saturating_sub(from).max(0));
        tracing::info!(away_ms, caught_up = report.caught_up, missed = report.missed, "back after a stop");
        let (now, context) = (self.clock.now_ms(), Context::system(Origin::Boot, &self.clock));
        let detail = json!({ "away-ms": away_ms, "caught-up": report.caught_up, "missed": report.missed });
        *self.downtime.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
        let write = self
            .store
            .control()
            .write(Lane::Api, move |tx| audit_host(tx, &context, now, "daemon.start", "daemon", &detail));
        write.await
    }
}
