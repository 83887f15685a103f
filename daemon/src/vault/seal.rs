//! Sealing: AES-256-GCM by ring, a random nonce, and the record's purpose as associated data.
//!
//! The bytes of a sealed record are `version (1) | nonce (12) | ciphertext | tag (16)`. A random nonce is good
//! for 2³² records under one key; a tenant with that many secrets does not exist.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;
use zeroize::{Zeroize, Zeroizing};

use super::secret::SecretValue;
use crate::error::{Error, Result};

/// The only layout there is.
const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// A sealed record, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
}

/// What a record is for. A record opens for exactly the purpose it was sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// A tenant's secret: its name and the version of the value.
    Secret {
        /// Whose it is.
        tenant: TenantId,
        /// Its name.
        name: &'a str,
        /// Counts its values.
        version: u64,
    },
    /// A tenant's data key.
    DataKey {
        /// Whose it is.
        tenant: TenantId,
    },
    /// Something of the host's, such as a signing key, by name.
    Host {
        /// What it is.
        name: &'a str,
    },
    /// Something of a tenant's beside its secrets, such as an audit signing key, by name.
    Tenant {
        /// Whose it is.
        tenant: TenantId,
        /// What it is.
        name: &'a str,
    },
}

/// A key of 32 bytes that seals. It prints nowhere and is wiped when dropped.
pub(super) struct Key {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

/// A tenant's data key.
pub struct DataKey {
    key: Key,
}

impl Sealed {
    /// The bytes to store.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[VERSION][..], &self.nonce, &self.ciphertext].concat()
    }

    /// From stored bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::internal("a sealed record has not the layout of one");
        let (version, rest) = bytes.split_first().ok_or_else(damaged)?;
        let (nonce, ciphertext) = rest.split_first_chunk().ok_or_else(damaged)?;
        if *version != VERSION || ciphertext.len() < TAG_BYTES {
            return Err(damaged());
        }
        Ok(Self { nonce: *nonce, ciphertext: ciphertext.to_vec() })
    }
}

impl Purpose<'_> {
    /// Each part with its length in front, so that no two purposes have the same bytes.
    fn associated_data(&self) -> Vec<u8> {
        let (kind, tenant, name, version): (&str, Option<&TenantId>, &str, u64) = match self {
            Self::Secret { tenant, name, version } => ("secret", Some(tenant), name, *version),
            Self::DataKey { tenant } => ("data-key", Some(tenant), "", 0),
            Self::Host { name } => ("host", None, name, 0),
            Self::Tenant { tenant, name } => ("tenant", Some(tenant), name, 0),
        };
        let mut data = Vec::with_capacity(64 + name.len());
        for part in [
            kind.as_bytes(),
            tenant.map_or(&[][..], |t| t.as_bytes()),
            name.as_bytes(),
            &version.to_be_bytes(),
        ] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

impl Key {
    pub(super) const fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self { bytes }
    }

    pub(super) fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(&mut *bytes)?;
        Ok(Self { bytes })
    }

    pub(super) fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    pub(super) fn seal(&self, purpose: &Purpose<'_>, plain: &[u8]) -> Result<Sealed> {
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce)?;
        // With the tag's room reserved the plain bytes are never left behind by a reallocation.
        let mut buffer = Vec::with_capacity(plain.len() + TAG_BYTES);
        buffer.extend_from_slice(plain);
        let aad = Aad::from(purpose.associated_data());
        let sealed =
            self.cipher()?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut buffer);
        if sealed.is_err() {
            buffer.zeroize();
            return Err(Error::internal("a record is too long to be sealed"));
        }
        Ok(Sealed { nonce, ciphertext: buffer })
    }

    pub(super) fn open(&self, purpose: &Purpose<'_>, sealed: &Sealed) -> Result<SecretValue> {
        let mut buffer = Zeroizing::new(sealed.ciphertext.clone());
        let aad = Aad::from(purpose.associated_data());
        let nonce = Nonce::assume_unique_for_key(sealed.nonce);
        let plain = self.cipher()?.open_in_place(nonce, aad, &mut buffer);
        let plain = plain.map_err(|_| {
            Error::new(ErrorCode::Internal, "a sealed record does not open").with_operator(format!(
                "{purpose:?}: sealed under another key, for another purpose, or damaged"
            ))
        })?;
        Ok(SecretValue::new(plain.to_vec()))
    }

    fn cipher(&self) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &*self.bytes);
        Ok(LessSafeKey::new(key.map_err(|_| Error::internal("a key has not 32 bytes"))?))
    }
}

