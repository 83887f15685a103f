//! The prompt start: where nothing of its tenant is ahead of an event, what it starts is decided at the door, and event
//! and run become durable in the same commit. The queue of the trigger stage is there for when that is not so.
//!
//! **Invariant:** an event never overtakes another one of its tenant: while the trigger queue holds any, or the action
//! stage has no handler free for the tenant, the event queues up, and a flood waits on disk as it always did.
//! **Invariant:** nothing is decided inside of the transaction, and a decision that fails is left to the queue, which
//! keeps what went wrong as a dead letter.
//! Go next to `stage::trigger` for the decision.

use std::sync::Arc;

use tenantry_protocol::state::EventKind;

use super::Service;
use super::catalog::TenantCatalog;
use super::directory::Tenant;
use super::events::Arriving;
use super::ledger::Ledger;
use super::material::EventMaterial;
use crate::error::Result;
use crate::supervise::catch;

/// Writes what an event starts; whether that is anything.
pub type Starts = Box<dyn Fn(&mut Ledger<'_>) -> Result<bool> + Send + Sync>;

/// The trigger stage, as the door knows it.
pub trait Prompt: Send + Sync {
    /// What the event starts; none if its queue must say.
    fn starts(&self, tenant: &Tenant, catalog: &TenantCatalog, event: &EventMaterial) -> Option<Starts>;
}

impl Service {
    /// What an event starts that need not queue up.
    pub(super) async fn prompt(&self, tenant: &Tenant, arriving: &Arriving) -> Option<Starts> {
        let stage = self.prompt.get()?;
        // Steps may wait for an emitted event, and only a reading after its commit tells which.
        let may = matches!(arriving.event.kind, EventKind::Webhook | EventKind::Manual);
        if !may || !self.handover.is_clear(tenant.id) {
            return None;
        }
        let catalog = self.catalog.of(tenant.id).await.ok()?;
        let value = arriving.value.clone().map_or_else(|| arriving.event.value(), Ok).ok()?;
        let event = EventMaterial { event: Arc::clone(&arriving.event), value };
        match catch(|| stage.starts(tenant, &catalog, &event)) {
            Ok(starts) => starts,
            Err(panicked) => {
                tracing::error!(tenant = %tenant.id, panic = panicked.message(), "the prompt decision panicked");
                None
            }
        }
    }
}
