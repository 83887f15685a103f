//! Which files are known and which are open: opened when first used, closed when idle or when too many are open.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{FlockOperation, flock};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;

use super::committer::file::{File, FileRef, Name};
use super::committer::schedule::Schedule;
use super::readers::ReadQueue;
use super::{Condition, connection, fault, locked};
use crate::clock::{Clock, Moment};
use crate::config;
use crate::error::{Error, Result};

/// A file that was not used for this fraction of `store.idle-close` makes room for others.
const AT_REST: u32 = 80;

/// What the store's threads share.
pub(super) struct Shared {
    data: PathBuf,
    pub(super) limits: config::Store,
    pub(super) clock: Clock,
    pub(super) schedule: Schedule,
    pub(super) reads: ReadQueue,
    /// Held by the thread that runs closures. Closures compute, commits wait for the disk: with one computing at a time
    /// batches grow under load, which costs less than running them side by side, and the commits still overlap.
    pub(super) turn: Mutex<()>,
    /// The schedule's time at the start.
    origin: Moment,
    control: FileRef,
    tenants: Mutex<HashMap<TenantId, FileRef>>,
    /// Tenants whose files may not be opened before they were checked, whatever lies in their place.
    aside: Mutex<HashSet<TenantId>>,
    /// Tenants' files that have a writer.
    open: Mutex<HashMap<TenantId, FileRef>>,
    /// Held until the last file is closed: one daemon a folder.
    lock: Mutex<Option<fs::File>>,
}

