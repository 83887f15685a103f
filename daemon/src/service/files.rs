//! Files: which names a tenant waits for, a file becomes an event, and whether the runs of it have ended.
//!
//! **Invariant:** a file is an event once: its event's id is part of its name in `processing` before the event is
//! there. Go to `watch::files` for who moves the files.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tenantry_protocol::id::{EventId, TenantId, WorkflowId};
use tenantry_protocol::state::{EventKind, JobState, RunState, StageName};
use tenantry_workflow::FileTrigger;
use tokio::sync::Notify;

use super::Service;
use super::directory::Tenant;
use super::event::Event;
use super::events::{insert_event_by, run_of};
use super::ledger::Ledger;
use super::material::EventMaterial;
use crate::error::Result;
use crate::store::inbox::Ending;
use crate::store::tenant::files::{self, OpenFile};
use crate::store::tenant::workflows::{self, Listening};
use crate::store::tenant::{events, jobs, runs};
use crate::store::{Lane, PAGE_LIMIT, ReadTx};

/// Files in `processing` that one look asks about.
const FILES_AT_ONCE: u32 = 200;
/// Who brings a file, as in the audit log.
const ACTOR: &str = "system:file";

/// Which tenants' inbox folders must be looked at; cheap to clone.
#[derive(Clone, Default)]
pub struct Files {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    marked: Mutex<Marked>,
    nudge: Notify,
}

#[derive(Default)]
struct Marked {
    look: HashSet<TenantId>,
    /// Tenants with files whose runs have not all ended.
    open: HashSet<TenantId>,
}

impl Files {
    fn lock(&self) -> MutexGuard<'_, Marked> {
        self.shared.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant's triggers or files may have changed.
    pub fn look(&self, tenant: TenantId) {
        self.lock().look.insert(tenant);
        self.shared.nudge.notify_one();
    }

    /// A run of the tenant has ended.
    pub fn run_ended(&self, tenant: TenantId) {
        let waited_for = self.lock().open.contains(&tenant);
        if waited_for {
            self.look(tenant);
        }
    }

    /// Whether the tenant has files whose runs have not all ended.
    pub fn set_open(&self, tenant: TenantId, open: bool) {
        let mut marked = self.lock();
        if open {
            marked.open.insert(tenant);
        } else {
            marked.open.remove(&tenant);
        }
    }

    /// The tenant is no longer served; whoever watches its folder finds that out.
    pub fn forget(&self, tenant: TenantId) {
        self.set_open(tenant, false);
        self.look(tenant);
    }

    /// Takes the tenants that must be looked at.
    pub fn take(&self) -> Vec<TenantId> {
        self.lock().look.drain().collect()
    }

    /// Waits until there may be one.
    pub async fn nudged(&self) {
        self.shared.nudge.notified().await;
    }
}

/// Makes the rows those of the triggers, while the workflow is enabled.
pub(super) fn sync(
    ledger: &mut Ledger<'_>,
    workflow: WorkflowId,
    triggers: &[FileTrigger],
    listening: Listening,
) -> Result<()> {
    files::clear(ledger.tx, workflow)?;
    if listening == Listening::Enabled {
        for trigger in triggers {
            files::put(ledger.tx, workflow, &trigger.pattern, trigger.stable_ms)?;
        }
    }
    let (hints, tenant) = (ledger.service().files.clone(), ledger.tenant.id);
    ledger.tx.on_commit(move || hints.look(tenant));
    Ok(())
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is an event now, or was one before.
    Accepted,
    /// Its content is not what its name says.
    Unreadable,
}

impl Service {
    /// What a tenant waits for.
    pub async fn file_triggers(&self, tenant: TenantId) -> Result<Vec<FileTrigger>> {
        let rows = self.store.tenant(tenant)?.read(|tx| files::triggers(tx, PAGE_LIMIT)).await?;
        let trigger =
            |row: files::FileTrigger| FileTrigger { pattern: row.pattern, stable_ms: row.stable_ms };
        Ok(rows.into_iter().map(trigger).collect())
    }

