//! Several workflows applied together: every file is checked, then all of them become revisions in one transaction,
//! and those that are pruned are deleted in it. Either all of it happens or nothing.
//!
//! **Invariant:** webhook paths are compared with the tenant as it will be, so a path may move from one workflow of a
//! set to another, and no order of the files matters.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tenantry_protocol::error::{ErrorCode, Finding, Severity};
use tenantry_protocol::permission::Permission;
use tenantry_protocol::workflow::{Applied, WorkflowFile, WorkflowSet, WorkflowSetApplied, WorkflowSetItem};
use tenantry_workflow::{Format, Workflow};

use super::{Revising, remove, revise};
use crate::error::{Error, Result};
use crate::service::catalog::TenantCatalog;
use crate::service::directory::Tenant;
use crate::service::{Authorized, Service};

/// Files that are applied together at the most.
const FILES_LIMIT: usize = 1_000;

/// A file that was found to be right.
struct Entry {
    file: String,
    source: String,
    format: Format,
    workflow: Workflow,
}

impl Service {
    /// Applies several workflows and deletes those named in `prune`: all or nothing.
    pub async fn apply_workflows(
        self: &Arc<Self>,
        by: &Authorized,
        set: WorkflowSet,
    ) -> Result<WorkflowSetApplied> {
        let tenant = by.require_tenant(Permission::WorkflowEdit)?;
        let WorkflowSet { files, prune, dry_run } = set;
        let (entries, mut findings) = check(files)?;
        let _turn = self.applying.lock().await;
        let catalog = self.catalog.of(tenant.id).await?;
        let prune = prunable(&catalog, &entries, prune)?;
        refuse_shared_paths(&catalog, &entries, &prune)?;
        let all: Vec<_> = entries.iter().map(|entry| (entry.file.as_str(), &entry.workflow)).collect();
        findings.extend(self.beyond(tenant, &catalog, &all).await?);
        if dry_run {
            let workflows = self.would_apply_all(tenant, &catalog, &entries, &prune).await?;
            return Ok(WorkflowSetApplied { workflows, findings });
        }
        let mut doomed = Vec::with_capacity(prune.len());
        for name in &prune {
            let live = catalog.workflows.get(name).ok_or_else(|| Error::not_found("workflow", name))?;
            doomed.push((live.id, name.clone()));
        }
        let files: Vec<(String, String)> =
            entries.iter().map(|entry| (entry.workflow.name.clone(), entry.file.clone())).collect();
        let news: Vec<Revising> = entries
            .into_iter()
            .map(|Entry { source, format, workflow, .. }| Revising {
                name: workflow.name.clone(),
                format,
                source,
                workflow,
            })
            .collect();
        let context = by.context.clone();
        let applied = self
            .change(tenant, move |ledger| {
                for (id, name) in &doomed {
                    remove(ledger, &context, *id, name)?;
                }
                news.iter().map(|new| revise(ledger, &context, new)).collect::<Result<Vec<_>>>()
            })
            .await?;
        self.catalog.changed(tenant.id);
        let catalog = self.catalog.of(tenant.id).await?;
        let mut workflows = Vec::with_capacity(files.len() + prune.len());
        for ((name, file), applied) in files.into_iter().zip(applied) {
            let revision = catalog.workflows.get(&name).map(|live| live.revision);
            workflows.push(WorkflowSetItem { name, applied, file: Some(file), revision });
        }
        workflows.extend(prune.into_iter().map(pruned));
        Ok(WorkflowSetApplied { workflows, findings })
    }

    async fn would_apply_all(
        &self,
        tenant: &Tenant,
        catalog: &TenantCatalog,
        entries: &[Entry],
        prune: &BTreeSet<String>,
    ) -> Result<Vec<WorkflowSetItem>> {
        let mut workflows = Vec::with_capacity(entries.len() + prune.len());
        for entry in entries {
            let name = entry.workflow.name.clone();
            let live = catalog.workflows.get(&name);
            let applied = self.would_apply(tenant, live, &entry.source).await?;
            let revision = live.map(|live| live.revision);
            workflows.push(WorkflowSetItem { name, applied, file: Some(entry.file.clone()), revision });
        }
        workflows.extend(prune.iter().cloned().map(pruned));
        Ok(workflows)
    }
}

fn pruned(name: String) -> WorkflowSetItem {
    WorkflowSetItem { name, applied: Applied::Pruned, file: None, revision: None }
}

/// Checks every file, so that all findings are told at once; the second part are those that refuse nothing.
fn check(files: Vec<WorkflowFile>) -> Result<(Vec<Entry>, Vec<Finding>)> {
    if files.len() > FILES_LIMIT {
        let detail = format!("a set holds at most {FILES_LIMIT} workflows");
        return Err(Error::new(ErrorCode::BadRequest, detail));
    }
    let (mut entries, mut findings) = (Vec::with_capacity(files.len()), Vec::new());
    let mut first: HashMap<String, String> = HashMap::new();
    for WorkflowFile { file, source } in files {
        let format = Format::of_path(&file);
        let checked = tenantry_workflow::check(&file, &source, format);
        findings.extend(checked.findings);
        let Some(workflow) = checked.workflow else { continue };
        if let Some(other) = first.insert(workflow.name.clone(), file.clone()) {
            findings.push(tenantry_workflow::duplicate_workflow(&workflow.name, &file, &other));
        }
        entries.push(Entry { file, source, format, workflow });
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if errors == 0 {
        return Ok((entries, findings));
    }
    let detail = format!("nothing was applied: {errors} error{}", if errors == 1 { "" } else { "s" });
    Err(Error::new(ErrorCode::InvalidWorkflow, detail).with_findings(findings))
}

/// The workflows to delete, each once. What is applied cannot be pruned; what is gone was decided on old knowledge.
fn prunable(catalog: &TenantCatalog, entries: &[Entry], prune: Vec<String>) -> Result<BTreeSet<String>> {
    let prune: BTreeSet<String> = prune.into_iter().collect();
    if let Some(entry) = entries.iter().find(|entry| prune.contains(&entry.workflow.name)) {
        let detail = format!("workflow {} is both applied and pruned", entry.workflow.name);
        return Err(Error::new(ErrorCode::BadRequest, detail));
    }
    if let Some(gone) = prune.iter().find(|name| !catalog.workflows.contains_key(*name)) {
        let shown = crate::service::cursor::shown(gone);
        let detail = format!("workflow {shown}, which was to be pruned, is not there any more");
        return Err(Error::new(ErrorCode::Conflict, detail));
    }
    Ok(prune)
}

fn refuse_shared_paths(catalog: &TenantCatalog, entries: &[Entry], prune: &BTreeSet<String>) -> Result<()> {
    let replaced: BTreeSet<&str> = entries.iter().map(|entry| entry.workflow.name.as_str()).collect();
    // Disabled workflows keep their paths: enabling one must not take another's.
    let staying = catalog
        .workflows
        .values()
        .filter(|live| !replaced.contains(live.name.as_str()) && !prune.contains(&live.name));
    let all = staying.map(|live| &live.workflow).chain(entries.iter().map(|entry| &entry.workflow));
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for workflow in all {
        for hook in &workflow.triggers.webhooks {
            let owner = owners.insert(&hook.path, &workflow.name);
            if let Some(owner) = owner.filter(|owner| *owner != workflow.name) {
                let detail = format!("workflow {owner} listens on webhook path {} already", hook.path);
                return Err(Error::new(ErrorCode::Conflict, detail));
            }
        }
    }
    Ok(())
}
