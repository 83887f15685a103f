//! A tenant's workflows, compiled, and its channels: what the ingress and the stages look up for every event.
//!
//! Read from the tenant's file on first use and again after every change. A run keeps the revision it started with,
//! so older revisions are compiled on demand and kept while there is room.
//! **Invariant:** what is in here was read after the last commit that changed it: [`Catalog::changed`] makes a
//! reading that began earlier be thrown away.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{TenantId, WorkflowId};
use tenantry_protocol::state::RunState;
use tenantry_workflow::{Format, NotifyOn, Workflow};

use crate::error::{Error, Result};
use crate::store::tenant::channels::{self, Channel};
use crate::store::tenant::{revisions, workflows};
use crate::store::{PAGE_LIMIT, ReadTx, Store};

/// Tenants whose workflows are kept compiled.
const TENANTS_KEPT: usize = 1_024;
/// Older revisions that are kept compiled, over all tenants.
const REVISIONS_KEPT: usize = 512;

/// One revision of a workflow, compiled.
#[derive(Debug)]
pub struct Live {
    /// The workflow.
    pub id: WorkflowId,
    /// Its name.
    pub name: String,
    /// The revision.
    pub revision: u32,
    /// Whether its triggers fire.
    pub enabled: bool,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// The compiled definition.
    pub workflow: Workflow,
    /// Whether a notification rule asks how the run before ended.
    pub asks_previous: bool,
    /// `workflow` as expressions see it.
    pub value: serde_json::Value,
}

/// What one tenant has.
#[derive(Debug, Default)]
pub struct TenantCatalog {
    /// By name, the newest revision of each.
    pub workflows: BTreeMap<String, Arc<Live>>,
    /// By webhook path: the workflow and the position of its webhook trigger. Only enabled workflows.
    pub hooks: HashMap<String, (Arc<Live>, usize)>,
    /// Enabled workflows that ends of other workflows' runs start.
    pub waiting_for_ends: Vec<Arc<Live>>,
    /// By name.
    pub channels: HashMap<String, Arc<Channel>>,
    /// `vars` as expressions see it.
    pub vars: Arc<serde_json::Value>,
}

impl TenantCatalog {
    /// The workflows that the end of a run starts, before their conditions are asked. Never the workflow itself.
    pub fn started_by_end<'c>(
        &'c self,
        workflow: &'c str,
        state: RunState,
    ) -> impl Iterator<Item = &'c Arc<Live>> {
        self.waiting_for_ends.iter().filter(move |live| {
            live.name != workflow
                && live.workflow.triggers.workflows.iter().any(|trigger| trigger.matches(workflow, state))
        })
    }

    /// The workflow of that name or id.
    pub fn workflow(&self, name_or_id: &str) -> Option<&Arc<Live>> {
        if let Some(live) = self.workflows.get(name_or_id) {
            return Some(live);
        }
        let id = name_or_id.parse::<WorkflowId>().ok()?;
        self.workflows.values().find(|live| live.id == id)
    }
}

#[derive(Default)]
struct Cache {
    tenants: HashMap<TenantId, Arc<TenantCatalog>>,
    /// Counted up at every change; a reading that began before it is not kept.
    generations: HashMap<TenantId, u64>,
    revisions: HashMap<(TenantId, WorkflowId, u32), Arc<Live>>,
}

/// The catalogs of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    store: Store,
    cache: Arc<Mutex<Cache>>,
}

