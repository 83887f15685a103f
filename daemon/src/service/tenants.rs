//! Tenants: created with a file of their own, suspended, resumed, restored, deleted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::feed::Change;
use tenantry_protocol::id::TenantId;
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::{Permission, is_name};
use tenantry_protocol::state::{StageName, TenantState};
use tenantry_protocol::tenant::{TenantCreate, TenantLimits, TenantUpdate, TenantView};

use super::directory::Tenant;
use super::{Authorized, Service, cursor};
use crate::auth::policy::{Decision, Target, decide};
use crate::context::Context;
use crate::egress::{BadEntry, TenantEgress};
use crate::error::{Error, Result};
use crate::store::control::tenants;
use crate::store::{Lane, PAGE_LIMIT, WriteTx, audit};

/// The longest title, in characters.
const TITLE_LIMIT: usize = 200;
/// A weight of this many shares is one job a turn.
const SHARES_A_JOB: u32 = 25;

impl Service {
    /// Reads the directory from control.db. Called once, at start.
    pub async fn load_directory(&self) -> Result<()> {
        let mut after = String::new();
        loop {
            let from = after.clone();
            let rows = self.store.control().read(move |tx| tenants::list(tx, &from, PAGE_LIMIT)).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after.clone_from(&last.name);
            for row in rows {
                if row.state == TenantState::Quarantined {
                    self.store.keep_aside(row.id);
                }
                self.serve(entry(row)?);
            }
        }
    }

    /// Adds or replaces a tenant in the directory and sets its share of the stages.
    fn serve(&self, tenant: Tenant) -> Arc<Tenant> {
        let weight = self.weight(&tenant.limits).div_ceil(SHARES_A_JOB);
        self.handover.set_weight(tenant.id, weight);
        self.directory.put(tenant)
    }

    fn weight(&self, limits: &TenantLimits) -> u32 {
        limits.weight.unwrap_or(self.config.tenant_defaults.weight).clamp(1, 1_000)
    }

    /// Creates a tenant: first its file, then the row that makes it known.
    pub async fn create_tenant(
        self: &Arc<Self>,
        by: &Authorized,
        create: TenantCreate,
    ) -> Result<TenantView> {
        by.require_host(Permission::TenantCreate)?;
        let TenantCreate { name, title, limits } = create;
        if !is_name(&name) {
            let detail = format!("{:?} is no name of a tenant", cursor::shown(&name));
            return Err(Error::new(ErrorCode::BadIdentifier, detail)
                .with_hint("lower-case letters, digits and inner dashes, at most 63 characters"));
        }
        check_title(title.as_deref())?;
        let (now, taken) = (self.clock.now_ms(), || {
            Error::new(ErrorCode::Conflict, format!("there is a tenant {name} already"))
        });
        if self.directory.find(&name).is_some() {
            return Err(taken());
        }
        let id = TenantId::new(now);
        let row = tenants::Tenant {
            id,
            name: name.clone(),
            title: title.unwrap_or_default(),
            state: TenantState::Active,
            weight: self.weight(&limits),
            limits: to_json(&limits)?,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        };
        let tenant = entry(row.clone())?;
        self.store.create_tenant(id).await?;
        let context = by.context.clone();
        let written = self.store.control().write(Lane::Api, move |tx| {
            tenants::insert(tx, &row)?;
            audit_host(tx, &context, now, "tenant.create", &id.to_string(), &json!({ "name": row.name }))
        });
        if let Err(error) = written.await {
            // The file belongs to nobody: the name was taken in between, or the host's file cannot be written.
            if let Err(left) = self.store.erase_tenant(id).await {
                tracing::warn!(tenant = %id, code = %left.code(), "the folder of a tenant that was not made is left behind");
            }
            return Err(if error.code() == ErrorCode::Conflict { taken() } else { error });
        }
        let tenant = self.serve(tenant);
        self.tell_tenant(&tenant);
        Ok(self.tenant_view(&tenant))
    }

    /// Lists the tenants that the caller may see, by name.
    pub fn list_tenants(&self, by: &Authorized, query: &PageQuery) -> Page<TenantView> {
        let size = query.size();
        let after = query.after.as_deref().unwrap_or_default();
        let may_see = |tenant: &Arc<Tenant>| {
            decide(&by.grant, Permission::TenantRead, Target::Tenant(tenant.id)) == Decision::Allow
        };
        let rows = self.directory.all().into_iter().filter(|t| t.name.as_str() > after && may_see(t));
        let rows: Vec<_> = rows.take(usize::try_from(size).unwrap_or(usize::MAX)).collect();
        cursor::page(rows, size, |t| t.name.clone(), |t| self.tenant_view(&t))
    }

