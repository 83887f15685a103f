//! The tenants that the daemon serves, in memory: names, states, limits, counters.
//!
//! Loaded from control.db at start and changed only by the tenant verbs, after their commit. An entry is shared by
//! every door and stage. **Invariant:** a tenant's data is never in here, only what the host needs to serve it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tenantry_protocol::id::TenantId;
use tenantry_protocol::state::{StageName, TenantState};
use tenantry_protocol::tenant::{Counters, TenantLimits};

use crate::egress::TenantEgress;

/// A tenant as the daemon serves it.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// Whether it is served.
    pub state: TenantState,
    /// What differs from the host's defaults.
    pub limits: TenantLimits,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// `tenant` as expressions see it.
    pub value: serde_json::Value,
    /// Where its requests may go.
    pub egress: TenantEgress,
    /// What it has done; survives changes of the entry.
    pub tally: Arc<Tally>,
}

macro_rules! tally {
    ($($counter:ident)+) => {
        /// What a tenant has done since the daemon started, and how many jobs wait in its queues.
        #[derive(Debug, Default)]
        pub struct Tally {
            $(#[doc = "Counted up only; see the field of that name in [`Counters`]."] pub $counter: AtomicU64,)+
            /// Jobs of each stage, in the order of [`StageName::ALL`], that are neither settled nor dead nor put
            /// aside until something comes: what the quota is measured against.
            pub waiting: [AtomicI64; StageName::ALL.len()],
            /// Steps that wait for events: while there are none, no event is held against them.
            pub event_waits: AtomicI64,
            /// Whether a stage or the store of this tenant fails at present.
            pub degraded: AtomicBool,
        }

        impl Tally {
            /// The counters as clients see them.
            pub fn counters(&self) -> Counters {
                Counters { $($counter: self.$counter.load(Ordering::Relaxed)),+ }
            }
        }
    };
}

tally! {
    events_accepted events_refused events_duplicate runs_started runs_succeeded runs_failed runs_cancelled
    attempts notifications_delivered dead_letters
}

/// Counts one more.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[derive(Default)]
struct Tables {
    by_id: HashMap<TenantId, Arc<Tenant>>,
    by_name: BTreeMap<String, TenantId>,
}

/// All tenants. Cheap to clone.
#[derive(Clone, Default)]
pub struct Directory {
    tables: Arc<RwLock<Tables>>,
}

impl Directory {
    fn read<T>(&self, look: impl FnOnce(&Tables) -> T) -> T {
        look(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The tenant of that id or name.
    pub fn find(&self, id_or_name: &str) -> Option<Arc<Tenant>> {
        self.read(|tables| {
            let id = match tables.by_name.get(id_or_name) {
                Some(id) => *id,
                None => id_or_name.parse::<TenantId>().ok()?,
            };
            tables.by_id.get(&id).cloned()
        })
    }

    /// The tenant of that id.
    pub fn get(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.read(|tables| tables.by_id.get(&id).cloned())
    }

    /// Every tenant, by name.
    pub fn all(&self) -> Vec<Arc<Tenant>> {
        self.read(|tables| tables.by_name.values().filter_map(|id| tables.by_id.get(id).cloned()).collect())
    }

    /// Adds or replaces a tenant. The tally of a replaced entry is kept.
    pub fn put(&self, mut tenant: Tenant) -> Arc<Tenant> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = tables.by_id.get(&tenant.id).cloned() {
            tenant.tally = Arc::clone(&before.tally);
            tables.by_name.remove(&before.name);
        }
        let tenant = Arc::new(tenant);
        tables.by_name.insert(tenant.name.clone(), tenant.id);
        tables.by_id.insert(tenant.id, Arc::clone(&tenant));
        tenant
    }

    /// Removes a tenant.
    pub fn remove(&self, id: TenantId) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenant) = tables.by_id.remove(&id) {
            tables.by_name.remove(&tenant.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: TenantId, name: &str) -> Tenant {
        Tenant {
            id,
            name: name.to_owned(),
            title: None,
            state: TenantState::Active,
            limits: TenantLimits::default(),
            created_at: 1,
            updated_at: 1,
            value: serde_json::Value::Null,
            egress: TenantEgress::default(),
            tally: Arc::default(),
        }
    }

    #[test]
    fn a_tenant_is_found_by_id_and_name_and_keeps_its_tally() {
        let directory = Directory::default();
        let id = TenantId::new(1);
        count(&directory.put(tenant(id, "acme")).tally.events_accepted);
        directory.put(tenant(id, "acme-2"));
        assert!(directory.find("acme").is_none());
        for name in ["acme-2", &id.to_string()] {
            let found = directory.find(name).map(|t| t.tally.counters().events_accepted);
            assert_eq!(found, Some(1), "{name}");
        }
        directory.remove(id);
        assert!(directory.all().is_empty() && directory.get(id).is_none());
    }
}
