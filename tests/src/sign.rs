//! Signs webhooks the way their senders do.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};

fn mac(secret: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// The value of GitHub's `X-Hub-Signature-256`.
pub fn github(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hex(mac(secret.as_bytes(), body).as_ref()))
}

/// The value of `webhook-signature` (Standard Webhooks). A secret that begins with `whsec_` is base64 after it.
pub fn standard(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> String {
    let key = match secret.strip_prefix("whsec_") {
        Some(text) => STANDARD.decode(text).unwrap_or_default(),
        None => secret.as_bytes().to_vec(),
    };
    let mut message = format!("{id}.{timestamp}.").into_bytes();
    message.extend_from_slice(body);
    format!("v1,{}", STANDARD.encode(mac(&key, &message)))
}

/// The value of `webhook-signature` (Standard Webhooks, "Asymmetric") by the key pair that grows from a seed.
pub fn standard_asymmetric(seed: &[u8; 32], id: &str, timestamp: i64, body: &[u8]) -> String {
    let message = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    let signature = pair(seed).map(|pair| pair.sign(&message));
    format!("v1a,{}", signature.map(|signature| STANDARD.encode(signature)).unwrap_or_default())
}

/// The public key of that pair, as its receiver stores it.
pub fn standard_public(seed: &[u8; 32]) -> String {
    let key = pair(seed).map(|pair| STANDARD.encode(pair.public_key()));
    format!("whpk_{}", key.unwrap_or_default())
}

fn pair(seed: &[u8; 32]) -> Option<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed).ok()
}

/// The value of `Stripe-Signature`.
pub fn stripe(secret: &str, timestamp: i64, body: &[u8]) -> String {
    let message = [format!("{timestamp}.").as_bytes(), body].concat();
    format!("t={timestamp},v1={}", hex(mac(secret.as_bytes(), &message).as_ref()))
}

/// The value of `X-Slack-Signature`; other senders put the same into other headers.
pub fn slack(secret: &str, timestamp: i64, body: &[u8]) -> String {
    let message = [format!("v0:{timestamp}:").as_bytes(), body].concat();
    format!("v0={}", hex(mac(secret.as_bytes(), &message).as_ref()))
}

/// The value of `X-Shopify-Hmac-Sha256`.
pub fn shopify(secret: &str, body: &[u8]) -> String {
    STANDARD.encode(mac(secret.as_bytes(), body))
}

/// Seconds since the epoch, as timestamps of webhooks count.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_secs() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From GitHub's documentation, "Validating webhook deliveries".
    #[test]
    fn github_signs_as_documented() {
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(github("It's a Secret to Everybody", b"Hello, World!"), expected);
    }

    /// From the Standard Webhooks specification's test data.
    #[test]
    fn standard_webhooks_sign_as_documented() {
        let signature = standard(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
