//! Keys: what principals log in with. The text of a key is answered once and stored nowhere.

use std::sync::Arc;

use serde_json::json;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{CredentialId, PrincipalId, SessionId};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::{Permission, Role, is_name};
use tenantry_protocol::principal::{KeyCreate, KeyCreated, KeyView};

use super::tenants::audit_host;
use super::{Authorized, Service, cursor};
use crate::auth::key::{Home, Kind, SecretText};
use crate::error::{Error, Result};
use crate::store::identity::{credentials, principals, sessions};
use crate::store::{Lane, WriteTx};

/// The longest validity of a key, in days.
const DAYS_LIMIT: u32 = 3_650;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl Service {
    /// Lists the tenant's keys.
    pub async fn list_keys(&self, by: &Authorized, query: &PageQuery) -> Result<Page<KeyView>> {
        let tenant = by.require_tenant(Permission::KeyRead)?;
        let (after, size) = (cursor::id(query.after.as_deref())?, query.size());
        let rows = self.store.tenant(tenant.id)?.read(move |tx| credentials::list(tx, after, size)).await?;
        Ok(cursor::page(rows, size, |row| row.id.to_string(), view))
    }

    /// Lists the host's keys.
    pub async fn list_host_keys(&self, by: &Authorized, query: &PageQuery) -> Result<Page<KeyView>> {
        by.require_host(Permission::HostAdmin)?;
        let (after, size) = (cursor::id(query.after.as_deref())?, query.size());
        let rows = self.store.control().read(move |tx| credentials::list(tx, after, size)).await?;
        Ok(cursor::page(rows, size, |row| row.id.to_string(), view))
    }

    /// Creates a key of the tenant. Nobody can give more than the own role.
    pub async fn create_key(self: &Arc<Self>, by: &Authorized, create: KeyCreate) -> Result<KeyCreated> {
        let tenant = by.require_tenant(Permission::KeyEdit)?;
        if create.role == Role::HostAdmin {
            let detail = "a tenant's key cannot be host-admin";
            return Err(Error::new(ErrorCode::BadRequest, detail).with_hint("tenantry key create --host"));
        }
        let key = new_key(&create, Home::Tenant(tenant.id), by, self.clock.now_ms())?;
        let (context, row) = (by.context.clone(), key.row);
        let view = self.change(tenant, move |ledger| {
            let view = insert(ledger.tx, row)?;
            let detail = json!({ "name": view.name, "role": view.role });
            ledger.audit_by(&context, "key.create", &view.id.to_string(), &detail)?;
            Ok(view)
        });
        Ok(KeyCreated { view: view.await?, key: key.text.reveal().to_owned() })
    }

    /// Creates a key of the host.
    pub async fn create_host_key(self: &Arc<Self>, by: &Authorized, create: KeyCreate) -> Result<KeyCreated> {
        by.require_host(Permission::HostAdmin)?;
        let now = self.clock.now_ms();
        let key = new_key(&create, Home::Host, by, now)?;
        let (context, row) = (by.context.clone(), key.row);
        let view = self.store.control().write(Lane::Api, move |tx| {
            let view = insert(tx, row)?;
            let detail = json!({ "name": view.name, "role": view.role });
            audit_host(tx, &context, now, "key.create", &view.id.to_string(), &detail)?;
            Ok(view)
        });
        Ok(KeyCreated { view: view.await?, key: key.text.reveal().to_owned() })
    }

    /// Revokes a key of the tenant with its sessions; their tokens end within the second.
    pub async fn revoke_key(self: &Arc<Self>, by: &Authorized, id: &str) -> Result<()> {
        let tenant = by.require_tenant(Permission::KeyEdit)?;
        let id = cursor::parse::<CredentialId>(id, "key")?;
        let context = by.context.clone();
        let revoked = self.change(tenant, move |ledger| {
            let revoked = revoke(ledger.tx, id, ledger.now)?;
            ledger.audit_by(&context, "key.revoke", &id.to_string(), &json!({}))?;
            Ok(revoked)
        });
        self.end_sessions(revoked.await?);
        Ok(())
    }

    /// Revokes a key of the host with its sessions.
    pub async fn revoke_host_key(self: &Arc<Self>, by: &Authorized, id: &str) -> Result<()> {
        by.require_host(Permission::HostAdmin)?;
        let id = cursor::parse::<CredentialId>(id, "key")?;
        let (context, now) = (by.context.clone(), self.clock.now_ms());
        let revoked = self.store.control().write(Lane::Api, move |tx| {
            let revoked = revoke(tx, id, now)?;
            audit_host(tx, &context, now, "key.revoke", &id.to_string(), &json!({}))?;
            Ok(revoked)
        });
        self.end_sessions(revoked.await?);
        Ok(())
    }

    fn end_sessions(&self, sessions: Vec<SessionId>) {
        for session in sessions {
            self.identity.end(session, self.clock.now_ms());
        }
    }
}

struct NewKey {
    text: SecretText,
    row: credentials::Credential,
}

fn new_key(create: &KeyCreate, home: Home, by: &Authorized, now: i64) -> Result<NewKey> {
    let KeyCreate { name, role, expires_in_days } = create;
    if !is_name(name) {
        let detail = format!("{:?} is no name of a key", cursor::shown(name));
        return Err(Error::new(ErrorCode::BadIdentifier, detail));
    }
    // A token whose scope was narrowed cannot make a key that is wider than itself.
    let holds = |permission| crate::auth::policy::held(&by.grant).any(|held| held == permission);
    if let Some(more) = role.permissions().find(|permission| !holds(*permission)) {
        let detail = format!("{role} includes {more}, which you do not hold");
        return Err(Error::new(ErrorCode::PermissionDenied, detail));
    }
    if expires_in_days.is_some_and(|days| days == 0 || days > DAYS_LIMIT) {
        return Err(Error::new(ErrorCode::BadRequest, format!("expires-in-days must be 1 to {DAYS_LIMIT}")));
    }
    let text = SecretText::generate(Kind::Key, home)?;
    let row = credentials::Credential {
        id: CredentialId::new(now),
        principal_id: PrincipalId::new(now),
        name: name.clone(),
        hash: text.digest().0,
        role: *role,
        created_at: now,
        expires_at: expires_in_days.map(|days| now + i64::from(days) * DAY_MS),
        last_used_at: None,
        revoked_at: None,
    };
    Ok(NewKey { text, row })
}

/// Inserts a key, and a principal of its name if there is none.
fn insert(tx: &WriteTx<'_>, mut row: credentials::Credential) -> Result<KeyView> {
    if let Some(principal) = principals::by_name(tx, &row.name)? {
        row.principal_id = principal.id;
    } else {
        let (id, name, role) = (row.principal_id, row.name.clone(), row.role);
        principals::insert(tx, &principals::Principal { id, name, role, created_at: row.created_at })?;
    }
    credentials::insert(tx, &row)?;
    Ok(view(row))
}

fn revoke(tx: &WriteTx<'_>, id: CredentialId, now: i64) -> Result<Vec<SessionId>> {
    if credentials::get(tx, id)?.is_none() {
        return Err(Error::not_found("key", id));
    }
    credentials::revoke(tx, id, now)?;
    sessions::revoke_by_credential(tx, id, now)
}

fn view(row: credentials::Credential) -> KeyView {
    KeyView {
        id: row.id,
        principal: row.principal_id,
        name: row.name,
        role: row.role,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        revoked_at: row.revoked_at,
    }
}
