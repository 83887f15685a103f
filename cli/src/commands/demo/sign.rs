//! Signatures as the world makes them: GitHub's for webhooks that go in, Standard Webhooks for notifications that
//! come out.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{HMAC_SHA256, Key, sign, verify};
use ring::rand::{SecureRandom, SystemRandom};

use crate::failure::{Failure, Local};

/// How old a timestamp of a notification may be, in seconds (Standard Webhooks recommends five minutes).
const TOLERANCE_S: i64 = 300;

/// A fresh secret of 32 random bytes as Standard Webhooks writes it.
pub(super) fn new_secret() -> Result<String, Failure> {
    let mut bytes = [0_u8; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Failure::local(Local::File, "the machine gives no random bytes"))?;
    Ok(format!("whsec_{}", STANDARD.encode(bytes)))
}

/// The value of `X-Hub-Signature-256` (GitHub, "Validating webhook deliveries").
pub(super) fn github(secret: &str, body: &[u8]) -> String {
    let tag = sign(&Key::new(HMAC_SHA256, secret.as_bytes()), body);
    let mut value = String::from("sha256=");
    for byte in tag.as_ref() {
        write!(value, "{byte:02x}").ok();
    }
    value
}

/// What a notification came with.
pub(super) struct Signed<'a> {
    /// `webhook-id`
    pub(super) id: &'a str,
    /// `webhook-timestamp`, seconds
    pub(super) timestamp: &'a str,
    /// `webhook-signature`
    pub(super) signature: &'a str,
    /// The raw bytes.
    pub(super) body: &'a [u8],
}

/// Whether a notification is from whoever holds the secret, and not an old one (Standard Webhooks 1.0).
pub(super) fn is_genuine(secret: &str, signed: &Signed<'_>, now_s: i64) -> bool {
    let Ok(key) = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or_default()) else { return false };
    let fresh = signed
        .timestamp
        .parse::<i64>()
        .is_ok_and(|at| now_s.checked_sub(at).is_some_and(|age| age.abs() <= TOLERANCE_S));
    let mut message = format!("{}.{}.", signed.id, signed.timestamp).into_bytes();
    message.extend_from_slice(signed.body);
    let key = Key::new(HMAC_SHA256, &key);
    let matches = |signature: &str| {
        let tag = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        tag.is_some_and(|tag| verify(&key, &message, &tag).is_ok())
    };
    fresh && signed.signature.split(' ').any(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_signs_as_documented() {
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(github("It's a Secret to Everybody", b"Hello, World!"), expected);
    }

    /// The specification's own example.
    fn example() -> Signed<'static> {
        Signed {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp: "1614265330",
            signature: "v2,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            body: br#"{"test": 2432232314}"#,
        }
    }

    #[test]
    fn notifications_are_verified_as_documented() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert!(is_genuine(secret, &example(), 1_614_265_331));
        assert!(!is_genuine(secret, &example(), 1_614_265_330 + 301), "an old one is a replay");
        assert!(!is_genuine("whsec_AAAA", &example(), 1_614_265_331));
        assert!(!is_genuine("no base64 ?", &example(), 1_614_265_331));
        assert!(!is_genuine(secret, &Signed { body: b"{}", ..example() }, 1_614_265_331));
        assert!(!is_genuine(secret, &Signed { timestamp: "x", ..example() }, 1_614_265_331));
    }

    #[test]
    fn secrets_differ() {
        assert_ne!(new_secret().unwrap(), new_secret().unwrap());
    }
}