impl Catalog {
    /// An empty catalog over the store.
    pub fn new(store: Store) -> Self {
        Self { store, cache: Arc::default() }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the tenant has, read now if it is not in memory.
    pub async fn of(&self, tenant: TenantId) -> Result<Arc<TenantCatalog>> {
        loop {
            let generation = {
                let cache = self.cache();
                if let Some(catalog) = cache.tenants.get(&tenant) {
                    return Ok(Arc::clone(catalog));
                }
                cache.generations.get(&tenant).copied().unwrap_or_default()
            };
            let catalog = Arc::new(self.store.tenant(tenant)?.read(read).await?);
            let mut cache = self.cache();
            if cache.generations.get(&tenant).copied().unwrap_or_default() != generation {
                continue;
            }
            evict(&mut cache.tenants, TENANTS_KEPT);
            cache.tenants.insert(tenant, Arc::clone(&catalog));
            return Ok(catalog);
        }
    }

    /// Says that workflows, channels or variables of the tenant have changed. Call it after the commit.
    pub fn changed(&self, tenant: TenantId) {
        let mut cache = self.cache();
        *cache.generations.entry(tenant).or_default() += 1;
        cache.tenants.remove(&tenant);
    }

    /// One revision, compiled. The newest one comes from the tenant's catalog.
    pub async fn revision(&self, tenant: TenantId, workflow: WorkflowId, number: u32) -> Result<Arc<Live>> {
        let key = (tenant, workflow, number);
        if let Some(live) = self.cached_revision(key) {
            return Ok(live);
        }
        let file = self.store.tenant(tenant)?;
        let live = Arc::new(file.read(move |tx| read_revision(tx, workflow, number)).await?);
        let mut cache = self.cache();
        evict(&mut cache.revisions, REVISIONS_KEPT);
        cache.revisions.insert(key, Arc::clone(&live));
        Ok(live)
    }

    fn cached_revision(&self, key: (TenantId, WorkflowId, u32)) -> Option<Arc<Live>> {
        let cache = self.cache();
        let (tenant, workflow, number) = key;
        let newest = cache.tenants.get(&tenant).and_then(|catalog| {
            catalog.workflows.values().find(|live| live.id == workflow && live.revision == number)
        });
        newest.or_else(|| cache.revisions.get(&key)).cloned()
    }
}

/// Makes room by forgetting any entry: whatever is needed again is read again.
fn evict<K: Copy + Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>, limit: usize) {
    if map.len() >= limit
        && let Some(key) = map.keys().next().copied()
    {
        map.remove(&key);
    }
}

fn read(tx: &ReadTx<'_>) -> Result<TenantCatalog> {
    let mut catalog = TenantCatalog::default();
    let mut after = String::new();
    loop {
        let page = workflows::list(tx, &after, PAGE_LIMIT)?;
        for row in &page {
            let live = match compile(row, &revision(tx, row.id, row.revision)?) {
                Ok(live) => Arc::new(live),
                Err(error) => {
                    // The tenant's other workflows go on.
                    tracing::error!(workflow = %row.id, detail = error.detail(), "workflow is not served");
                    continue;
                }
            };
            if row.enabled {
                for (index, hook) in live.workflow.triggers.webhooks.iter().enumerate() {
                    catalog.hooks.insert(hook.path.clone(), (Arc::clone(&live), index));
                }
                if !live.workflow.triggers.workflows.is_empty() {
                    catalog.waiting_for_ends.push(Arc::clone(&live));
                }
            }
            catalog.workflows.insert(row.name.clone(), live);
        }
        match page.last() {
            Some(last) if page.len() == PAGE_LIMIT as usize => after.clone_from(&last.name),
            _ => break,
        }
    }
    for channel in channels::list(tx, "", PAGE_LIMIT)? {
        catalog.channels.insert(channel.name.clone(), Arc::new(channel));
    }
    catalog.vars = Arc::new(super::variables::all(tx)?);
    Ok(catalog)
}

fn read_revision(tx: &ReadTx<'_>, workflow: WorkflowId, number: u32) -> Result<Live> {
    let row = workflows::get(tx, workflow)?.ok_or_else(|| Error::not_found("workflow", workflow))?;
    compile(&row, &revision(tx, workflow, number)?)
}

fn revision(tx: &ReadTx<'_>, workflow: WorkflowId, number: u32) -> Result<revisions::Revision> {
    revisions::get(tx, workflow, number)?
        .ok_or_else(|| Error::not_found("revision", format!("{number} of {workflow}")))
}

fn compile(row: &workflows::Workflow, revision: &revisions::Revision) -> Result<Live> {
    let format = revision.format.parse::<Format>().unwrap_or(Format::Yaml);
    let checked = tenantry_workflow::check(&row.name, &revision.source, format);
    // An older release accepted it: a stricter one must say which workflow it no longer understands.
    let Some(workflow) = checked.workflow else {
        let detail =
            format!("revision {} of workflow {} is not valid for this release", revision.number, row.name);
        return Err(Error::new(ErrorCode::InvalidWorkflow, detail).with_findings(checked.findings));
    };
    let asks_previous = workflow.notify.iter().any(|rule| rule.on.contains(&NotifyOn::Recovery));
    Ok(Live {
        id: row.id,
        name: row.name.clone(),
        revision: revision.number,
        enabled: row.enabled,
        created_at: row.created_at,
        updated_at: row.updated_at,
        workflow,
        asks_previous,
        value: json!({ "id": row.id, "name": row.name, "revision": revision.number }),
    })
}
