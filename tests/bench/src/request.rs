//! The webhook of W1 as bytes, signed like GitHub's. Only the number and the signature change from one to the next.

use ring::hmac;

use crate::board::DIGITS;

/// The secret of every tenant of the benchmark.
pub(crate) const SECRET: &str = "a secret for signing webhooks";
/// About how large the body is.
const BODY_BYTES: usize = 500;
const SIGNATURE_DIGITS: usize = 64;

/// A request that is filled in and sent again and again.
#[derive(Clone)]
pub(crate) struct Webhook {
    key: hmac::Key,
    bytes: Vec<u8>,
    delivery: usize,
    signature: usize,
    body: usize,
    number: usize,
}

impl Webhook {
    pub(crate) fn to(path: &str) -> Self {
        let start = r#"{"id":""#;
        let number = "0".repeat(DIGITS);
        let rest = r#"","ref":"refs/heads/main","after":"7b1c0f6f7e1e4a1c9a53bb3f3c1e2f5a6d7c8b90","repository":{"full_name":"acme/shop","private":true},"pusher":{"name":"ada","email":"ada@example.com"},"commits":[{"id":"7b1c","message":"Count stock before it is sold"}],"padding":""#;
        let padding = "x".repeat(BODY_BYTES - start.len() - DIGITS - rest.len() - 2);
        let body = format!("{start}{number}{rest}{padding}\"}}");
        let before = format!(
            "POST {path} HTTP/1.1\r\nhost: hooks.example\r\nuser-agent: GitHub-Hookshot/bench\r\n\
             content-type: application/json\r\nx-github-event: push\r\nx-github-delivery: "
        );
        let between = "\r\nx-hub-signature-256: sha256=";
        let after = format!("\r\ncontent-length: {}\r\n\r\n", body.len());
        let delivery = before.len();
        let signature = delivery + DIGITS + between.len();
        let body_at = signature + SIGNATURE_DIGITS + after.len();
        let blank = "0".repeat(SIGNATURE_DIGITS);
        let bytes = format!("{before}{number}{between}{blank}{after}{body}").into_bytes();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        Self { key, bytes, delivery, signature, body: body_at, number: body_at + start.len() }
    }

    /// The request with this number.
    pub(crate) fn with(&mut self, number: u64) -> &[u8] {
        let mut digits = [b'0'; DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.bytes[self.delivery..self.delivery + DIGITS].copy_from_slice(&digits);
        self.bytes[self.number..self.number + DIGITS].copy_from_slice(&digits);
        let tag = hmac::sign(&self.key, &self.bytes[self.body..]);
        let hex = &mut self.bytes[self.signature..self.signature + SIGNATURE_DIGITS];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(tag.as_ref()) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_body_with_its_number() {
        let mut webhook = Webhook::to("/hooks/a/w1");
        let text = String::from_utf8(webhook.with(1_000_000_042).to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), BODY_BYTES);
        assert!(body.starts_with(r#"{"id":"1000000042","ref""#));
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
        assert!(head.contains("x-github-delivery: 1000000042\r\n"));
        assert!(head.contains(&tenantry_tests::sign::github(SECRET, body.as_bytes())));
    }
}
