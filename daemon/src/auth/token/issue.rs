//! Signing: a subject becomes a token.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tenantry_protocol::id::SessionId;

use super::{Claims, KeyRing, SIZE_LIMIT, Wire};
use crate::auth::policy::Grant;
use crate::auth::random;
use crate::clock::Clock;
use crate::error::{Error, Result};

/// Whom a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The principal's stable id.
    pub id: String,
    /// The name people know the principal by.
    pub name: String,
    /// What the principal was given.
    pub grant: Grant,
    /// The login.
    pub session: SessionId,
}

/// A fresh token.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The token; a bearer's secret.
    pub token: String,
    /// When it expires (unix milliseconds).
    pub expires_at_ms: i64,
}

/// Signs tokens with the ring's active key.
#[derive(Clone)]
pub struct TokenIssuer {
    ring: KeyRing,
    clock: Clock,
    ttl: Duration,
}

impl TokenIssuer {
    /// An issuer of tokens that are valid for `ttl`.
    pub const fn new(ring: KeyRing, clock: Clock, ttl: Duration) -> Self {
        Self { ring, clock, ttl }
    }

    /// Signs a token for the subject.
    pub fn issue(&self, subject: &Subject) -> Result<Issued> {
        let now_s = self.clock.now_ms().div_euclid(1_000);
        let expires_at = now_s.saturating_add(i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX));
        let claims = Claims {
            subject: subject.id.clone(),
            name: subject.name.clone(),
            grant: subject.grant.clone(),
            session: subject.session,
            issued_at: now_s,
            not_before: now_s,
            expires_at,
            token_id: URL_SAFE_NO_PAD.encode(random::<16>()?),
        };
        let payload = serde_json::to_vec(&Wire::of(&claims));
        let payload = payload.map_err(|error| Error::internal("write claims").with_source(error))?;
        let token = self.ring.sign(&payload);
        if token.len() > SIZE_LIMIT {
            return Err(Error::internal("a token would be larger than the verifier takes"));
        }
        Ok(Issued { token, expires_at_ms: expires_at.saturating_mul(1_000) })
    }
}
