//! The keys that sign tokens, kept sealed in control.db so that a restart ends nobody's session.

use std::sync::Arc;

use tenantry_protocol::id::SessionId;
use zeroize::Zeroizing;

use super::Service;
use super::sessions::Identity;
use crate::auth::revocation::{Plain, Revocations};
use crate::auth::token::{KeyRing, SigningKey, StoredKey, TokenIssuer, TokenVerifier};
use crate::clock::Clock;
use crate::config;
use crate::error::{Error, Result};
use crate::store::control::signing_keys;
use crate::store::identity::sessions;
use crate::store::{Lane, PAGE_LIMIT, Store};
use crate::vault::{HostKey, Sealed, SecretValue};

/// What the keys are for, in control.db and in their seals.
const PURPOSE: &str = "token";

impl Identity {
    /// Reads the keys, makes the first one, and remembers the host's revoked sessions.
    pub async fn open(
        store: &Store,
        host_key: &HostKey,
        clock: &Clock,
        config: &config::Auth,
    ) -> Result<Self> {
        let now = clock.now_ms();
        let stored = store.control().read(move |tx| signing_keys::list(tx, PURPOSE, now)).await?;
        let (mut active, mut retiring) = (None, Vec::new());
        for row in &stored {
            let key = restore(host_key, row)?;
            match row.retire_at {
                Some(at) => retiring.push((key, at)),
                None => active = Some(key),
            }
        }
        let active = match active {
            Some(key) => key,
            None => make(store, host_key, now).await?,
        };
        let ring = KeyRing::new(active, &retiring);
        let revocations = Arc::new(Revocations::restore(Plain::default()));
        let identity = Self {
            issuer: TokenIssuer::new(ring.clone(), clock.clone(), config.token_ttl),
            verifier: TokenVerifier::new(
                ring.clone(),
                clock.clone(),
                config.leeway,
                Arc::clone(&revocations),
            ),
            ring,
            revocations,
            token_ttl_ms: i64::try_from(config.token_ttl.as_millis()).unwrap_or(i64::MAX),
            session_ttl_ms: i64::try_from(config.session_ttl.as_millis()).unwrap_or(i64::MAX),
        };
        let revoked = store.control().read(move |tx| sessions::revoked(tx, now, PAGE_LIMIT)).await?;
        identity.remember(revoked, now);
        Ok(identity)
    }

    /// Remembers sessions that were revoked before the daemon started.
    pub fn remember(&self, revoked: Vec<SessionId>, now: i64) {
        for session in revoked {
            self.end(session, now);
        }
    }
}

fn restore(host_key: &HostKey, row: &signing_keys::SigningKey) -> Result<SigningKey> {
    let seed = host_key.open_sealed(&seal_name(&row.kid), &Sealed::from_bytes(&row.sealed_private)?)?;
    let seed = seed.expose().try_into().map_err(|_| Error::internal("a token key has not 32 bytes"))?;
    SigningKey::restore(StoredKey {
        kid: row.kid.clone(),
        seed: Zeroizing::new(seed),
        created_at: row.created_at,
        retires_at: row.retire_at,
    })
}

fn seal_name(kid: &str) -> String {
    format!("{PURPOSE}:{kid}")
}

async fn make(store: &Store, host_key: &HostKey, now: i64) -> Result<SigningKey> {
    let key = SigningKey::generate(now)?;
    let plain = key.to_stored(None);
    let sealed = host_key.seal(&seal_name(key.kid()), &SecretValue::new(plain.seed.to_vec()))?;
    let row = signing_keys::SigningKey {
        kid: key.kid().to_owned(),
        purpose: PURPOSE.to_owned(),
        public: Vec::new(),
        sealed_private: sealed.to_bytes(),
        created_at: now,
        retire_at: None,
    };
    store.control().write(Lane::Api, move |tx| signing_keys::insert(tx, &row)).await?;
    Ok(key)
}

impl Service {
    /// Replaces the token key if it is older than `auth.key-rotation`.
    pub async fn rotate_token_key(&self) -> Result<()> {
        let (now, active) = (self.clock.now_ms(), self.identity.ring.active());
        let limit = i64::try_from(self.config.auth.key_rotation.as_millis()).unwrap_or(i64::MAX);
        if now - active.created_at() < limit {
            return Ok(());
        }
        let next = make(&self.store, self.secrets.host_key(), now).await?;
        let (retires_at, kid) = (now + 2 * self.identity.token_ttl_ms, active.kid().to_owned());
        self.store.control().write(Lane::Api, move |tx| signing_keys::retire(tx, &kid, retires_at)).await?;
        self.identity.ring.rotate(next, retires_at);
        Ok(())
    }
}
