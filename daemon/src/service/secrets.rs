//! Secrets: written, listed by name, deleted; read by stages and by the ingress, never by the API.
//!
//! Values are sealed in the tenant's file with its data key, which the host key wraps. What is needed is opened
//! once and kept in memory until the tenant's secrets change.
//! **Invariant:** no answer and no audit record holds a value.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::Permission;
use tenantry_protocol::principal::{SecretPut, SecretView, is_secret_name};

use super::ledger::Ledger;
use super::{Authorized, Service, cursor};
use crate::error::{Error, Result};
use crate::store::tenant::{keys, secrets};
use crate::store::{PAGE_LIMIT, ReadTx, Store};
use crate::vault::redact::Secrets as Redaction;
use crate::vault::{DataKey, HostKey, Purpose, Sealed, SecretValue, check_secret_value, check_total};

/// Tenants whose secrets are kept open.
const TENANTS_KEPT: usize = 1_024;

/// The open values of one tenant.
pub struct Open {
    /// By name.
    pub values: HashMap<String, SecretValue>,
    /// Cuts every one of them out of outputs.
    pub redaction: Redaction,
}

#[derive(Default)]
struct Cache {
    tenants: HashMap<TenantId, Arc<Open>>,
    /// Counted up at every change; a reading that began before it is not kept.
    generations: HashMap<TenantId, u64>,
}

/// The secrets of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    store: Store,
    host_key: Arc<HostKey>,
    cache: Arc<Mutex<Cache>>,
}

impl Secrets {
    /// Nothing open yet.
    pub fn new(store: Store, host_key: Arc<HostKey>) -> Self {
        Self { store, host_key, cache: Arc::default() }
    }

    /// The root of all seals.
    pub(super) fn host_key(&self) -> &HostKey {
        &self.host_key
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that secrets of the tenant have changed. Call it after the commit.
    pub fn changed(&self, tenant: TenantId) {
        let mut cache = self.cache();
        *cache.generations.entry(tenant).or_default() += 1;
        cache.tenants.remove(&tenant);
    }

    /// The values of these names. A missing one is an error that names it.
    pub async fn named(&self, tenant: TenantId, names: &[String]) -> Result<BTreeMap<String, String>> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let open = self.open(tenant).await?;
        let value = |name: &String| {
            let text = open.values.get(name).and_then(SecretValue::expose_text);
            text.map(|text| (name.clone(), text.to_owned())).ok_or_else(|| missing(name))
        };
        names.iter().map(value).collect()
    }

    /// Every value of the tenant.
    pub async fn open(&self, tenant: TenantId) -> Result<Arc<Open>> {
        loop {
            let generation = {
                let cache = self.cache();
                if let Some(open) = cache.tenants.get(&tenant) {
                    return Ok(Arc::clone(open));
                }
                cache.generations.get(&tenant).copied().unwrap_or_default()
            };
            let host_key = Arc::clone(&self.host_key);
            let open = self.store.tenant(tenant)?.read(move |tx| open_all(tx, tenant, &host_key)).await?;
            let open = Arc::new(open);
            let mut cache = self.cache();
            if cache.generations.get(&tenant).copied().unwrap_or_default() != generation {
                continue;
            }
            if cache.tenants.len() >= TENANTS_KEPT
                && let Some(other) = cache.tenants.keys().next().copied()
            {
                cache.tenants.remove(&other);
            }
            cache.tenants.insert(tenant, Arc::clone(&open));
            return Ok(open);
        }
    }
}

fn missing(name: &str) -> Error {
    Error::new(ErrorCode::SecretMissing, format!("there is no secret {name}"))
        .with_hint(format!("tenantry secret set {name}"))
}

fn open_all(tx: &ReadTx<'_>, tenant: TenantId, host_key: &HostKey) -> Result<Open> {
    let mut data_keys: HashMap<u32, DataKey> = HashMap::new();
    let mut values = HashMap::new();
    for row in secrets::list(tx, "", PAGE_LIMIT)? {
        let data_key = match data_keys.entry(row.key_version) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let key = keys::get(tx, row.key_version)?
                    .ok_or_else(|| Error::internal(format!("data key {} is missing", row.key_version)))?;
                entry.insert(host_key.unwrap(tenant, &Sealed::from_bytes(&key.wrapped)?)?)
            }
        };
        let purpose = Purpose::Secret { tenant, name: &row.name, version: u64::from(row.version) };
        values.insert(row.name.clone(), data_key.open(&purpose, &Sealed::from_bytes(&row.sealed)?)?);
    }
    let redaction = Redaction::new(values.values())?;
    Ok(Open { values, redaction })
}

