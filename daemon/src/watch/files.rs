//! Watches the inbox folders of the tenants that wait for files, and moves what becomes an event.
//!
//! inotify says that something may have happened; a look at the folder says what. Where a folder cannot be watched
//! (the machine's limit of watches), it is looked at from time to time.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tenantry_protocol::id::{EventId, TenantId};
use tenantry_protocol::state::TenantState;
use tenantry_workflow::FileTrigger;
use tokio::sync::mpsc;

use crate::clock::Moment;
use crate::error::Result;
use crate::service::Service;
use crate::service::directory::Tenant;
use crate::service::files::Taken;
use crate::store::inbox::{Content, Ending, Waiting};
use crate::supervise::{Stop, Supervisor, TaskSpec};

/// Hints of inotify that wait; one that finds no room makes every folder be looked at.
const HINTS: usize = 256;
/// How often a folder that cannot be watched is looked at, and files whose runs may have ended unseen.
const WITHOUT_HINT: Duration = Duration::from_secs(10);
/// How long a tenant whose look has failed is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// A hint of inotify.
enum Hint {
    /// Something happened to files with these paths.
    Paths(Vec<PathBuf>),
    /// Hints were lost.
    Lost,
}

/// A tenant that waits for files.
struct Inbox {
    triggers: Vec<FileTrigger>,
    folder: PathBuf,
    watched: bool,
    /// Size and time of each file at the last look, and since when they are so.
    seen: HashMap<String, (Waiting, Moment)>,
    /// When to look again without a hint.
    again: Option<Moment>,
    /// Whether the look before did not come to its end.
    failed: bool,
}

struct Watch {
    service: Arc<Service>,
    watcher: Option<RecommendedWatcher>,
    inboxes: HashMap<TenantId, Inbox>,
}

pub(super) fn start(service: &Arc<Service>, supervisor: &Supervisor) {
    let service = Arc::clone(service);
    let again = AtomicBool::new(false);
    supervisor.spawn(TaskSpec::always("watch files"), move |stop| {
        if again.swap(true, Ordering::Relaxed) {
            // The start has said which tenants wait for files; after a panic of this task nobody else does.
            for tenant in service.directory.all() {
                service.files.look(tenant.id);
            }
        }
        run(Arc::clone(&service), stop)
    });
}

async fn run(service: Arc<Service>, stop: Stop) {
    let (hint, mut hints) = mpsc::channel(HINTS);
    let mut watch = Watch { watcher: watcher(hint), inboxes: HashMap::new(), service };
    loop {
        for tenant in watch.service.files.take() {
            watch.attend(tenant, Look::Triggers).await;
        }
        for tenant in watch.due() {
            watch.attend(tenant, Look::Files).await;
        }
        let service = Arc::clone(&watch.service);
        let next = watch.inboxes.values().filter_map(|inbox| inbox.again).min();
        let wait = next.map(|at| at.since(service.clock.instant()));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = service.files.nudged() => {}
            Some(hint) = hints.recv() => watch.hinted(&hint),
            () = service.clock.sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

fn watcher(hints: mpsc::Sender<Hint>) -> Option<RecommendedWatcher> {
    let tell = move |event: notify::Result<notify::Event>| {
        let hint = match event {
            Ok(event) if event.need_rescan() => Hint::Lost,
            Ok(event) => match event.kind {
                // Our own looks open the folder.
                EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Create(_)
                | EventKind::Modify(_) => Hint::Paths(event.paths),
                _ => return,
            },
            Err(_) => Hint::Lost,
        };
        // No room means that a look is coming anyway, but perhaps not at this folder.
        if hints.try_send(hint).is_err() {
            hints.try_send(Hint::Lost).ok();
        }
    };
    match notify::recommended_watcher(tell) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "folders cannot be watched; they are looked at every ten seconds");
            None
        }
    }
}

/// What a look must find out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Everything, from the triggers on.
    Triggers,
    /// What lies in the folders.
    Files,
}

impl Watch {
    fn due(&self) -> Vec<TenantId> {
        let now = self.service.clock.instant();
        let due = self.inboxes.iter().filter(|(_, inbox)| inbox.again.is_some_and(|at| at <= now));
        due.map(|(tenant, _)| *tenant).collect()
    }

    fn hinted(&mut self, hint: &Hint) {
        let now = self.service.clock.instant();
        for inbox in self.inboxes.values_mut() {
            let meant = match hint {
                Hint::Lost => true,
                Hint::Paths(paths) => paths.iter().any(|path| path.starts_with(&inbox.folder)),
            };
            if meant {
                inbox.again = Some(now);
            }
        }
    }

    async fn attend(&mut self, id: TenantId, look: Look) {
        let tenant = self.service.directory.get(id).filter(|tenant| tenant.state == TenantState::Active);
        let Some(tenant) = tenant else { return self.leave(id) };
        let look =
            if self.inboxes.get(&id).is_some_and(|inbox| inbox.failed) { Look::Triggers } else { look };
        let looked = self.look(&tenant, look).await;
        if let Some(inbox) = self.inboxes.get_mut(&id) {
            inbox.failed = looked.is_err();
        }
        if let Err(error) = looked {
            tracing::warn!(tenant = %id, code = %error.code(), operator = error.operator_line(), "inbox was not looked at");
            let again = self.service.clock.instant() + PAUSE;
            match self.inboxes.get_mut(&id) {
                Some(inbox) => inbox.again = Some(again),
                None => self.service.files.look(id),
            }
        }
    }

    fn leave(&mut self, id: TenantId) {
        if let (Some(inbox), Some(watcher)) = (self.inboxes.remove(&id), &mut self.watcher)
            && inbox.watched
            && let Err(error) = watcher.unwatch(&inbox.folder)
        {
            tracing::debug!(%error, "a folder was not unwatched");
        }
    }