    /// Shows a tenant.
    pub fn get_tenant(&self, by: &Authorized) -> Result<TenantView> {
        Ok(self.tenant_view(by.require_tenant(Permission::TenantRead)?))
    }

    /// Suspends, resumes, retitles, changes limits.
    pub async fn update_tenant(
        self: &Arc<Self>,
        by: &Authorized,
        update: TenantUpdate,
    ) -> Result<TenantView> {
        let tenant = by.require_host_for_tenant(Permission::TenantUpdate)?;
        let TenantUpdate { title, state, limits } = update;
        check_title(title.as_deref())?;
        let (id, from, now) = (tenant.id, tenant.state, self.clock.now_ms());
        let state = state.unwrap_or(from);
        if from == TenantState::Quarantined || state == TenantState::Quarantined {
            let detail = format!("tenant {} cannot go from {from} to {state}", tenant.name);
            let hint = "a quarantined tenant comes back with `tenantry tenant restore NAME`, once its file is repaired";
            return Err(Error::new(ErrorCode::StateConflict, detail).with_hint(hint));
        }
        let title = title.or_else(|| tenant.title.clone());
        let limits = limits.unwrap_or_else(|| tenant.limits.clone());
        let egress = egress(&limits)?;
        let (weight, stored) = (self.weight(&limits), to_json(&limits)?);
        let (context, shown) = (by.context.clone(), title.clone().unwrap_or_default());
        let write = self.store.control().write(Lane::Api, move |tx| {
            let updated = tenants::update(tx, id, &shown, weight, &stored, now)?;
            if !updated || (from != state && !tenants::set_state(tx, id, from, state, now)?) {
                return Err(Error::new(ErrorCode::Conflict, "the tenant has changed in the meantime"));
            }
            audit_host(tx, &context, now, "tenant.update", &id.to_string(), &json!({ "state": state }))
        });
        write.await?;
        let updated = Tenant { title, state, limits, egress, updated_at: now, ..Tenant::clone(tenant) };
        let tenant = self.serve(updated);
        if state == TenantState::Active {
            // What waited on disk while the tenant was suspended.
            for stage in StageName::ALL {
                self.handover.set_behind(*stage, id);
            }
            self.schedules.not_later(id, now);
            self.files.look(id);
        }
        self.tell_tenant(&tenant);
        Ok(self.tenant_view(&tenant))
    }

    /// Deletes a tenant with all it holds. The host's audit log keeps that it existed.
    pub async fn delete_tenant(self: &Arc<Self>, by: &Authorized) -> Result<()> {
        let tenant = by.require_host_for_tenant(Permission::TenantDelete)?;
        let (id, now, context) = (tenant.id, self.clock.now_ms(), by.context.clone());
        let detail = json!({ "name": tenant.name });
        let write = self.store.control().write(Lane::Api, move |tx| {
            tenants::delete(tx, id, now)?;
            audit_host(tx, &context, now, "tenant.delete", &id.to_string(), &detail)
        });
        write.await?;
        self.directory.remove(id);
        self.handover.forget(id);
        self.schedules.forget(id);
        self.files.forget(id);
        self.catalog.changed(id);
        self.secrets.changed(id);
        // The file of a quarantined tenant was set aside, and what was set aside is never deleted.
        if tenant.state != TenantState::Quarantined {
            self.store.erase_tenant(id).await?;
        }
        let change = Change::Tenant { name: tenant.name.clone(), state: None, degraded: false };
        self.feed.publish(now, Some(id), [change]);
        Ok(())
    }

    /// Serves a quarantined tenant again, after a person put its repaired file back: checks the file first.
    pub async fn restore_tenant(self: &Arc<Self>, by: &Authorized) -> Result<TenantView> {
        let tenant = by.require_host_for_tenant(Permission::TenantUpdate)?;
        let (id, from, now) = (tenant.id, tenant.state, self.clock.now_ms());
        if from != TenantState::Quarantined {
            let detail = format!("tenant {} is {from}; only a quarantined one is restored", tenant.name);
            return Err(Error::new(ErrorCode::StateConflict, detail));
        }
        let checked = self.store.readmit(id).await?;
        let (context, state) = (by.context.clone(), TenantState::Active);
        let detail = json!({ "audit-records": checked.audit_records, "audit-whole": checked.audit_whole });
        let write = self.store.control().write(Lane::Api, move |tx| {
            if !tenants::set_state(tx, id, from, state, now)? {
                return Err(Error::new(ErrorCode::Conflict, "the tenant has changed in the meantime"));
            }
            audit_host(tx, &context, now, "tenant.restore", &id.to_string(), &detail)
        });
        if let Err(error) = write.await {
            self.store.keep_aside(id);
            return Err(error);
        }
        self.catalog.changed(id);
        self.secrets.changed(id);
        let tenant = self.serve(Tenant { state, updated_at: now, ..Tenant::clone(tenant) });
        tracing::info!(tenant = %id, name = %tenant.name, audit_whole = checked.audit_whole, "tenant was restored");
        self.tell_tenant(&tenant);
        self.recover_tenant(&tenant).await?;
        Ok(self.tenant_view(&tenant))
    }