impl Service {
    /// Lists the names of secrets.
    pub async fn list_secrets(&self, by: &Authorized, query: &PageQuery) -> Result<Page<SecretView>> {
        let tenant = by.require_tenant(Permission::SecretList)?;
        let (after, size) = (query.after.clone().unwrap_or_default(), query.size());
        let rows = self.store.tenant(tenant.id)?.read(move |tx| secrets::list(tx, &after, size)).await?;
        Ok(cursor::page(rows, size, |row| row.name.clone(), view))
    }

    /// Writes a secret.
    pub async fn put_secret(
        self: &Arc<Self>,
        by: &Authorized,
        name: &str,
        put: SecretPut,
    ) -> Result<SecretView> {
        let tenant = by.require_tenant(Permission::SecretEdit)?;
        if !is_secret_name(name) {
            let detail = format!("{:?} is no name of a secret", cursor::shown(name));
            return Err(Error::new(ErrorCode::BadIdentifier, detail)
                .with_hint("capital letters, digits and underscores, such as STRIPE_KEY; at most 64"));
        }
        let value = SecretValue::new(put.value.into_bytes());
        check_secret_value(&value)?;
        let open = self.secrets.open(tenant.id).await?;
        let others = open.values.iter().filter(|(other, _)| *other != name);
        check_total(others.map(|(_, value)| value.expose().len()).sum(), &value)?;
        let (name, context) = (name.to_owned(), by.context.clone());
        let host_key = Arc::clone(&self.secrets.host_key);
        let written = self.change(tenant, move |ledger| {
            let row = seal(ledger, &host_key, &name, &value, &context.actor())?;
            secrets::put(ledger.tx, &row)?;
            ledger.audit_by(&context, "secret.put", &name, &json!({ "version": row.version }))?;
            Ok(view(row))
        });
        let written = written.await?;
        self.secrets.changed(tenant.id);
        Ok(written)
    }

    /// Deletes a secret.
    pub async fn delete_secret(self: &Arc<Self>, by: &Authorized, name: &str) -> Result<()> {
        let tenant = by.require_tenant(Permission::SecretEdit)?;
        let (name, context) = (name.to_owned(), by.context.clone());
        self.change(tenant, move |ledger| {
            if !secrets::delete(ledger.tx, &name)? {
                return Err(Error::not_found("secret", cursor::shown(&name)));
            }
            ledger.audit_by(&context, "secret.delete", &name, &json!({}))
        })
        .await?;
        self.secrets.changed(tenant.id);
        Ok(())
    }
}

fn seal(
    ledger: &Ledger<'_>,
    host_key: &HostKey,
    name: &str,
    value: &SecretValue,
    actor: &str,
) -> Result<secrets::Secret> {
    let tenant = ledger.tenant.id;
    let (key_version, data_key) = if let Some(key) = keys::latest(ledger.tx)? {
        (key.version, host_key.unwrap(tenant, &Sealed::from_bytes(&key.wrapped)?)?)
    } else {
        let (data_key, wrapped) = host_key.fresh_data_key(tenant)?;
        let row = keys::DataKey { version: 1, wrapped: wrapped.to_bytes(), created_at: ledger.now };
        keys::insert(ledger.tx, &row)?;
        (1, data_key)
    };
    let version = secrets::get(ledger.tx, name)?.map_or(0, |row| row.version) + 1;
    let purpose = Purpose::Secret { tenant, name, version: u64::from(version) };
    Ok(secrets::Secret {
        name: name.to_owned(),
        version,
        key_version,
        sealed: data_key.seal(&purpose, value)?.to_bytes(),
        updated_at: ledger.now,
        updated_by: actor.to_owned(),
    })
}

fn view(row: secrets::Secret) -> SecretView {
    SecretView {
        name: row.name,
        version: row.version,
        updated_at: row.updated_at,
        updated_by: row.updated_by,
    }
}
