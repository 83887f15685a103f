//! The store's promises, one file a promise.

mod auditing;
mod awaited;
mod damage;
mod grouping;
mod people;
mod queues;
mod settings;
mod tables;

use std::time::Duration;

use tempfile::TempDir;
use tenantry_protocol::id::TenantId;

use super::{Database, Store};
use crate::clock::Clock;
use crate::config;
use crate::supervise::Supervisor;

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store in a folder of its own.
struct House {
    folder: TempDir,
    store: Store,
    supervisor: Supervisor,
}

impl House {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut config::Store)) -> Self {
        let folder = TempDir::new().expect("a temp folder");
        Self::at(folder, change).await
    }

    async fn at(folder: TempDir, change: impl FnOnce(&mut config::Store)) -> Self {
        let mut limits = config::Store::default();
        change(&mut limits);
        let supervisor = Supervisor::new(Clock::system());
        let store = Store::open(&folder.path().join("data"), &limits, Clock::system(), &supervisor).await;
        Self { folder, store: store.expect("the store opens"), supervisor }
    }

    async fn tenant(&self) -> Database {
        self.store.create_tenant(TenantId::new(1)).await.expect("a tenant")
    }

    /// Stops the store as the daemon does, and gives the folder back.
    async fn stop(self) -> TempDir {
        let Self { folder, store, supervisor } = self;
        drop(store);
        assert!(supervisor.drain(PATIENCE).await.is_complete());
        folder
    }
}
