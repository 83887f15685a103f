//! The keys that sign and verify: one active, and those that retire until their last token has expired.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::auth::random;
use crate::error::{Error, Result};

/// More keys than this are never in use at once: one active, and two that retire.
const KEY_LIMIT: usize = 3;

/// A key that signs.
pub struct SigningKey {
    kid: String,
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    created_at: i64,
}

/// A key as it is stored. The seed must be sealed before it touches a file.
pub struct StoredKey {
    /// Names the key in a token's header.
    pub kid: String,
    /// The secret half.
    pub seed: Zeroizing<[u8; 32]>,
    /// When it was made (unix milliseconds).
    pub created_at: i64,
    /// From when on it verifies nothing (unix milliseconds); `None` while it is the active one.
    pub retires_at: Option<i64>,
}

impl SigningKey {
    /// A new key, made at `now_ms` (unix milliseconds).
    pub fn generate(now_ms: i64) -> Result<Self> {
        let name = random::<9>()?;
        let seed = Zeroizing::new(random::<32>()?);
        Self::from_parts(URL_SAFE_NO_PAD.encode(name), seed, now_ms)
    }

    /// A stored key.
    pub fn restore(stored: StoredKey) -> Result<Self> {
        Self::from_parts(stored.kid, stored.seed, stored.created_at)
    }

    /// Names the key in a token's header.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// When it was made (unix milliseconds).
    pub const fn created_at(&self) -> i64 {
        self.created_at
    }

    /// What is stored, with the time from when on it verifies nothing.
    pub fn to_stored(&self, retires_at: Option<i64>) -> StoredKey {
        StoredKey { kid: self.kid.clone(), seed: self.seed.clone(), created_at: self.created_at, retires_at }
    }

    fn from_parts(kid: String, seed: Zeroizing<[u8; 32]>, created_at: i64) -> Result<Self> {
        let well_formed =
            !kid.is_empty() && kid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !well_formed {
            return Err(Error::internal("a signing key has a name that cannot stand in a header"));
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed);
        let pair = pair.map_err(|error| Error::internal(format!("a signing key is damaged: {error}")))?;
        Ok(Self { kid, seed, pair, created_at })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("kid", &self.kid)
            .field("retires_at", &self.retires_at)
            .finish_non_exhaustive()
    }
}

/// The keys in use; cheap to clone, a rotation is seen by every clone.
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<RwLock<Keys>>,
}

struct Keys {
    active: Arc<SigningKey>,
    verifiers: Vec<Verifier>,
    /// Counts rotations, so that caches know when to forget.
    generation: u64,
}

#[derive(Clone)]
struct Verifier {
    /// The whole first segment of a token, base64url.
    header: String,
    public: UnparsedPublicKey<Vec<u8>>,
    retires_at: Option<i64>,
}

impl KeyRing {
    /// A ring with an active key and those that retire, newest first; retired ones are ignored.
    pub fn new(active: SigningKey, retiring: &[(SigningKey, i64)]) -> Self {
        let mut verifiers = vec![Verifier::of(&active, None)];
        verifiers.extend(retiring.iter().map(|(key, at)| Verifier::of(key, Some(*at))).take(KEY_LIMIT - 1));
        let keys = Keys { active: Arc::new(active), verifiers, generation: 0 };
        Self { keys: Arc::new(RwLock::new(keys)) }
    }

    /// Signs with `next` from now on. The key so far verifies until `retires_at` (unix milliseconds), which is
    /// at least a token's lifetime and the leeway away.
    pub fn rotate(&self, next: SigningKey, retires_at: i64) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        for verifier in &mut keys.verifiers {
            verifier.retires_at = verifier.retires_at.or(Some(retires_at));
        }
        keys.verifiers.insert(0, Verifier::of(&next, None));
        keys.verifiers.truncate(KEY_LIMIT);
        keys.active = Arc::new(next);
        keys.generation += 1;
    }

    /// The key that signs.
    pub fn active(&self) -> Arc<SigningKey> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner).active)
    }

    pub(super) fn generation(&self) -> u64 {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).generation
    }

    /// Signs `header.payload` and returns the whole token.
    pub(super) fn sign(&self, payload: &[u8]) -> String {
        let key = self.active();
        let mut token = header_of(&key.kid);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = key.pair.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// Whether a key of the ring with exactly this header signed `signed`. `None` where it did not.
    pub(super) fn check(&self, header: &str, signed: &str, signature: &[u8], now_ms: i64) -> Option<()> {
        let verifier = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            let alive = |v: &&Verifier| v.retires_at.is_none_or(|at| now_ms < at);
            keys.verifiers.iter().filter(alive).find(|v| v.header == header)?.public.clone()
        };
        verifier.verify(signed.as_bytes(), signature).ok()
    }
}

impl Verifier {
    fn of(key: &SigningKey, retires_at: Option<i64>) -> Self {
        let public = key.pair.public_key().as_ref().to_vec();
        Self { header: header_of(&key.kid), public: UnparsedPublicKey::new(&ED25519, public), retires_at }
    }
}

/// The first segment of a token. The kid's alphabet needs no JSON escapes.
fn header_of(kid: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#))
}
