//! Workflows: applied as numbered revisions, enabled, disabled, deleted.
//!
//! **Invariant:** a webhook path belongs to one workflow of a tenant; a collision is refused when it is applied.

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde_json::json;
use tenantry_protocol::error::{ErrorCode, Finding};
use tenantry_protocol::feed::Change;
use tenantry_protocol::id::WorkflowId;
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::Permission;
use tenantry_protocol::workflow::{
    Applied, RevisionView, WorkflowApplied, WorkflowApply, WorkflowUpdate, WorkflowView,
};
use tenantry_workflow::{Format, Triggers, Workflow};

use self::view::{Known, view};
use super::catalog::{Live, TenantCatalog};
use super::cursor;
use super::directory::Tenant;
use super::ledger::Ledger;
use super::{Authorized, Service, files, schedules};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::store::PAGE_LIMIT;
use crate::store::tenant::workflows::Listening;
use crate::store::tenant::{revisions, secrets, workflows};

mod set;
mod view;

impl Service {
    /// Applies a workflow: all findings at once, or a new revision, or nothing if nothing changed.
    pub async fn apply_workflow(
        self: &Arc<Self>,
        by: &Authorized,
        apply: WorkflowApply,
    ) -> Result<WorkflowApplied> {
        let tenant = by.require_tenant(Permission::WorkflowEdit)?;
        let WorkflowApply { file, source, dry_run } = apply;
        let format = Format::of_path(&file);
        let checked = tenantry_workflow::check(&file, &source, format);
        let Some(workflow) = checked.workflow else {
            let count = checked.findings.len();
            let detail = format!("{file} has {count} finding{}", if count == 1 { "" } else { "s" });
            return Err(Error::new(ErrorCode::InvalidWorkflow, detail).with_findings(checked.findings));
        };
        // One after another, so that two workflows cannot take the same path at the same time.
        let _turn = self.applying.lock().await;
        let catalog = self.catalog.of(tenant.id).await?;
        refuse_taken_paths(&catalog, &workflow)?;
        let mut findings = checked.findings;
        findings.extend(self.beyond(tenant, &catalog, &[(&file, &workflow)]).await?);
        let name = workflow.name.clone();
        if dry_run {
            let live = catalog.workflows.get(&name);
            let applied = self.would_apply(tenant, live, &source).await?;
            let known = self.known(tenant).await?;
            let workflow = live.map(|live| view(tenant, live, &known));
            return Ok(WorkflowApplied { applied, workflow, findings });
        }
        let context = by.context.clone();
        let new = Revising { name: name.clone(), format, source, workflow };
        let applied = self.change(tenant, move |ledger| revise(ledger, &context, &new)).await?;
        self.catalog.changed(tenant.id);
        let catalog = self.catalog.of(tenant.id).await?;
        let known = self.known(tenant).await?;
        let workflow = catalog.workflows.get(&name).map(|live| view(tenant, live, &known));
        Ok(WorkflowApplied { applied, workflow, findings })
    }

    /// What the time and the tenant say about workflows that are right by themselves.
    async fn beyond(
        &self,
        tenant: &Tenant,
        catalog: &TenantCatalog,
        workflows: &[(&str, &Workflow)],
    ) -> Result<Vec<Finding>> {
        let secrets = self.known(tenant).await?.secrets;
        let now = self.clock.now_ms();
        let of = |(file, workflow): &(&str, &Workflow)| {
            let mut findings = tenantry_workflow::past_instants(workflow, file, now);
            findings.extend(tenantry_workflow::missing(
                workflow,
                file,
                |name| secrets.contains(name),
                |name| catalog.vars.get(name).is_some(),
                |name| catalog.channels.contains_key(name),
            ));
            findings
        };
        Ok(workflows.iter().flat_map(of).collect())
    }

