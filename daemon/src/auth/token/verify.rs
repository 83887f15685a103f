//! Verifying: a token becomes claims, or one of three refusals.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tenantry_protocol::error::ErrorCode;

use super::cache::Cache;
use super::{Claims, KeyRing, SIZE_LIMIT, Wire};
use crate::auth::revocation::Revocations;
use crate::clock::Clock;
use crate::error::{Error, Result};

/// Verifies tokens; cheap to clone.
#[derive(Clone)]
pub struct TokenVerifier {
    ring: KeyRing,
    clock: Clock,
    leeway_s: i64,
    revocations: Arc<Revocations>,
    cache: Arc<Cache>,
}

impl TokenVerifier {
    /// A verifier that forgives `leeway` of clock difference.
    pub fn new(ring: KeyRing, clock: Clock, leeway: Duration, revocations: Arc<Revocations>) -> Self {
        let leeway_s = i64::try_from(leeway.as_secs()).unwrap_or(i64::MAX);
        Self { ring, clock, leeway_s, revocations, cache: Arc::default() }
    }

    /// The claims of a good token. `token-expired` and `token-revoked` are told apart only for tokens that this
    /// daemon signed; everything else is `auth-required`.
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>> {
        let now_ms = self.clock.now_ms();
        let generation = self.ring.generation();
        let cached = self.cache.get(token, generation);
        let claims = if let Some(claims) = cached {
            claims
        } else {
            let claims = Arc::new(self.open(token, now_ms).ok_or_else(refused)?);
            self.cache.put(token, Arc::clone(&claims), generation);
            claims
        };
        self.check_times(&claims, now_ms.div_euclid(1_000))?;
        if self.revocations.is_revoked(claims.session, claims.grant.tenant, claims.issued_at) {
            return Err(ErrorCode::TokenRevoked.into());
        }
        Ok(claims)
    }

    fn check_times(&self, claims: &Claims, now_s: i64) -> Result<()> {
        if now_s >= claims.expires_at.saturating_add(self.leeway_s) {
            return Err(ErrorCode::TokenExpired.into());
        }
        let latest_start = now_s.saturating_add(self.leeway_s);
        if claims.not_before > latest_start || claims.issued_at > latest_start {
            return Err(refused());
        }
        Ok(())
    }

    /// Signature first, claims afterwards. `None` for whatever is not a token of ours.
    fn open(&self, token: &str, now_ms: i64) -> Option<Claims> {
        if token.len() > SIZE_LIMIT {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        // The engine refuses padding and trailing bits, so a token has exactly one spelling.
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.ring.check(header, signed, &signature, now_ms)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        serde_json::from_slice::<Wire>(&payload).ok()?.into_claims()
    }
}

fn refused() -> Error {
    ErrorCode::AuthRequired.into()
}

#[cfg(test)]
impl TokenVerifier {
    pub(super) fn cached(&self) -> usize {
        self.cache.len()
    }
}
