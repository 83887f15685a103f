//! Keyed hashes over webhook bodies: what channels sign with and what ingress verifies with.
//!
//! It lives in egress because both sides of a webhook need one definition of the signed bytes, and ingress may
//! look down to egress but not the other way. Everything is pure: no clock, no network.
//!
//! What must never happen here: a comparison of a tag or a secret that is not constant in time, a secret in a
//! message or in `Debug`.
//! Go next to `ingress::verify` for the schemes that senders use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{ED25519, UnparsedPublicKey};
use zeroize::Zeroizing;

/// How the text form of a Standard Webhooks secret begins (Standard Webhooks 1.0, "Symmetric").
pub const STANDARD_SECRET_PREFIX: &str = "whsec_";

/// How the text form of a public key begins (Standard Webhooks 1.0, "Asymmetric").
pub const STANDARD_PUBLIC_PREFIX: &str = "whpk_";

/// The hash inside the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// Only for senders that know nothing better.
    Sha1,
    /// What nearly everybody uses.
    #[default]
    Sha256,
    /// The longest.
    Sha512,
}

impl Algorithm {
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    /// The length of a tag in bytes.
    pub const fn tag_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// The tag over the parts, joined without anything between them.
pub fn tag(algorithm: Algorithm, secret: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let key = hmac::Key::new(algorithm.hmac(), secret);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// Whether two byte strings are equal, in a time that tells nothing about where they differ.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    // Tags under one key are compared, because ring offers its constant-time comparison only for tags.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"tenantry: constant-time comparison");
    hmac::verify(&key, left, hmac::sign(&key, right).as_ref()).is_ok()
}

/// The key bytes of a Standard Webhooks secret: base64 after an optional `whsec_`, and the bytes themselves
/// where the text is not base64, so that a passphrase works as well.
pub fn standard_key(secret: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = secret.strip_prefix(STANDARD_SECRET_PREFIX.as_bytes()).unwrap_or(secret);
    Zeroizing::new(STANDARD.decode(text).unwrap_or_else(|_| text.to_vec()))
}

/// The value of the header `webhook-signature` for a message (Standard Webhooks 1.0): `v1,` and the base64 of
/// HMAC-SHA256 over `id.timestamp.body`. The timestamp is unix seconds.
pub fn sign_standard(secret: &[u8], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let timestamp = timestamp_s.to_string();
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let tag = tag(Algorithm::Sha256, &standard_key(secret), &parts);
    let mut signature = String::with_capacity(3 + 44);
    signature.push_str("v1,");
    STANDARD.encode_string(tag.as_ref(), &mut signature);
    signature
}

/// The bytes of a public key, if the secret is the text form of one. Such a secret must never become the key of an
/// HMAC: everybody may know it.
pub fn standard_public_key(secret: &[u8]) -> Option<Vec<u8>> {
    let text = secret.strip_prefix(STANDARD_PUBLIC_PREFIX.as_bytes())?;
    Some(STANDARD.decode(text).unwrap_or_default())
}

/// Whether the owner of an Ed25519 key signed the parts, joined without anything between them (RFC 8032).
pub fn signed_by(public_key: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(&parts.concat(), signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the Standard Webhooks specification publishes with its reference libraries.
    #[test]
    fn the_published_standard_webhooks_vector_is_met() {
        let signature = sign_standard(
            b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_tag_is_over_the_joined_parts() {
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
            let whole = tag(algorithm, b"key", &[b"abcdef"]);
            let joined = tag(algorithm, b"key", &[b"ab", b"", b"cdef"]);
            assert_eq!(whole.as_ref(), joined.as_ref());
            assert_eq!(whole.as_ref().len(), algorithm.tag_bytes());
        }
    }

    /// RFC 2202 case 2 and RFC 4231 case 2.
    #[test]
    fn the_published_hmac_vectors_are_met() {
        let data: &[&[u8]] = &[b"what do ya want for nothing?"];
        let hex = |tag: hmac::Tag| {
            tag.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
        };
        assert_eq!(hex(tag(Algorithm::Sha1, b"Jefe", data)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            hex(tag(Algorithm::Sha256, b"Jefe", data)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(hex(tag(Algorithm::Sha512, b"Jefe", data)).starts_with("164b7a7bfcf819e2e395fbe73b56e0a3"));
    }

    /// RFC 8032 §7.1, test 2.
    #[test]
    fn the_published_ed25519_vector_is_met() {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        let key = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert!(signed_by(&key, &[&[0x72]], &signature));
        assert!(!signed_by(&key, &[&[0x73]], &signature));
        assert!(!signed_by(&key[1..], &[&[0x72]], &signature));
        assert!(!signed_by(&key, &[&[0x72]], &signature[1..]));
    }

    #[test]
    fn a_public_key_is_told_from_a_secret() {
        assert_eq!(standard_public_key(b"whpk_AAEC"), Some(vec![0, 1, 2]));
        assert_eq!(standard_public_key(b"whpk_!"), Some(Vec::new()));
        assert_eq!(standard_public_key(b"whsec_AAEC"), None);
    }

    #[test]
    fn sameness_is_exact() {
        assert!(same(b"token", b"token"));
        assert!(!same(b"token", b"token\0"));
        assert!(!same(b"", b"token"));
    }
}
