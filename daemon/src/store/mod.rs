//! The store: all SQL, all files. control.db says which tenants exist; each tenant is one file of its own.
//!
//! - One writer a file. A closure that is handed to [`Database::write`] runs, with whatever else is waiting, inside
//!   of one transaction; it is answered when that is on disk.
//! - Many readers a file, each with a consistent snapshot and a limited time.
//! - Functions on tables are bare verbs called through their module (`jobs::claim`); they take [`ReadTx`] or
//!   [`WriteTx`] and nothing else reaches a connection.
//!
//! **Invariant:** no SQL outside of this folder, no DDL outside of `migrations/`.
//! **Invariant:** nothing here knows what a permission, a stage's handler or an HTTP status is.
//!
//! Go next to `committer` for how writes are grouped, to `tenant` for the tables of a tenant, to `control` for those
//! of the host.

pub mod audit;
mod blobs;
mod check;
mod committer;
mod connection;
pub mod control;
mod directory;
mod fault;
pub mod identity;
pub mod inbox;
mod migrate;
mod readers;
mod row;
pub mod space;
pub mod tenant;
mod transaction;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;

use crate::clock::Clock;
use crate::config;
use crate::error::{Error, Result};
use crate::supervise::{Supervisor, TaskSpec};

pub use check::Checked;
pub use committer::Lane;
#[cfg(test)]
pub(crate) use committer::fault_point;
pub use committer::file::Condition;
use committer::file::{FileRef, Name};
use connection::Sizes;
use directory::Shared;
pub use row::PAGE_LIMIT;
pub use transaction::{ReadTx, WriteTx};

/// All files of a data folder; cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    supervisor: Supervisor,
}

impl Store {
    /// Takes the data folder (made if need be), opens control.db and starts the store's threads. They end, with
    /// everything that waits written and every file closed, when the supervisor stops.
    ///
    /// Fails with `data-folder-locked`, `store-newer`, `store-foreign`, `store-corrupt`, `store-read-only`,
    /// `store-full`.
    pub async fn open(
        data: &Path,
        limits: &config::Store,
        clock: Clock,
        supervisor: &Supervisor,
    ) -> Result<Self> {
        // New files belong to us alone, whatever SQLite or a library asks for.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        let shared = Arc::new(Shared::new(data, limits, clock.clone())?);
        for number in 0..limits.committer_threads {
            let shared = Arc::clone(&shared);
            supervisor.thread(format!("store.commit.{number}"), move |_| committer::run(&shared))?;
        }
        for number in 0..limits.readers {
            let shared = Arc::clone(&shared);
            supervisor.thread(format!("store.read.{number}"), move |_| readers::run(&shared))?;
        }
        let store = Self { shared, supervisor: supervisor.clone() };
        store.watch(supervisor, clock);
        // Opens and migrates the file; its failure is ours.
        store.control().write(Lane::Api, |_| Ok(())).await?;
        Ok(store)
    }

