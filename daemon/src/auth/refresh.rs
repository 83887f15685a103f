//! When a refresh token is worth a new token: single use, and a second use ends the whole session.
//!
//! Whoever shows a refresh token that was replaced before is either a thief or the owner after a thief, so the
//! session is revoked (RFC 9700 §4.14.2). A client whose answer got lost may ask again within the grace.

use std::time::Duration;

use super::key::KeyDigest;

/// How long the replaced refresh token is still taken from a client that lost the answer.
pub const GRACE: Duration = Duration::from_secs(10);

/// What a session stores about its refresh tokens.
#[derive(Clone, Debug)]
pub struct Family {
    /// The digest of the one that is good now.
    pub current: KeyDigest,
    /// The digest of the one before, and when it was replaced (unix milliseconds).
    pub previous: Option<(KeyDigest, i64)>,
    /// When the session ends (unix milliseconds).
    pub expires_at: i64,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// What to do with a shown refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Issue a token and the next refresh token; store it as the current one.
    Rotate,
    /// Revoke the session: a replaced refresh token was shown again.
    Revoke,
    /// Refuse: it was never good here, or the session is over.
    Refuse,
}

/// Decides on a shown refresh token at `now_ms` (unix milliseconds).
pub fn decide(family: &Family, shown: &KeyDigest, now_ms: i64) -> Turn {
    if family.revoked || now_ms >= family.expires_at {
        return Turn::Refuse;
    }
    if shown.matches(&family.current.0) {
        return Turn::Rotate;
    }
    match &family.previous {
        Some((previous, replaced_at)) if shown.matches(&previous.0) => {
            let grace = i64::try_from(GRACE.as_millis()).unwrap_or(i64::MAX);
            if now_ms.saturating_sub(*replaced_at) <= grace { Turn::Rotate } else { Turn::Revoke }
        }
        _ => Turn::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURRENT: KeyDigest = KeyDigest([1; 32]);
    const PREVIOUS: KeyDigest = KeyDigest([2; 32]);
    const STRANGE: KeyDigest = KeyDigest([3; 32]);

    fn family() -> Family {
        let previous = Some((PREVIOUS, 100_000));
        Family { current: CURRENT, previous, expires_at: 1_000_000, revoked: false }
    }

    #[test]
    fn the_current_one_is_taken_until_the_session_ends() {
        assert_eq!(decide(&family(), &CURRENT, 500_000), Turn::Rotate);
        assert_eq!(decide(&family(), &CURRENT, 1_000_000), Turn::Refuse);
        let revoked = Family { revoked: true, ..family() };
        assert_eq!(decide(&revoked, &CURRENT, 500_000), Turn::Refuse);
    }

    #[test]
    fn a_replaced_one_is_forgiven_shortly_and_then_ends_the_session() {
        assert_eq!(decide(&family(), &PREVIOUS, 110_000), Turn::Rotate);
        assert_eq!(decide(&family(), &PREVIOUS, 110_001), Turn::Revoke);
    }

    #[test]
    fn a_strange_one_is_refused_without_harm() {
        assert_eq!(decide(&family(), &STRANGE, 500_000), Turn::Refuse);
    }
}
