//! Forgets what has been kept long enough: runs with their steps, attempts and log lines, events that no run is about
//! any more, notifications, payloads that no row names. What a workflow says about its runs wins over the host.
//!
//! Every transaction is bounded, so that a sweep delays nobody by more than one of them; what is left waits for the
//! next sweep. **Invariant:** a run that has not ended is never touched, nor is its event.
//! Go next to [`pass`] for one sweep of one tenant.

mod blobs;
mod pass;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenantry_protocol::id::{EventId, RunId, TenantId, WorkflowId};
use tenantry_protocol::state::TenantState;

use self::pass::{Forgotten, Pass, record};
use self::plan::{Keep, pending_events};
use crate::clock::Clock;
use crate::error::Result;
use crate::service::Service;
use crate::service::catalog::Catalog;
use crate::store::tenant::workflows;
use crate::store::{Database, Lane, PAGE_LIMIT, Store};

/// Tenants with a closed file that one sweep opens.
const CLOSED_A_SWEEP: usize = 100;
/// How often a closed file is opened for a sweep, and how often a sweep begins with the oldest again.
const AGAIN_AFTER_MS: i64 = 24 * 60 * 60 * 1_000;

/// How far a tenant's sweeps have come. In memory only: a restart looks again.
#[derive(Debug, Default)]
struct Progress {
    swept_at: i64,
    /// When the cursors were at the beginning.
    began_at: i64,
    /// The last run without old log lines, by workflow.
    lines: HashMap<WorkflowId, RunId>,
    /// The last event that some run still needs.
    events: Option<EventId>,
}

/// What sweeps.
pub(super) struct Sweeper {
    store: Store,
    catalog: Catalog,
    clock: Clock,
    host: Keep,
    progress: Mutex<HashMap<TenantId, Progress>>,
}

impl Sweeper {
    pub(super) fn new(service: &Service) -> Self {
        let defaults = &service.config.tenant_defaults;
        let host = Keep { runs_ms: ms(defaults.keep_runs), logs_ms: ms(defaults.keep_logs) };
        Self::with(service.store.clone(), service.catalog.clone(), service.clock.clone(), host)
    }

    fn with(store: Store, catalog: Catalog, clock: Clock, host: Keep) -> Self {
        Self { store, catalog, clock, host, progress: Mutex::default() }
    }

    /// Sweeps the tenants with an open file, and those whose closed one was not looked at for a day.
    pub(super) async fn sweep(self: Arc<Self>, service: Arc<Service>) -> Result<()> {
        let mut closed = 0;
        for tenant in service.directory.all() {
            if tenant.state == TenantState::Quarantined || !self.is_due(tenant.id, &mut closed) {
                continue;
            }
            if let Err(error) = self.sweep_tenant(tenant.id).await {
                // One sick tenant must not keep the others' files growing.
                let operator = error.operator_line();
                tracing::warn!(tenant = %tenant.id, code = %error.code(), operator, "the sweep failed");
            }
        }
        Ok(())
    }

    fn is_due(&self, tenant: TenantId, closed: &mut usize) -> bool {
        if self.store.is_open(tenant) {
            return true;
        }
        let swept_at = self.with_progress(tenant, |progress| progress.swept_at);
        if self.clock.now_ms() - swept_at < AGAIN_AFTER_MS || *closed >= CLOSED_A_SWEEP {
            return false;
        }
        *closed += 1;
        true
    }

    fn with_progress<T>(&self, tenant: TenantId, act: impl FnOnce(&mut Progress) -> T) -> T {
        act(self.progress.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default())
    }

    /// One sweep of one tenant, with one audit record if anything was forgotten.
    async fn sweep_tenant(&self, tenant: TenantId) -> Result<Forgotten> {
        let now = self.clock.now_ms();
        let begins_again = self.with_progress(tenant, |progress| {
            let again = now - progress.began_at >= AGAIN_AFTER_MS;
            if again {
                *progress = Progress { began_at: now, ..Progress::default() };
            }
            progress.swept_at = now;
            again
        });
        let file = self.store.tenant(tenant)?;
        let pending = pending_events(&file, now).await?;
        let mut pass = Pass::new(self, &file, tenant, now, pending);
        for (workflow, keep) in self.keeps(tenant, &file).await? {
            pass.lines(workflow, keep).await?;
            pass.runs(workflow, keep).await?;
        }
        pass.events().await?;
        pass.notifications().await?;
        let mut forgotten = pass.forgotten;
        // Only what is forgotten leaves payloads behind, apart from a crash between a payload and its row.
        if begins_again || forgotten != Forgotten::default() {
            forgotten.payloads = self.blobs(&file, tenant, now).await?;
        }
        forgotten.pages = pass::give_back(&file).await?;
        if forgotten != Forgotten::default() {
            tracing::info!(%tenant, ?forgotten, "what was kept long enough is forgotten");
            file.write(Lane::Api, move |tx| record(tx, tenant, now, &forgotten)).await?;
        }
        Ok(forgotten)
    }

    /// How long each workflow's runs are kept: as its newest revision says, else as the host does.
    async fn keeps(&self, tenant: TenantId, file: &Database) -> Result<Vec<(WorkflowId, Keep)>> {
        let (mut keeps, mut after) = (Vec::new(), WorkflowId::from_bytes([0; 16]));
        loop {
            let page = file.read(move |tx| workflows::every(tx, after, PAGE_LIMIT)).await?;
            for row in &page {
                // A workflow that this release cannot read keeps its runs as the host says.
                let live = self.catalog.revision(tenant, row.id, row.revision).await;
                let retention = live.map(|live| live.workflow.retention).unwrap_or_default();
                keeps.push((row.id, self.host.with(retention)));
            }
            match page.last() {
                Some(last) if page.len() == PAGE_LIMIT as usize => after = last.id,
                _ => return Ok(keeps),
            }
        }
    }
}

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