impl DataKey {
    pub(super) const fn new(key: Key) -> Self {
        Self { key }
    }

    pub(super) const fn key(&self) -> &Key {
        &self.key
    }

    /// Seals a value for a purpose.
    pub fn seal(&self, purpose: &Purpose<'_>, value: &SecretValue) -> Result<Sealed> {
        self.key.seal(purpose, value.expose())
    }

    /// Opens a record that was sealed for this purpose.
    pub fn open(&self, purpose: &Purpose<'_>, sealed: &Sealed) -> Result<SecretValue> {
        self.key.open(purpose, sealed)
    }
}

fn fill(bytes: &mut [u8]) -> Result<()> {
    let filled = SystemRandom::new().fill(bytes);
    filled.map_err(|_| Error::internal("the operating system gives no random bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> DataKey {
        DataKey::new(Key::generate().expect("random bytes"))
    }

    fn value(text: &str) -> SecretValue {
        SecretValue::new(text.as_bytes().to_vec())
    }

    #[test]
    fn a_record_opens_for_its_own_purpose_only() {
        let (tenant, other) = (TenantId::new(1), TenantId::new(2));
        let key = key();
        let purposes = [
            Purpose::Secret { tenant, name: "STRIPE", version: 1 },
            Purpose::Secret { tenant, name: "STRIPE", version: 2 },
            Purpose::Secret { tenant, name: "STRIP", version: 1 },
            Purpose::Secret { tenant: other, name: "STRIPE", version: 1 },
            Purpose::Tenant { tenant, name: "STRIPE" },
            Purpose::DataKey { tenant },
            Purpose::Host { name: "STRIPE" },
        ];
        for sealed_for in &purposes {
            let sealed = key.seal(sealed_for, &value("a secret value")).expect("it is sealed");
            for opened_for in &purposes {
                let opened = key.open(opened_for, &sealed).is_ok_and(|v| v == value("a secret value"));
                assert_eq!(opened, sealed_for == opened_for, "{sealed_for:?} {opened_for:?}");
            }
        }
    }

    #[test]
    fn another_key_does_not_open_and_equal_values_look_different() {
        let purpose = Purpose::Host { name: "signing" };
        let first = key();
        let sealed = first.seal(&purpose, &value("a secret value")).expect("it is sealed");
        assert!(key().open(&purpose, &sealed).is_err());
        let again = first.seal(&purpose, &value("a secret value")).expect("it is sealed");
        assert_ne!(sealed.to_bytes(), again.to_bytes());
        assert!(!String::from_utf8_lossy(&sealed.to_bytes()).contains("secret"));
    }

    proptest! {
        #[test]
        fn a_changed_record_does_not_open(
            plain in prop::collection::vec(any::<u8>(), 0..100),
            at in any::<prop::sample::Index>(),
            flip in 1_u8..=255,
        ) {
            let key = key();
            let purpose = Purpose::Host { name: "x" };
            let sealed = key.seal(&purpose, &SecretValue::new(plain.clone())).expect("it is sealed");
            let mut bytes = sealed.to_bytes();
            prop_assert!(key.open(&purpose, &Sealed::from_bytes(&bytes).expect("layout")).is_ok_and(|v| v.expose() == plain));
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let opened = Sealed::from_bytes(&bytes).and_then(|sealed| key.open(&purpose, &sealed));
            prop_assert!(opened.is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(sealed) = Sealed::from_bytes(&bytes) {
                prop_assert_eq!(sealed.to_bytes(), bytes);
                let purpose = Purpose::Host { name: "x" };
                prop_assert!(key().open(&purpose, &sealed).is_err());
            }
        }
    }
}
