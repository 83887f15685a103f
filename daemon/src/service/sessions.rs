//! Logins: by peer credentials, by key, by refresh token. Each opens or continues a session and answers a token.
//!
//! Sessions live in the file of whom they belong to: a tenant's in its tenant.db, the host's in control.db.
//! **Invariant:** a refused login says nothing about why.
//! Go next to `refresh` for how a session goes on.

mod refresh;

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{CredentialId, PrincipalId, RequestId, SessionId};
use tenantry_protocol::permission::{Permission, Role};
use tenantry_protocol::principal::{LoggedIn, Login, Whoami};
use tenantry_protocol::state::TenantState;

use super::directory::Tenant;
use super::{Authorized, Service};
use crate::auth::key::{Home, Kind, SecretText};
use crate::auth::policy::{Grant, held};
use crate::auth::revocation::Revocations;
use crate::auth::token::{Claims, KeyRing, Subject, TokenIssuer, TokenVerifier};
use crate::context::{Context, Principal, PrincipalKind};
use crate::error::{Error, Result};
use crate::store::identity::{credentials, principals, sessions};
use crate::store::{Database, Lane, WriteTx, audit};

/// Tokens and what ends them.
pub struct Identity {
    /// Signs tokens.
    pub issuer: TokenIssuer,
    /// Verifies tokens.
    pub verifier: TokenVerifier,
    /// Signing keys in use.
    pub ring: KeyRing,
    /// Sessions that were ended while their tokens are still unexpired.
    pub revocations: Arc<Revocations>,
    /// How long a token is valid, in milliseconds.
    pub token_ttl_ms: i64,
    /// How long a session lasts, in milliseconds.
    pub session_ttl_ms: i64,
}

impl Identity {
    /// Ends a session: its tokens are refused from now on.
    pub fn end(&self, session: SessionId, now: i64) {
        // A token lives no longer than its lifetime; the same again forgives any leeway.
        self.revocations.revoke_session(session, now + 2 * self.token_ttl_ms);
    }
}

/// Who connects to the socket, as the kernel says.
#[derive(Clone, Copy, Debug)]
pub struct PeerLogin {
    /// The user.
    pub uid: u32,
    /// Whether it may act as host admin: the daemon's own user or root, and not a descendant of the runner.
    pub is_host: bool,
}

/// A login that was checked; what is left is to write it down.
struct Admitted {
    home: Home,
    principal: PrincipalId,
    credential: Option<CredentialId>,
    /// As tokens and audit records name it.
    subject: String,
    name: String,
    role: Role,
}

impl Service {
    /// Logs in.
    pub async fn login(
        self: &Arc<Self>,
        context: &Context,
        peer: Option<PeerLogin>,
        login: Login,
    ) -> Result<LoggedIn> {
        match login {
            Login::Peer => self.login_peer(context, peer).await,
            Login::Key { key, scope } => self.login_key(context, &key, scope).await,
            Login::Refresh { refresh_token } => self.refresh(context, &refresh_token).await,
        }
    }

    async fn login_peer(self: &Arc<Self>, context: &Context, peer: Option<PeerLogin>) -> Result<LoggedIn> {
        let Some(PeerLogin { uid, is_host: true }) = peer else {
            let detail = "this user is not the daemon's own; log in with a key";
            return Err(Error::new(ErrorCode::LoginRefused, detail).with_hint(
                "`tenantry login --key-file FILE`; an admin makes keys with `tenantry key create`",
            ));
        };
        let now = self.clock.now_ms();
        let name = format!("uid-{uid}");
        let (fresh, shown) = (PrincipalId::new(now), name.clone());
        // The host's users are principals by name; their sessions must belong to one.
        let principal = self.store.control().write(Lane::Api, move |tx| {
            if let Some(known) = principals::by_name(tx, &shown)? {
                return Ok(known.id);
            }
            let (name, role) = (shown, Role::HostAdmin);
            principals::insert(tx, &principals::Principal { id: fresh, name, role, created_at: now })?;
            Ok(fresh)
        });
        let admitted = Admitted {
            home: Home::Host,
            principal: principal.await?,
            credential: None,
            subject: format!("host:{name}"),
            name,
            role: Role::HostAdmin,
        };
        self.open_session(context, admitted, None).await
    }

    async fn login_key(
        self: &Arc<Self>,
        context: &Context,
        key: &str,
        scope: Option<Vec<Permission>>,
    ) -> Result<LoggedIn> {
        let key = SecretText::parse(Kind::Key, key).ok_or_else(refused)?;
        let (hash, now) = (key.digest().0, self.clock.now_ms());
        let found = self.home(key.home())?.read(move |tx| credentials::by_hash(tx, &hash)).await?;
        let row = found.filter(|row| is_good(row, now)).ok_or_else(refused)?;
        let admitted = Admitted {
            home: key.home(),
            principal: row.principal_id,
            credential: Some(row.id),
            subject: row.principal_id.to_string(),
            name: row.name,
            role: row.role,
        };
        self.open_session(context, admitted, scope).await
    }