    /// What is known beside a workflow.
    async fn known(&self, tenant: &Tenant) -> Result<Known<'_>> {
        let rows = self.store.tenant(tenant.id)?.read(|tx| secrets::list(tx, "", PAGE_LIMIT)).await?;
        let public_url = self.public_url.get().map_or("", String::as_str);
        Ok(Known { public_url, secrets: rows.into_iter().map(|row| row.name).collect() })
    }

    async fn would_apply(&self, tenant: &Tenant, live: Option<&Arc<Live>>, source: &str) -> Result<Applied> {
        let Some(live) = live else { return Ok(Applied::Created) };
        let (id, number, hash) = (live.id, live.revision, sha256(source));
        let file = self.store.tenant(tenant.id)?;
        let current = file.read(move |tx| revisions::get(tx, id, number)).await?;
        let same = current.is_some_and(|revision| revision.sha256 == hash);
        Ok(if same { Applied::Unchanged } else { Applied::Updated })
    }

    /// Lists workflows by name.
    pub async fn list_workflows(&self, by: &Authorized, query: &PageQuery) -> Result<Page<WorkflowView>> {
        let tenant = by.require_tenant(Permission::WorkflowRead)?;
        let (after, size) = (query.after.clone().unwrap_or_default(), query.size());
        let catalog = self.catalog.of(tenant.id).await?;
        let known = self.known(tenant).await?;
        let rows = catalog.workflows.values().filter(|live| live.name > after);
        let rows: Vec<_> = rows.take(usize::try_from(size).unwrap_or(usize::MAX)).cloned().collect();
        Ok(cursor::page(rows, size, |live| live.name.clone(), |live| view(tenant, &live, &known)))
    }

    /// Shows a workflow.
    pub async fn get_workflow(&self, by: &Authorized, name: &str) -> Result<WorkflowView> {
        let tenant = by.require_tenant(Permission::WorkflowRead)?;
        Ok(view(tenant, &*self.workflow(tenant, name).await?, &self.known(tenant).await?))
    }

    pub(super) async fn workflow(&self, tenant: &Tenant, name: &str) -> Result<Arc<Live>> {
        let catalog = self.catalog.of(tenant.id).await?;
        catalog.workflow(name).cloned().ok_or_else(|| Error::not_found("workflow", cursor::shown(name)))
    }

    /// Enables or disables a workflow.
    pub async fn update_workflow(
        self: &Arc<Self>,
        by: &Authorized,
        name: &str,
        update: WorkflowUpdate,
    ) -> Result<WorkflowView> {
        let tenant = by.require_tenant(Permission::WorkflowEdit)?;
        let live = self.workflow(tenant, name).await?;
        let (id, shown, context) = (live.id, live.name.clone(), by.context.clone());
        let triggers = Arc::clone(&live);
        let (listening, verb) = if update.enabled {
            (Listening::Enabled, "workflow.enable")
        } else {
            (Listening::Disabled, "workflow.disable")
        };
        self.change(tenant, move |ledger| {
            if !workflows::set_listening(ledger.tx, id, listening, ledger.now)? {
                return Err(Error::not_found("workflow", id));
            }
            started_by_itself(ledger, id, &triggers.workflow.triggers, listening)?;
            ledger.change(|| Change::Workflow { name: shown.clone() });
            ledger.audit_by(&context, verb, &id.to_string(), &json!({ "name": shown }))
        })
        .await?;
        self.catalog.changed(tenant.id);
        Ok(view(tenant, &*self.workflow(tenant, &live.name).await?, &self.known(tenant).await?))
    }

    /// Deletes a workflow; its runs are kept.
    pub async fn delete_workflow(self: &Arc<Self>, by: &Authorized, name: &str) -> Result<()> {
        let tenant = by.require_tenant(Permission::WorkflowEdit)?;
        let live = self.workflow(tenant, name).await?;
        let (id, shown, context) = (live.id, live.name.clone(), by.context.clone());
        self.change(tenant, move |ledger| remove(ledger, &context, id, &shown)).await?;
        self.catalog.changed(tenant.id);
        Ok(())
    }

    /// Lists the revisions of a workflow, newest first.
    pub async fn list_revisions(
        &self,
        by: &Authorized,
        name: &str,
        query: &PageQuery,
    ) -> Result<Page<RevisionView>> {
        let tenant = by.require_tenant(Permission::WorkflowRead)?;
        let id = self.workflow(tenant, name).await?.id;
        let (after, size) = (cursor::id::<u32>(query.after.as_deref())?, query.size());
        let file = self.store.tenant(tenant.id)?;
        let rows = file.read(move |tx| revisions::list(tx, id, after, size)).await?;
        let view = |row| RevisionView { source: None, ..revision_view(row) };
        Ok(cursor::page(rows, size, |row| row.number.to_string(), view))
    }

    /// Shows a revision with its source.
    pub async fn get_revision(&self, by: &Authorized, name: &str, number: &str) -> Result<RevisionView> {
        let tenant = by.require_tenant(Permission::WorkflowRead)?;
        let id = self.workflow(tenant, name).await?.id;
        let number = cursor::parse::<u32>(number, "revision")?;
        let row = self.store.tenant(tenant.id)?.read(move |tx| revisions::get(tx, id, number)).await?;
        row.map(revision_view).ok_or_else(|| Error::not_found("revision", number))
    }
}

