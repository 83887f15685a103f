//! Which tokens are no longer good before they expire: revoked sessions, and tenants with a new epoch.
//!
//! One process verifies, so a revocation holds from the next request on. The data is plain; the service persists
//! it and fills it in at boot. Entries are dropped once every token they could hit has expired, so the sets stay
//! small.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tenantry_protocol::id::{SessionId, TenantId};

/// The revocations in force; shared by reference.
#[derive(Default)]
pub struct Revocations {
    inner: RwLock<Plain>,
}

/// The revocations as plain data, to persist and to restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plain {
    /// Revoked sessions, each with the time (unix milliseconds) after which no token of it can be valid.
    pub sessions: HashMap<SessionId, i64>,
    /// Tenants, each with the time (unix seconds) before which no token of it is good.
    pub min_iat: HashMap<TenantId, i64>,
}

impl Revocations {
    /// From what was persisted.
    pub fn restore(plain: Plain) -> Self {
        Self { inner: RwLock::new(plain) }
    }

    /// Revokes a session; `until_ms` is when its last token expires.
    pub fn revoke_session(&self, session: SessionId, until_ms: i64) {
        self.write().sessions.insert(session, until_ms);
    }

    /// Revokes every token of the tenant that was issued before `min_iat_s` (unix seconds). Tokens know whole
    /// seconds only, so to end all that exist pass the second after the present one.
    pub fn revoke_before(&self, tenant: TenantId, min_iat_s: i64) {
        let mut inner = self.write();
        let present = inner.min_iat.entry(tenant).or_insert(min_iat_s);
        *present = min_iat_s.max(*present);
    }

    /// Whether a token with these claims was revoked.
    pub fn is_revoked(&self, session: SessionId, tenant: Option<TenantId>, iat_s: i64) -> bool {
        let inner = self.read();
        inner.sessions.contains_key(&session)
            || tenant.and_then(|tenant| inner.min_iat.get(&tenant)).is_some_and(|min_iat| iat_s < *min_iat)
    }

    /// Drops what can hit no token any more. `oldest_iat_s` is the issue time of the oldest token that can be valid.
    pub fn forget(&self, now_ms: i64, oldest_iat_s: i64) {
        let mut inner = self.write();
        inner.sessions.retain(|_, until_ms| *until_ms >= now_ms);
        inner.min_iat.retain(|_, min_iat| *min_iat > oldest_iat_s);
    }

    /// A copy, to persist.
    pub fn plain(&self) -> Plain {
        self.read().clone()
    }

    fn read(&self) -> RwLockReadGuard<'_, Plain> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Plain> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_revoked_alone_and_forgotten_after_its_last_token() {
        let (gone, other) = (SessionId::new(1), SessionId::new(2));
        let revocations = Revocations::default();
        revocations.revoke_session(gone, 5_000);
        assert!(revocations.is_revoked(gone, None, 0));
        assert!(!revocations.is_revoked(other, None, 0));
        revocations.forget(5_000, 0);
        assert!(revocations.is_revoked(gone, None, 0));
        revocations.forget(5_001, 0);
        assert_eq!(revocations.plain(), Plain::default());
    }

    #[test]
    fn an_epoch_hits_older_tokens_of_its_tenant_and_never_goes_back() {
        let (hit, spared) = (TenantId::new(1), TenantId::new(2));
        let session = SessionId::new(1);
        let revocations = Revocations::restore(Plain::default());
        revocations.revoke_before(hit, 100);
        revocations.revoke_before(hit, 50);
        assert!(revocations.is_revoked(session, Some(hit), 99));
        assert!(!revocations.is_revoked(session, Some(hit), 100));
        assert!(!revocations.is_revoked(session, Some(spared), 0));
        assert!(!revocations.is_revoked(session, None, 0));
        revocations.forget(0, 100);
        assert!(!revocations.is_revoked(session, Some(hit), 0));
    }
}