    /// Makes a file in `processing` an event, unless it is one.
    pub async fn accept_file(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        id: EventId,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<Taken> {
        self.admit(tenant)?;
        let event = Event {
            id,
            kind: EventKind::File,
            source: name.to_owned(),
            method: None,
            content_type: content_type(name).map(str::to_owned),
            headers: "{}".to_owned(),
            query: None,
            body: bytes.into(),
            received_at: self.clock.now_ms(),
            depth: 0,
        };
        let Ok(value) = event.value() else { return Ok(Taken::Unreadable) };
        let material = EventMaterial { event: Arc::new(event), value };
        let blob = self.store_body(tenant.id, &material.event).await?;
        let (service, entry, name) = (Arc::clone(self), Arc::clone(tenant), name.to_owned());
        let write = self.store.tenant(tenant.id)?.write(StageName::Trigger, move |tx| {
            if events::is_there(tx, id)? {
                return Ok(Taken::Accepted);
            }
            let mut ledger = Ledger::new(service, entry, tx);
            let size = material.event.body.len();
            insert_event_by(&mut ledger, &material, blob, ACTOR)?;
            if let Some(job) = jobs::newest(tx)? {
                files::open(tx, &OpenFile { event: id, name: name.clone(), job })?;
            }
            let detail = json!({ "kind": EventKind::File, "name": name, "bytes": size });
            ledger.audit(ACTOR, "event.accept", &id.to_string(), "ok", &detail)?;
            ledger.seal();
            Ok(Taken::Accepted)
        });
        write.await
    }

    /// Whether the tenant has the event.
    pub async fn has_event(&self, tenant: TenantId, id: EventId) -> Result<bool> {
        self.store.tenant(tenant)?.read(move |tx| events::is_there(tx, id)).await
    }

    /// Records why a file became no event.
    pub async fn refuse_file(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        id: EventId,
        name: &str,
        why: &'static str,
    ) -> Result<()> {
        let detail = json!({ "name": name, "reason": why });
        self.change(tenant, move |ledger| {
            ledger.audit(ACTOR, "file.refuse", &id.to_string(), "refused", &detail)
        })
        .await
    }

    /// The files whose events are there, with how they ended if they have.
    pub async fn opened_files(&self, tenant: TenantId) -> Result<Vec<(OpenFile, Option<Ending>)>> {
        let read = self.store.tenant(tenant)?.read(|tx| {
            let opened = files::opened(tx, None, FILES_AT_ONCE)?;
            let workflows = if opened.is_empty() { Vec::new() } else { workflows_of(tx)? };
            let with_ending = |file: OpenFile| {
                let ending = ending(tx, &file, &workflows)?;
                Ok((file, ending))
            };
            opened.into_iter().map(with_ending).collect::<Result<Vec<_>>>()
        });
        read.await
    }

    /// Forgets a file that has been moved away.
    pub async fn close_file(&self, tenant: TenantId, event: EventId) -> Result<()> {
        self.store.tenant(tenant)?.write(Lane::Api, move |tx| files::close(tx, event)).await
    }
}

fn workflows_of(tx: &ReadTx<'_>) -> Result<Vec<WorkflowId>> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = workflows::list(tx, &after, PAGE_LIMIT)?;
        ids.extend(page.iter().map(|row| row.id));
        match page.last() {
            Some(last) if page.len() == PAGE_LIMIT as usize => after.clone_from(&last.name),
            _ => return Ok(ids),
        }
    }
}

/// How a file ended: nothing yet while its event is on its way or a run of it goes on.
fn ending(tx: &ReadTx<'_>, file: &OpenFile, workflows: &[WorkflowId]) -> Result<Option<Ending>> {
    let (seq, job) = file.job;
    match jobs::find(tx, seq, job)? {
        None => {}
        Some(JobState::Dead) => return Ok(Some(Ending::Failed)),
        Some(JobState::Ready | JobState::Leased) => return Ok(None),
    }
    let mut ending = Ending::Done;
    for workflow in workflows {
        match runs::state(tx, run_of(file.event, *workflow))? {
            None | Some(RunState::Succeeded) => {}
            Some(state) if state.is_terminal() => ending = Ending::Failed,
            Some(_) => return Ok(None),
        }
    }
    Ok(Some(ending))
}

/// What the extension says.
fn content_type(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "json" => Some("application/json"),
        "csv" => Some("text/csv"),
        "txt" | "md" | "log" => Some("text/plain"),
        "xml" => Some("application/xml"),
        "yaml" | "yml" => Some("application/yaml"),
        // The bytes decide.
        _ => None,
    }
}