impl Shared {
    /// Takes possession of the data folder.
    pub(super) fn new(data: &Path, limits: &config::Store, clock: Clock) -> Result<Self> {
        connection::create_folder(data).map_err(|error| named(data, &error))?;
        let lock = take_lock(&data.join("lock")).map_err(|error| named(data, &error))?;
        connection::create_folder(&data.join("tenants")).map_err(|error| named(data, &error))?;
        let schedule = Schedule::new(limits.committer_threads);
        let origin = schedule.now();
        let control = File::new(Name::Control, data.join("control.db"), limits.lane_limit, origin);
        Ok(Self {
            data: data.to_owned(),
            limits: limits.clone(),
            clock,
            schedule,
            reads: ReadQueue::default(),
            turn: Mutex::new(()),
            origin,
            control: Arc::new(control),
            tenants: Mutex::default(),
            aside: Mutex::default(),
            open: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Lets another daemon have the folder: the last thread does so when every file is closed.
    pub(super) fn give_up_folder(&self) {
        locked(&self.lock).take();
    }

    pub(super) const fn control(&self) -> &FileRef {
        &self.control
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn tenant_folder(&self, id: TenantId) -> PathBuf {
        self.data.join("tenants").join(id.to_string())
    }

    pub(super) fn quarantine_folder(&self) -> PathBuf {
        self.data.join("quarantine")
    }

    /// The file of a tenant that exists.
    pub(super) fn tenant(&self, id: TenantId) -> Result<FileRef> {
        if locked(&self.aside).contains(&id) {
            return Err(Error::from(ErrorCode::TenantQuarantined));
        }
        let mut tenants = locked(&self.tenants);
        if let Some(file) = tenants.get(&id) {
            return Ok(Arc::clone(file));
        }
        let path = self.tenant_folder(id).join("tenant.db");
        if !path.is_file() {
            drop(tenants);
            return Err(self.absence(id));
        }
        let file = Arc::new(File::new(Name::Tenant(id), path, self.limits.lane_limit, self.origin));
        tenants.insert(id, Arc::clone(&file));
        Ok(file)
    }

    /// The file of a tenant that is being created.
    pub(super) fn new_tenant(&self, id: TenantId) -> Result<FileRef> {
        let path = self.tenant_folder(id).join("tenant.db");
        let mut tenants = locked(&self.tenants);
        if tenants.contains_key(&id) || path.exists() {
            return Err(Error::new(ErrorCode::Conflict, format!("the folder of {id} exists already")));
        }
        let file = Arc::new(File::new(Name::Tenant(id), path, self.limits.lane_limit, self.origin));
        file.allow_creation();
        tenants.insert(id, Arc::clone(&file));
        Ok(file)
    }

    /// Why there is no file: nothing ever was, or it was set aside.
    fn absence(&self, id: TenantId) -> Error {
        let prefix = format!("{id}-");
        let set_aside = fs::read_dir(self.quarantine_folder()).is_ok_and(|mut entries| {
            entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            })
        });
        if set_aside { Error::from(ErrorCode::TenantQuarantined) } else { Error::not_found("tenant", id) }
    }

    /// From now on the tenant's file is not opened, whatever lies in its place.
    pub(super) fn keep_aside(&self, id: TenantId) {
        locked(&self.aside).insert(id);
    }

    /// Lets a file that was checked be opened again; false if it was not kept aside.
    pub(super) fn readmit(&self, id: TenantId) -> bool {
        // What is remembered of the damaged file goes first: its condition is not that of the new one.
        locked(&self.tenants).remove(&id);
        locked(&self.aside).remove(&id)
    }

    pub(super) fn forget(&self, file: &FileRef) {
        if let Name::Tenant(id) = file.name {
            locked(&self.tenants).remove(&id);
        }
    }

    pub(super) fn touch(&self, file: &File, now: Moment) {
        file.touch(now, self.origin);
    }

    /// Notes that a file has a writer. If there are too many, or more than may stay open idle, it asks the one that
    /// was idle longest to close.
    pub(super) fn opened(&self, file: &FileRef) {
        let Name::Tenant(id) = file.name else { return };
        let mut open = locked(&self.open);
        open.insert(id, Arc::clone(file));
        if open.len() <= self.limits.idle_tenants.min(self.limits.open_tenants) {
            return;
        }
        let full = open.len() > self.limits.open_tenants;
        let others = open.values().filter(|other| other.name != file.name);
        let oldest = others.min_by_key(|other| other.used()).map(Arc::clone);
        drop(open);
        let Some(oldest) = oldest else { return };
        let rest = self.limits.idle_close / AT_REST;
        let since = self.schedule.now().since(self.origin).checked_sub(rest).unwrap_or_default();
        if full || u128::from(oldest.used()) <= since.as_millis() {
            self.close_soon(&oldest);
        }
    }

    pub(super) fn closed(&self, file: &File) {
        if let Name::Tenant(id) = file.name {
            locked(&self.open).remove(&id);
        }
    }

    /// Every file that has a writer.
    pub(super) fn all_open(&self) -> Vec<FileRef> {
        let mut files: Vec<_> = locked(&self.open).values().map(Arc::clone).collect();
        files.push(Arc::clone(&self.control));
        files
    }

    /// Closes the files that nobody used for a while; answers how many were asked to close.
    pub(super) fn close_idle(&self) -> usize {
        let now = self.schedule.now().since(self.origin);
        let Some(before) = now.checked_sub(self.limits.idle_close) else { return 0 };
        let before = u64::try_from(before.as_millis()).unwrap_or(u64::MAX);
        let idle: Vec<_> =
            locked(&self.open).values().filter(|file| file.used() < before).map(Arc::clone).collect();
        for file in &idle {
            self.close_soon(file);
        }
        idle.len()
    }

    /// Closes the tenant's file, if it is open, as soon as nothing waits in it.
    pub(super) fn close_tenant(&self, id: TenantId) {
        let file = locked(&self.open).get(&id).map(Arc::clone);
        if let Some(file) = file {
            self.close_soon(&file);
        }
    }

    pub(super) fn is_open(&self, id: TenantId) -> bool {
        locked(&self.open).contains_key(&id)
    }

    pub(super) fn open_count(&self) -> usize {
        locked(&self.open).len()
    }

    /// The tenants whose files are not as they should be.
    pub(super) fn unwell(&self) -> Vec<(TenantId, Condition)> {
        let tenants = locked(&self.tenants);
        let conditions = tenants.iter().map(|(id, file)| (*id, file.condition()));
        conditions.filter(|(_, condition)| *condition != Condition::Healthy).collect()
    }
}

/// Whoever starts a daemon must learn which folder is meant, and whether it can be a data folder at all.
fn named(data: &Path, error: &Error) -> Error {
    let code = match error.code() {
        // The disk is not ill: the path is wrong.
        ErrorCode::TenantDegraded => ErrorCode::DataFolderInvalid,
        code => code,
    };
    let detail = format!("the data folder {}", data.display());
    Error::new(code, detail).with_operator(error.operator_line())
}

fn take_lock(path: &Path) -> Result<fs::File> {
    let lock = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let lock = lock.map_err(|error| fault::io("open the lock of the data folder", error))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::from(ErrorCode::DataFolderLocked)),
        Err(error) => Err(fault::io("lock the data folder", error.into())),
    }
}
