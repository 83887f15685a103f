//! What a sender asks once, to see whether the right place answers.
//!
//! **Invariant:** nothing is answered in here that was not verified before.

use serde::Deserialize;
use tenantry_workflow::Scheme;

/// The longest challenge that is sent back, in bytes.
const CHALLENGE_LIMIT: usize = 1024;

/// Slack's `url_verification`.
#[derive(Deserialize)]
struct UrlVerification {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
}

/// The answer to a verified request that is a handshake of the scheme; such a request is no event.
pub(super) fn answer(scheme: Scheme, body: &[u8]) -> Option<String> {
    if scheme != Scheme::Slack || body.len() > 8 * CHALLENGE_LIMIT || body.first() != Some(&b'{') {
        return None;
    }
    let asked: UrlVerification = serde_json::from_slice(body).ok()?;
    let is_handshake = asked.kind == "url_verification" && asked.challenge.len() <= CHALLENGE_LIMIT;
    is_handshake.then_some(asked.challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request that Slack's documentation shows for `url_verification`.
    #[test]
    fn slack_s_handshake_is_answered_with_its_challenge() {
        let body = br#"{"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", "type": "url_verification"}"#;
        let challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
        assert_eq!(answer(Scheme::Slack, body).as_deref(), Some(challenge));
        assert_eq!(answer(Scheme::Stripe, body), None);
    }

    #[test]
    fn anything_else_is_an_event() {
        for body in
            [&b""[..], b"{}", br#"{"type":"event_callback","challenge":"x"}"#, b"type=url_verification"]
        {
            assert_eq!(answer(Scheme::Slack, body), None);
        }
        let long =
            format!(r#"{{"type":"url_verification","challenge":"{}"}}"#, "x".repeat(CHALLENGE_LIMIT + 1));
        assert_eq!(answer(Scheme::Slack, long.as_bytes()), None);
    }
}