    /// Closes idle files from time to time, and stops the threads with the supervisor.
    fn watch(&self, supervisor: &Supervisor, clock: Clock) {
        let (shared, every) = (Arc::clone(&self.shared), self.shared.limits.idle_close / 4);
        supervisor.spawn(TaskSpec::on_panic("store.idle"), move |stop| {
            let (shared, clock) = (Arc::clone(&shared), clock.clone());
            async move {
                loop {
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = clock.sleep(every) => shared.close_idle(),
                    };
                }
                shared.reads.stop();
                shared.schedule.stop();
            }
        });
    }

    /// Closes a tenant's file as soon as nothing waits in it, without awaiting that: it was only looked into.
    pub fn close_soon(&self, id: TenantId) {
        self.shared.close_tenant(id);
    }

    /// control.db.
    pub fn control(&self) -> Database {
        self.database(Arc::clone(self.shared.control()))
    }

    /// The file of a tenant. It is opened when it is first used. Fails with `not-found` or `tenant-quarantined`.
    pub fn tenant(&self, id: TenantId) -> Result<Database> {
        self.shared.tenant(id).map(|file| self.database(file))
    }

    /// Makes the folder and the file of a new tenant. Its row in control.db is written afterwards by the caller, so
    /// that a crash in between leaves an unknown folder and never a tenant without a file. Where it fails, nothing of
    /// the folder stays, so that it can be tried again.
    pub async fn create_tenant(&self, id: TenantId) -> Result<Database> {
        let file = self.shared.new_tenant(id)?;
        let database = self.database(Arc::clone(&file));
        match database.write(Lane::Api, |_| Ok(())).await {
            Ok(()) => Ok(database),
            Err(error) => {
                let erased = self.shared.erase_soon(&file).await;
                if !matches!(erased, Ok(Ok(()))) {
                    tracing::warn!(tenant = %id, "the folder of a tenant that was not made is left behind");
                    self.shared.forget(&file);
                }
                Err(error)
            }
        }
    }

    /// The tenant's file was set aside in an earlier life of the daemon.
    pub fn keep_aside(&self, id: TenantId) {
        self.shared.keep_aside(id);
    }

    /// Checks the file that was put in the place of one that was set aside, and lets it be opened again.
    ///
    /// Fails with `state-conflict` where nothing is there or nothing was set aside, `store-corrupt`, `store-foreign`,
    /// `store-newer`, `store-read-only`: then the tenant stays quarantined.
    pub async fn readmit(&self, id: TenantId) -> Result<Checked> {
        let (path, sizes) = (self.tenant_folder(id).join("tenant.db"), Sizes::new(&self.shared.limits));
        let now = self.shared.clock.now_ms();
        let check = self.supervisor.blocking("check a file", move || check::file(&path, id, sizes, now));
        let checked =
            check.join().await.map_err(|lost| Error::internal(format!("check a file: {lost}")))??;
        if !self.shared.readmit(id) {
            return Err(Error::new(ErrorCode::StateConflict, "the file was not set aside"));
        }
        Ok(checked)
    }

    /// Deletes the tenant's folder with everything in it. What waits in its lanes is done first.
    pub async fn erase_tenant(&self, id: TenantId) -> Result<()> {
        let file = self.shared.tenant(id)?;
        let erased = self.shared.erase_soon(&file).await;
        erased.map_err(|_| Error::from(ErrorCode::Draining))?
    }

    /// Where payloads that are too large for a row, and scratch folders, of a tenant lie.
    pub fn tenant_folder(&self, id: TenantId) -> PathBuf {
        self.shared.tenant_folder(id)
    }

    /// Whether the tenant's file is open: a closed one has nothing to look after.
    pub fn is_open(&self, id: TenantId) -> bool {
        self.shared.is_open(id)
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        self.shared.data()
    }

    /// Tenants' files that are open.
    pub fn open_count(&self) -> usize {
        self.shared.open_count()
    }

    /// The tenants whose files are not healthy.
    pub fn unwell(&self) -> Vec<(TenantId, Condition)> {
        self.shared.unwell()
    }

    fn database(&self, file: FileRef) -> Database {
        Database { shared: Arc::clone(&self.shared), file }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("folder", &self.folder()).finish_non_exhaustive()
    }
}

/// One file: a tenant's, or control.db. Cheap to clone; opens and closes behind the caller's back.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
    file: FileRef,
}

impl Database {
    /// Runs the closure on the file's writer and answers its result when it is on disk. The closure runs inside of a
    /// transaction shared with others; if it fails, nothing of it stays and the others do not notice. It must be
    /// short and wait for nothing. It runs even where the caller stops waiting for the answer.
    ///
    /// Fails with the closure's own error, or with `tenant-degraded`, `tenant-quarantined`, `store-full`,
    /// `store-read-only`, `store-busy`, `draining`: then nothing of it is on disk, except for `store-busy` after the
    /// write timeout, when nobody knows yet.
    pub fn write<T, F, L>(&self, lane: L, closure: F) -> impl Future<Output = Result<T>> + Send + use<T, F, L>
    where
        T: Send + 'static,
        F: FnOnce(&WriteTx) -> Result<T> + Send + 'static,
        L: Into<Lane>,
    {
        let (this, lane) = (self.clone(), lane.into());
        async move { this.shared.write(&this.file, lane, closure).await }
    }

    /// The same as [`Database::write`] for a closure that may be run more than once: what it does outside of the
    /// transaction it does in hooks. Cheaper, and so for what every run does.
    pub fn write_again<T, F, L>(
        &self,
        lane: L,
        closure: F,
    ) -> impl Future<Output = Result<T>> + Send + use<T, F, L>
    where
        T: Send + 'static,
        F: Fn(&WriteTx) -> Result<T> + Send + 'static,
        L: Into<Lane>,
    {
        let (this, lane) = (self.clone(), lane.into());
        async move { this.shared.write_again(&this.file, lane, closure).await }
    }

    /// Runs the closure on a consistent snapshot of the file, on a reading thread.
    pub fn read<T, F>(&self, closure: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&ReadTx) -> Result<T> + Send + 'static,
    {
        let this = self.clone();
        async move {
            if !this.file.is_open() {
                // Opens the file, so that it is migrated and counted among the open ones.
                this.write(Lane::Api, |_| Ok(())).await?;
            }
            this.shared.read(&this.file, closure).await
        }
    }

    /// The tenant whose file it is; `None` for control.db.
    pub fn tenant_id(&self) -> Option<TenantId> {
        match self.file.name {
            Name::Control => None,
            Name::Tenant(id) => Some(id),
        }
    }

    /// How the file is.
    pub fn condition(&self) -> Condition {
        self.file.condition()
    }

    /// Closures that wait for the writer, over all lanes.
    pub fn waiting(&self) -> usize {
        self.file.waiting().iter().sum()
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("file", &self.file.name).finish_non_exhaustive()
    }
}

/// Locks; a panic of another holder does not matter, because what is locked here is whole between any two calls.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