    /// The damaged file of a tenant was set aside: nothing of it is served any more.
    pub fn quarantined(&self, id: TenantId) {
        let Some(tenant) = self.directory.get(id) else { return };
        if tenant.state == TenantState::Quarantined {
            return;
        }
        let (state, updated_at) = (TenantState::Quarantined, self.clock.now_ms());
        let tenant = self.serve(Tenant { state, updated_at, ..Tenant::clone(&tenant) });
        self.handover.forget(id);
        self.schedules.forget(id);
        self.files.forget(id);
        self.catalog.changed(id);
        tracing::error!(tenant = %id, name = %tenant.name, "tenant was quarantined");
        self.tell_tenant(&tenant);
    }

    /// Tells the feed how a tenant is.
    pub fn tell_tenant(&self, tenant: &Tenant) {
        let degraded = Self::is_degraded(tenant);
        let change = Change::Tenant { name: tenant.name.clone(), state: Some(tenant.state), degraded };
        self.feed.publish(self.clock.now_ms(), Some(tenant.id), [change]);
    }

    /// Whether a stage or the store of the tenant fails at present.
    pub fn is_degraded(tenant: &Tenant) -> bool {
        tenant.tally.degraded.load(Ordering::Relaxed)
    }

    fn tenant_view(&self, tenant: &Tenant) -> TenantView {
        TenantView {
            id: tenant.id,
            name: tenant.name.clone(),
            title: tenant.title.clone(),
            state: tenant.state,
            degraded: Self::is_degraded(tenant),
            limits: tenant.limits.clone(),
            created_at: tenant.created_at,
            updated_at: tenant.updated_at,
            audit_key: Some(self.notary.public_text(tenant.id)),
            inbox: Some(
                self.store.tenant_folder(tenant.id).join(tenantry_workflow::INBOX).display().to_string(),
            ),
        }
    }
}

/// Appends a record to the host's audit log.
pub(super) fn audit_host(
    tx: &WriteTx<'_>,
    by: &Context,
    at: i64,
    verb: &str,
    resource: &str,
    detail: &Value,
) -> Result<()> {
    let actor = by.actor();
    let record =
        audit::Record { at, actor: &actor, verb, resource, outcome: "ok", request_id: by.request, detail };
    audit::append(tx, &record)?;
    Ok(())
}

fn entry(row: tenants::Tenant) -> Result<Tenant> {
    let limits: TenantLimits = serde_json::from_str(&row.limits)
        .map_err(|error| Error::damaged(format!("limits of {}: {error}", row.id)))?;
    Ok(Tenant {
        id: row.id,
        value: json!({ "id": row.id, "name": row.name }),
        name: row.name,
        title: Some(row.title).filter(|title| !title.is_empty()),
        state: row.state,
        egress: egress(&limits)?,
        limits,
        created_at: row.created_at,
        updated_at: row.updated_at,
        tally: Arc::default(),
    })
}

fn egress(limits: &TenantLimits) -> Result<TenantEgress> {
    let entries = limits.egress_allow.iter().map(|text| text.parse());
    let entries = entries
        .collect::<Result<Vec<_>, BadEntry>>()
        .map_err(|error| Error::new(ErrorCode::BadRequest, format!("limits.egress-allow: {error}")))?;
    Ok(TenantEgress::new(entries))
}

fn to_json(limits: &TenantLimits) -> Result<String> {
    serde_json::to_string(limits).map_err(|error| Error::internal(error.to_string()))
}

fn check_title(title: Option<&str>) -> Result<()> {
    if title.is_some_and(|title| title.chars().count() > TITLE_LIMIT) {
        return Err(Error::new(
            ErrorCode::BadRequest,
            format!("a title has at most {TITLE_LIMIT} characters"),
        ));
    }
    Ok(())
}
