//! API keys and refresh tokens: 256 random bits behind a prefix that says what they are and where they live.
//!
//! The text is `tnk_<home>_<43 base64url characters>`, with `host` or a tenant id as the home, so that the door
//! knows which file to ask. A file holds the SHA-256 of the text only; 256 random bits need no slow hash.
//! Must never happen here: a `Debug`, `Display` or `Serialize` that shows the secret.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};
use tenantry_protocol::id::TenantId;
use zeroize::Zeroizing;

use super::random;
use crate::error::Result;

const SECRET_BYTES: usize = 32;
/// What 32 bytes are in base64url without padding.
const SECRET_CHARS: usize = 43;
const HOST: &str = "host";

/// In which file the digest of a secret lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Home {
    /// The control database.
    Host,
    /// The tenant's own database.
    Tenant(TenantId),
}

impl Home {
    /// The tenant, if it is one.
    pub const fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Host => None,
            Self::Tenant(tenant) => Some(tenant),
        }
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str(HOST),
            Self::Tenant(tenant) => tenant.fmt(f),
        }
    }
}

/// What a secret text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An API key: exchanged for a token at login, good until revoked.
    Key,
    /// A refresh token: exchanged for the next token of a session, once.
    Refresh,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Key => "tnk_",
            Self::Refresh => "tnr_",
        }
    }
}

/// An API key or a refresh token in clear. It exists between the wire and its digest only.
pub struct SecretText {
    kind: Kind,
    home: Home,
    text: Zeroizing<String>,
}

/// The SHA-256 of a secret's text, as it is stored.
#[derive(Clone, Copy)]
pub struct KeyDigest(pub [u8; 32]);

impl SecretText {
    /// A new one; [`SecretText::reveal`] is shown to the person once and never again.
    pub fn generate(kind: Kind, home: Home) -> Result<Self> {
        let secret = Zeroizing::new(random::<SECRET_BYTES>()?);
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(*secret));
        let text = Zeroizing::new(format!("{}{home}_{}", kind.prefix(), *encoded));
        Ok(Self { kind, home, text })
    }

    /// Reads a text; `None` where it has not the form. No part of the text gets into an answer.
    pub fn parse(kind: Kind, text: &str) -> Option<Self> {
        // The secret may contain underscores and has a fixed length, so it is cut from the end.
        let rest = text.strip_prefix(kind.prefix())?;
        let (home, secret) = rest.split_at_checked(rest.len().checked_sub(SECRET_CHARS)?)?;
        let home = match home.strip_suffix('_')? {
            HOST => Home::Host,
            tenant => Home::Tenant(tenant.parse().ok()?),
        };
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        let length = URL_SAFE_NO_PAD.decode_slice(secret, &mut *bytes).ok()?;
        (length == SECRET_BYTES).then(|| Self { kind, home, text: Zeroizing::new(text.to_owned()) })
    }

    /// What it is for.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where its digest lives.
    pub const fn home(&self) -> Home {
        self.home
    }

    /// The clear text, for the one answer that hands it out.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored and searched for.
    pub fn digest(&self) -> KeyDigest {
        let digest = digest::digest(&digest::SHA256, self.text.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        KeyDigest(bytes)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}_…", self.kind.prefix(), self.home)
    }
}

impl KeyDigest {
    /// Whether both are the same, in a time that does not depend on where they differ.
    pub fn matches(&self, stored: &[u8]) -> bool {
        // A MAC under equal keys is equal; ring compares it in constant time.
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, stored), &[]);
        let own = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        stored.len() == self.0.len() && hmac::verify(&own, &[], tag.as_ref()).is_ok()
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_round_trips_and_names_its_home() {
        for home in [Home::Host, Home::Tenant(TenantId::new(7))] {
            for kind in [Kind::Key, Kind::Refresh] {
                let fresh = SecretText::generate(kind, home).expect("random bytes");
                let read = SecretText::parse(kind, fresh.reveal()).expect("it has the form");
                assert_eq!((read.home(), read.kind()), (home, kind));
                assert!(read.digest().matches(&fresh.digest().0));
                let other = if kind == Kind::Key { Kind::Refresh } else { Kind::Key };
                assert!(SecretText::parse(other, fresh.reveal()).is_none(), "one is not the other");
            }
        }
    }

    #[test]
    fn nothing_prints_the_secret() {
        let fresh = SecretText::generate(Kind::Key, Home::Host).expect("random bytes");
        assert_eq!(format!("{fresh:?} {:?}", fresh.digest()), "tnk_host_… KeyDigest(…)");
    }

    #[test]
    fn two_keys_differ_and_do_not_match() {
        let first = SecretText::generate(Kind::Key, Home::Host).expect("random bytes");
        let second = SecretText::generate(Kind::Key, Home::Host).expect("random bytes");
        assert!(!first.digest().matches(&second.digest().0));
        assert!(!first.digest().matches(&first.digest().0[..31]));
        assert!(!first.digest().matches(&[]));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,120}") {
            drop(SecretText::parse(Kind::Key, &text));
        }

        #[test]
        fn any_changed_character_is_another_key(at in 9_usize..52, with in "[A-Za-z0-9_-]") {
            let fresh = SecretText::generate(Kind::Key, Home::Host).expect("random bytes");
            let mut changed = fresh.reveal().to_owned();
            changed.replace_range(at..=at, &with);
            prop_assume!(changed != fresh.reveal());
            let matches = SecretText::parse(Kind::Key, &changed)
                .is_some_and(|read| read.digest().matches(&fresh.digest().0));
            prop_assert!(!matches);
        }
    }
}