    async fn open_session(
        self: &Arc<Self>,
        context: &Context,
        admitted: Admitted,
        scope: Option<Vec<Permission>>,
    ) -> Result<LoggedIn> {
        let now = self.clock.now_ms();
        let refresh = SecretText::generate(Kind::Refresh, admitted.home)?;
        let session = SessionId::new(now);
        let row = sessions::Session {
            id: session,
            principal_id: admitted.principal,
            credential_id: admitted.credential,
            created_at: now,
            expires_at: now + self.identity.session_ttl_ms,
            revoked_at: None,
            refresh_hash: Some(refresh.digest().0),
            refreshed_at: Some(now),
            previous_refresh_hash: None,
        };
        let actor = actor_of(&admitted.subject);
        let (request, from) = (context.request, context.principal.name.clone());
        let write = self.home(admitted.home)?.write(Lane::Api, move |tx| {
            if let Some(credential) = row.credential_id {
                credentials::touch(tx, credential, now)?;
            }
            sessions::insert(tx, &row)?;
            record(tx, now, request, &actor, "session.open", session, &json!({ "from": from }))
        });
        write.await?;
        self.answer(&admitted, session, scope, &refresh)
    }

    /// Ends the session of the caller's token.
    pub async fn logout(self: &Arc<Self>, by: &Authorized) -> Result<()> {
        let (session, now) = (by.session, self.clock.now_ms());
        let home = by.grant.tenant.map_or(Home::Host, Home::Tenant);
        let (request, actor) = (by.context.request, by.context.actor());
        let write = self.home(home)?.write(Lane::Api, move |tx| {
            sessions::revoke(tx, session, now)?;
            record(tx, now, request, &actor, "session.close", session, &json!({}))
        });
        write.await?;
        self.identity.end(session, now);
        Ok(())
    }

    /// Who the caller is.
    pub fn whoami(&self, by: &Authorized) -> Whoami {
        let tenant = by.grant.tenant.and_then(|id| self.directory.get(id));
        let principal = &by.context.principal;
        whoami(&principal.id, &principal.name, &by.grant, by.session, tenant.as_deref())
    }

    /// Turns a verified token into a caller.
    pub fn caller(&self, claims: &Claims, mut context: Context) -> Context {
        let (kind, id) = match claims.subject.strip_prefix("host:") {
            Some(id) => (PrincipalKind::Host, id),
            None => (PrincipalKind::Key, claims.subject.as_str()),
        };
        context.principal = Principal { kind, id: id.to_owned(), name: claims.name.clone() };
        context.tenant = claims.grant.tenant;
        context
    }

    /// The file in which sessions of this home live.
    fn home(&self, home: Home) -> Result<Database> {
        match home {
            Home::Host => Ok(self.store.control()),
            Home::Tenant(id) => {
                let tenant = self.directory.get(id).filter(|t| t.state != TenantState::Quarantined);
                tenant.ok_or_else(refused)?;
                self.store.tenant(id)
            }
        }
    }

    fn answer(
        &self,
        admitted: &Admitted,
        session: SessionId,
        scope: Option<Vec<Permission>>,
        refresh: &SecretText,
    ) -> Result<LoggedIn> {
        let tenant = match admitted.home {
            Home::Host => None,
            Home::Tenant(id) => Some(id),
        };
        let grant = Grant { role: admitted.role, tenant, scope };
        let (id, name) = (admitted.subject.clone(), admitted.name.clone());
        let issued = self.identity.issuer.issue(&Subject { id, name, grant: grant.clone(), session })?;
        let tenant = tenant.and_then(|id| self.directory.get(id));
        let expires_in_ms = issued.expires_at_ms - self.clock.now_ms();
        Ok(LoggedIn {
            token: issued.token,
            expires_in_s: u64::try_from(expires_in_ms / 1_000).unwrap_or_default(),
            refresh_token: refresh.reveal().to_owned(),
            principal: whoami(&admitted.subject, &admitted.name, &grant, session, tenant.as_deref()),
        })
    }
}

fn refused() -> Error {
    Error::new(ErrorCode::LoginRefused, "the key or refresh token is not valid")
}

fn is_good(row: &credentials::Credential, now: i64) -> bool {
    row.revoked_at.is_none() && row.expires_at.is_none_or(|at| at > now)
}

fn actor_of(subject: &str) -> String {
    if subject.starts_with("host:") { subject.to_owned() } else { format!("key:{subject}") }
}

fn whoami(subject: &str, name: &str, grant: &Grant, session: SessionId, tenant: Option<&Tenant>) -> Whoami {
    Whoami {
        subject: subject.to_owned(),
        name: name.to_owned(),
        role: grant.role,
        tenant: grant.tenant,
        tenant_name: tenant.map(|tenant| tenant.name.clone()),
        session,
        permissions: held(grant).collect(),
    }
}

/// Appends a record about a session to the log of the file it lives in.
fn record(
    tx: &WriteTx<'_>,
    at: i64,
    request_id: RequestId,
    actor: &str,
    verb: &str,
    session: SessionId,
    detail: &Value,
) -> Result<()> {
    let resource = session.to_string();
    let record = audit::Record { at, actor, verb, resource: &resource, outcome: "ok", request_id, detail };
    audit::append(tx, &record)?;
    Ok(())
}