    async fn look(&mut self, tenant: &Arc<Tenant>, look: Look) -> Result<()> {
        let id = tenant.id;
        if look == Look::Triggers {
            let triggers = self.service.file_triggers(id).await?;
            let open = !self.service.opened_files(id).await?.is_empty();
            if triggers.is_empty() && !open {
                self.leave(id);
                return Ok(());
            }
            self.enter(id, triggers).await?;
        }
        let taken = self.service.store.list_processing(id).await?;
        // Mostly nothing is under way, and then the tenant's database is left closed.
        let mut open = false;
        if look == Look::Triggers || !taken.is_empty() {
            self.resume(tenant, taken).await?;
            open = self.finish(id).await?;
        }
        if self.take(tenant).await? {
            open = open || !self.service.opened_files(id).await?.is_empty();
        }
        self.service.files.set_open(id, open);
        let now = self.service.clock.instant();
        if let Some(inbox) = self.inboxes.get_mut(&id) {
            let unseen = (open || !inbox.watched).then_some(now + WITHOUT_HINT);
            let stable = inbox.seen.iter().map(|(name, (_, since))| *since + patience(&inbox.triggers, name));
            inbox.again = stable.chain(unseen).min();
        }
        Ok(())
    }

    /// Notes what the tenant waits for, and watches its folder.
    async fn enter(&mut self, id: TenantId, triggers: Vec<FileTrigger>) -> Result<()> {
        if let Some(inbox) = self.inboxes.get_mut(&id) {
            inbox.triggers = triggers;
            return Ok(());
        }
        let folder = self.service.store.make_inbox(id).await?;
        let watched = self.watcher.as_mut().is_some_and(|watcher| {
            let watched = watcher.watch(&folder, RecursiveMode::NonRecursive);
            if let Err(error) = &watched {
                tracing::warn!(tenant = %id, %error, "inbox cannot be watched; it is looked at every ten seconds");
            }
            watched.is_ok()
        });
        let seen = HashMap::new();
        self.inboxes.insert(id, Inbox { triggers, folder, watched, seen, again: None, failed: false });
        Ok(())
    }

    /// Files that were moved but did not become events before a crash.
    async fn resume(&self, tenant: &Arc<Tenant>, taken: Vec<(EventId, String)>) -> Result<()> {
        for (event, name) in taken {
            if !self.service.has_event(tenant.id, event).await? {
                self.accept(tenant, event, &name).await?;
            }
        }
        Ok(())
    }

    /// Moves away the files whose runs have ended; answers whether others are left.
    async fn finish(&self, id: TenantId) -> Result<bool> {
        let mut left = false;
        for (file, ending) in self.service.opened_files(id).await? {
            let Some(ending) = ending else {
                left = true;
                continue;
            };
            self.service.store.finish_file(id, file.event, &file.name, ending).await?;
            self.service.close_file(id, file.event).await?;
        }
        Ok(left)
    }

    /// Takes the files that have been left alone long enough; answers whether there were any.
    async fn take(&mut self, tenant: &Arc<Tenant>) -> Result<bool> {
        let waiting = self.service.store.list_inbox(tenant.id).await?;
        let now = self.service.clock.instant();
        let Some(inbox) = self.inboxes.get_mut(&tenant.id) else { return Ok(false) };
        let mut ready = Vec::new();
        let mut seen = HashMap::new();
        for file in waiting {
            if !inbox.triggers.iter().any(|trigger| trigger.matches(&file.name)) {
                continue;
            }
            let since = match inbox.seen.get(&file.name) {
                Some((before, since)) if *before == file => *since,
                _ => now,
            };
            if now.since(since) >= patience(&inbox.triggers, &file.name) {
                ready.push(file.name.clone());
            }
            seen.insert(file.name.clone(), (file, since));
        }
        inbox.seen = seen;
        let any = !ready.is_empty();
        for name in ready {
            // A tenant whose queue is full keeps its files where they are.
            self.service.admit(tenant)?;
            let event = EventId::new(self.service.clock.now_ms());
            if self.service.store.take_from_inbox(tenant.id, &name, event).await? {
                self.accept(tenant, event, &name).await?;
            }
            if let Some(inbox) = self.inboxes.get_mut(&tenant.id) {
                inbox.seen.remove(&name);
            }
        }
        Ok(any)
    }

    /// Makes a file in `processing` an event, or says why not and puts it aside.
    async fn accept(&self, tenant: &Arc<Tenant>, event: EventId, name: &str) -> Result<()> {
        let (store, id) = (&self.service.store, tenant.id);
        let limit = self.service.config.files.max_bytes.as_usize() as u64;
        let why = match store.read_processing(id, event, name, limit).await? {
            Content::Gone => return Ok(()),
            Content::Bytes(bytes) => match self.service.accept_file(tenant, event, name, bytes).await? {
                Taken::Accepted => return Ok(()),
                Taken::Unreadable => "its content is not what its extension says",
            },
            Content::TooLarge(_) => "it is larger than files.max-bytes",
            Content::Strange => "it is no plain file with one name",
        };
        tracing::warn!(tenant = %id, %event, why, "a file was refused");
        self.service.refuse_file(tenant, event, name, why).await?;
        store.finish_file(id, event, name, Ending::Failed).await
    }
}

/// How long a file of that name must be left alone: what the most patient trigger wants.
fn patience(triggers: &[FileTrigger], name: &str) -> Duration {
    let wants = triggers.iter().filter(|trigger| trigger.matches(name)).map(|trigger| trigger.stable_ms);
    Duration::from_millis(wants.max().unwrap_or_default())
}
