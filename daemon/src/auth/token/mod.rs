//! Tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037, RFC 8725), valid for minutes.
//!
//! This daemon is the only one that signs and the only one that verifies. So a token's header is not parsed: it
//! must be, byte for byte, the header of a key in the ring. That leaves no algorithm to confuse, no `crit`, no
//! `kid` to inject. The signature is checked before the claims are looked at, the claims are a closed struct:
//! each required, none twice, none unknown.
//!
//! **Invariant:** what is not verified is not parsed.
//! Go next to [`ring_of_keys`] for rotation, [`issue`] and [`verify`] for the two directions.

mod cache;
mod issue;
mod ring_of_keys;
mod verify;

use serde::{Deserialize, Serialize};
use tenantry_protocol::id::{SessionId, TenantId};
use tenantry_protocol::permission::{Permission, Role};

use super::policy::Grant;

pub use issue::{Issued, Subject, TokenIssuer};
pub use ring_of_keys::{KeyRing, SigningKey, StoredKey};
pub use verify::TokenVerifier;

/// Who signs.
pub const ISSUER: &str = "tenantry";
/// Who is meant to read.
pub const AUDIENCE: &str = "tenantry-api";
/// The longest token that is looked at, in bytes.
pub const SIZE_LIMIT: usize = 4 * 1024;
/// The scope that is the whole role.
const WHOLE_ROLE: &str = "*";
/// The tenant of a host token.
const HOST: &str = "host";

/// What a verified token says. Times are unix seconds, as RFC 7519 asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The principal's stable id.
    pub subject: String,
    /// The name people know the principal by.
    pub name: String,
    /// What the principal was given.
    pub grant: Grant,
    /// The login this token belongs to.
    pub session: SessionId,
    /// When it was issued.
    pub issued_at: i64,
    /// Before when it is not valid.
    pub not_before: i64,
    /// From when on it is not valid.
    pub expires_at: i64,
    /// The token's own id.
    pub token_id: String,
}

/// The claims on the wire.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    iss: String,
    aud: String,
    sub: String,
    name: String,
    tid: String,
    sid: SessionId,
    role: Role,
    scope: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}

impl Wire {
    fn of(claims: &Claims) -> Self {
        let Claims { subject, name, grant, session, issued_at, not_before, expires_at, token_id } = claims;
        let scope = grant.scope.as_ref().map(|scope| scope.iter().map(|p| p.as_str()).collect::<Vec<_>>());
        Self {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject.clone(),
            name: name.clone(),
            tid: grant.tenant.map_or_else(|| HOST.to_owned(), |tenant| tenant.to_string()),
            sid: *session,
            role: grant.role,
            scope: scope.map_or_else(|| WHOLE_ROLE.to_owned(), |words| words.join(" ")),
            iat: *issued_at,
            nbf: *not_before,
            exp: *expires_at,
            jti: token_id.clone(),
        }
    }

    /// `None` where a claim has not the meaning it must have.
    fn into_claims(self) -> Option<Claims> {
        if self.iss != ISSUER || self.aud != AUDIENCE || self.sub.is_empty() || self.jti.is_empty() {
            return None;
        }
        let tenant: Option<TenantId> = if self.tid == HOST { None } else { Some(self.tid.parse().ok()?) };
        let scope = if self.scope == WHOLE_ROLE {
            None
        } else {
            let words = self.scope.split_ascii_whitespace().map(str::parse::<Permission>);
            Some(words.collect::<Result<Vec<_>, _>>().ok()?)
        };
        Some(Claims {
            subject: self.sub,
            name: self.name,
            grant: Grant { role: self.role, tenant, scope },
            session: self.sid,
            issued_at: self.iat,
            not_before: self.nbf,
            expires_at: self.exp,
            token_id: self.jti,
        })
    }
}

#[cfg(test)]
mod tests;