struct Revising {
    name: String,
    format: Format,
    source: String,
    workflow: Workflow,
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

fn revise(ledger: &mut Ledger<'_>, by: &Context, new: &Revising) -> Result<Applied> {
    let (now, sha256) = (ledger.now, sha256(&new.source));
    let existing = workflows::by_name(ledger.tx, &new.name)?;
    let (id, number, applied) = match &existing {
        None => (WorkflowId::new(now), 1, Applied::Created),
        Some(row) => {
            let current = revisions::get(ledger.tx, row.id, row.revision)?;
            if current.is_some_and(|revision| revision.sha256 == sha256) {
                return Ok(Applied::Unchanged);
            }
            let newest = revisions::list(ledger.tx, row.id, None, 1)?.first().map_or(0, |r| r.number);
            (row.id, newest + 1, Applied::Updated)
        }
    };
    let enabled = existing.as_ref().is_none_or(|row| row.enabled);
    if existing.is_none() {
        let row = workflows::Workflow {
            id,
            name: new.name.clone(),
            enabled: true,
            revision: number,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        };
        workflows::insert(ledger.tx, &row)?;
    }
    let revision = revisions::Revision {
        workflow_id: id,
        number,
        format: new.format.as_str().to_owned(),
        source: new.source.clone(),
        sha256,
        created_at: now,
        created_by: by.actor(),
    };
    revisions::insert(ledger.tx, &revision)?;
    if let Some(row) = existing {
        workflows::set_revision(ledger.tx, id, row.revision, number, now)?;
    }
    let listening = if enabled { Listening::Enabled } else { Listening::Disabled };
    started_by_itself(ledger, id, &new.workflow.triggers, listening)?;
    ledger.change(|| Change::Workflow { name: new.name.clone() });
    let detail = json!({ "name": new.name, "revision": number, "applied": applied });
    ledger.audit_by(by, "workflow.apply", &id.to_string(), &detail)?;
    Ok(applied)
}

fn remove(ledger: &mut Ledger<'_>, by: &Context, id: WorkflowId, name: &str) -> Result<()> {
    if !workflows::delete(ledger.tx, id, ledger.now)? {
        return Err(Error::not_found("workflow", id));
    }
    started_by_itself(ledger, id, &Triggers::default(), Listening::Disabled)?;
    ledger.change(|| Change::Workflow { name: name.to_owned() });
    ledger.audit_by(by, "workflow.delete", &id.to_string(), &json!({ "name": name }))
}

/// Makes the rows of the triggers that nobody sends those of the revision that new runs take.
fn started_by_itself(
    ledger: &mut Ledger<'_>,
    id: WorkflowId,
    triggers: &Triggers,
    listening: Listening,
) -> Result<()> {
    schedules::entries::sync(ledger, id, &triggers.schedules, listening)?;
    files::sync(ledger, id, &triggers.files, listening)
}

fn refuse_taken_paths(catalog: &TenantCatalog, workflow: &Workflow) -> Result<()> {
    for hook in &workflow.triggers.webhooks {
        // Disabled workflows keep their paths: enabling one must not take another's.
        let listens = |live: &&Arc<Live>| live.workflow.triggers.webhooks.iter().any(|h| h.path == hook.path);
        let mut others = catalog.workflows.values().filter(|live| live.name != workflow.name);
        if let Some(owner) = others.find(listens) {
            let detail = format!("workflow {} listens on webhook path {} already", owner.name, hook.path);
            return Err(Error::new(ErrorCode::Conflict, detail));
        }
    }
    Ok(())
}

fn revision_view(row: revisions::Revision) -> RevisionView {
    RevisionView {
        number: row.number,
        format: row.format,
        sha256: tenantry_protocol::merkle::record::to_hex(&row.sha256),
        created_by: row.created_by,
        created_at: row.created_at,
        source: Some(row.source),
    }
}
