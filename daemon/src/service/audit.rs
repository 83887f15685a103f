//! The audit logs: listed, verified, exported, and signed from time to time.
//!
//! Every tenant's file and control.db hold a log of their own. A checkpoint is the log's size and root, signed with
//! the host's audit key; checkpoints of tenants are records in the host's log, so that an old copy of a tenant's file
//! is noticed.

use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;
use tenantry_protocol::audit::{AuditQuery, AuditVerified, AuditView};
use tenantry_protocol::id::TenantId;
use tenantry_protocol::merkle::note::VerifyingKey;
use tenantry_protocol::merkle::record::Checkpoint;
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::Permission;

use super::tenants::audit_host;
use super::{Authorized, Service, cursor};
use crate::context::{Context, Origin};
use crate::error::{Error, Result};
use crate::store::control::signing_keys;
use crate::store::{Database, Lane, PAGE_LIMIT, Store, audit};
use crate::vault::{HostKey, Sealed, SecretValue};

/// What the audit key is for, in control.db and in its seal.
const PURPOSE: &str = "audit";

/// Signs checkpoints with the host's audit key.
pub struct Notary {
    pair: Arc<Ed25519KeyPair>,
    public: [u8; 32],
}

impl Notary {
    /// The host's audit key, made at the first start.
    pub async fn open(store: &Store, host_key: &HostKey, now: i64) -> Result<Self> {
        let stored = store.control().read(move |tx| signing_keys::list(tx, PURPOSE, now)).await?;
        if let Some(key) = stored.first() {
            let pkcs8 = host_key.open_sealed(PURPOSE, &Sealed::from_bytes(&key.sealed_private)?)?;
            return Self::of(pkcs8.expose());
        }
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let pkcs8 = pkcs8.map_err(|_| Error::internal("no audit key could be made"))?;
        let notary = Self::of(pkcs8.as_ref())?;
        let sealed = host_key.seal(PURPOSE, &SecretValue::new(pkcs8.as_ref().to_vec()))?;
        let row = signing_keys::SigningKey {
            kid: format!("audit-{now}"),
            purpose: PURPOSE.to_owned(),
            public: notary.public.to_vec(),
            sealed_private: sealed.to_bytes(),
            created_at: now,
            retire_at: None,
        };
        store.control().write(Lane::Api, move |tx| signing_keys::insert(tx, &row)).await?;
        Ok(notary)
    }

    fn of(pkcs8: &[u8]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8);
        let pair = pair.map_err(|error| Error::internal(format!("audit key: {error}")))?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_| Error::internal("an Ed25519 key has not 32 bytes"))?;
        Ok(Self { pair: Arc::new(pair), public })
    }

    /// The verifying key of a log, as its verifier takes it.
    pub fn verifying_key(&self, tenant: Option<TenantId>) -> VerifyingKey {
        VerifyingKey { name: origin(tenant), public: self.public }
    }

    /// The verifying key of a tenant's log, in the text form of a C2SP signed note.
    pub fn public_text(&self, tenant: TenantId) -> String {
        self.verifying_key(Some(tenant)).to_text()
    }
}

/// The name of a log: it stands in the first line of every checkpoint.
fn origin(tenant: Option<TenantId>) -> String {
    tenant.map_or_else(|| "tenantry/host".to_owned(), |id| format!("tenantry/{id}"))
}

impl Service {
    /// Lists the tenant's audit records, newest first.
    pub async fn list_audit(&self, by: &Authorized, query: &AuditQuery) -> Result<Page<AuditView>> {
        let tenant = by.require_tenant(Permission::AuditRead)?;
        list(&self.store.tenant(tenant.id)?, query).await
    }

    /// Lists the host's audit records, newest first.
    pub async fn list_host_audit(&self, by: &Authorized, query: &AuditQuery) -> Result<Page<AuditView>> {
        by.require_host(Permission::HostAdmin)?;
        list(&self.store.control(), query).await
    }

    /// Signs the tenant's log as it stands and verifies it from the first record.
    pub async fn verify_audit(self: &Arc<Self>, by: &Authorized) -> Result<AuditVerified> {
        let tenant = by.require_tenant(Permission::AuditRead)?;
        self.checkpoint(Some(tenant.id)).await?;
        self.verify(Some(tenant.id)).await
    }

    /// Signs the host's log as it stands and verifies it from the first record.
    pub async fn verify_host_audit(self: &Arc<Self>, by: &Authorized) -> Result<AuditVerified> {
        by.require_host(Permission::HostAdmin)?;
        self.checkpoint(None).await?;
        self.verify(None).await
    }

    /// The file that a log is in: of a tenant, or of the host.
    pub(super) fn log(&self, tenant: Option<TenantId>) -> Result<Database> {
        match tenant {
            Some(id) => self.store.tenant(id),
            None => Ok(self.store.control()),
        }
    }

    async fn verify(&self, tenant: Option<TenantId>) -> Result<AuditVerified> {
        let key = self.notary.verifying_key(tenant);
        self.log(tenant)?.read(move |tx| audit::verify(tx, Some(&key))).await
    }

    /// A part of the tenant's export: its records from `from` on, oldest first, and with the first part its
    /// checkpoints.
    pub async fn export_audit(
        &self,
        by: &Authorized,
        from: u64,
    ) -> Result<(Vec<AuditView>, Vec<Checkpoint>)> {
        let tenant = by.require_tenant(Permission::AuditRead)?;
        let read = self.store.tenant(tenant.id)?.read(move |tx| {
            let checkpoints = if from == 0 { audit::checkpoints(tx, 0, PAGE_LIMIT)? } else { Vec::new() };
            Ok((audit::export(tx, from, PAGE_LIMIT)?, checkpoints))
        });
        read.await
    }

    /// Signs a log, unless its last checkpoint already says what it would say. A tenant's checkpoint becomes a record
    /// of the host's log.
    pub async fn checkpoint(self: &Arc<Self>, tenant: Option<TenantId>) -> Result<()> {
        let (key, name) = (self.notary.verifying_key(tenant), origin(tenant));
        let (pair, now) = (Arc::clone(&self.notary.pair), self.clock.now_ms());
        let note = self.log(tenant)?.write(Lane::Api, move |tx| {
            audit::checkpoint(tx, &name, &key, now, |body| Ok(pair.sign(body).as_ref().to_vec()))
        });
        let (Some(note), Some(id)) = (note.await?, tenant) else { return Ok(()) };
        let context = Context::system(Origin::Upkeep, &self.clock);
        let detail = json!({ "note": note });
        let write = self.store.control().write(Lane::Api, move |tx| {
            audit_host(tx, &context, now, "audit.checkpoint", &id.to_string(), &detail)
        });
        write.await
    }
}

async fn list(file: &Database, query: &AuditQuery) -> Result<Page<AuditView>> {
    let page = PageQuery { limit: query.limit, after: query.after.clone() };
    let (after, size) = (cursor::id::<u64>(page.after.as_deref())?, page.size());
    let (verb, resource) = (query.verb.clone(), query.resource.clone());
    let read = file.read(move |tx| {
        let filter = audit::Filter { verb: verb.as_deref(), resource: resource.as_deref() };
        audit::list(tx, filter, after, size)
    });
    Ok(cursor::page(read.await?, size, |row| row.seq.to_string(), |row| row))
}
