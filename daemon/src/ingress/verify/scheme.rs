//! What each sender signs and where the signature stands.
//!
//! What must never happen here: a signature taken from one header and a message from another that the sender did
//! not sign, a header that is there twice and read once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use tenantry_workflow::Signed;

use super::{Encoding, MAX_DELIVERY_ID, MAX_SIGNATURES, Refusal, Verified, VerifySpec};
use crate::egress::sign::{self, Algorithm};

/// The longest tag there is, in bytes.
const MAX_TAG: usize = Algorithm::Sha512.tag_bytes();

/// Room for a decoded tag; base64 decodes in groups and wants the last group's room whole.
const TAG_ROOM: usize = MAX_TAG + 2;

/// One webhook as it arrived.
pub(super) struct Delivery<'a> {
    pub(super) secrets: &'a [&'a [u8]],
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl<'a> Delivery<'a> {
    /// Standard Webhooks 1.0: `id.timestamp.body`; several signatures separated by blanks, `v1,` with HMAC-SHA256 or
    /// `v1a,` with Ed25519, in base64.
    pub(super) fn standard_webhooks(&self) -> Result<Verified, Refusal> {
        let vendor = !self.headers.contains_key("webhook-id") && self.headers.contains_key("svix-id");
        let name = |standard, svix| HeaderName::from_static(if vendor { svix } else { standard });
        let id_header = name("webhook-id", "svix-id");
        let time_header = name("webhook-timestamp", "svix-timestamp");
        let tag_header = name("webhook-signature", "svix-signature");
        let id = self.one(&id_header)?;
        let timestamp = self.one(&time_header)?;
        let timestamp_ms = unix_ms(timestamp).ok_or_else(|| Refusal::Malformed(time_header.clone()))?;
        let malformed = || Refusal::Malformed(tag_header.clone());
        let (mut tags, mut signatures) = (Tags::default(), Tags::default());
        for item in self.one(&tag_header)?.split(' ') {
            match item.split_once(',') {
                Some(("v1", text)) => tags.push(Encoding::Base64, text).ok_or_else(malformed)?,
                Some(("v1a", text)) => signatures.push(Encoding::Base64, text).ok_or_else(malformed)?,
                _ => {}
            }
        }
        if tags.is_empty() && signatures.is_empty() {
            return Err(malformed());
        }
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", self.body];
        self.any_secret(|secret| {
            // A public key is known to everybody: it never becomes the key of an HMAC.
            if let Some(key) = sign::standard_public_key(secret) {
                return signatures.each().any(|signature| sign::signed_by(&key, &parts, signature));
            }
            let key = sign::standard_key(secret);
            !key.is_empty() && tags.hold(Algorithm::Sha256, &key, &parts)
        })?;
        Ok(Verified { delivery_id: Some(delivery_id(id_header, id)?), timestamp_ms: Some(timestamp_ms) })
    }

    /// GitHub: the body, `sha256=` and hex. The delivery id is not signed.
    pub(super) fn github(&self) -> Result<Verified, Refusal> {
        let header = HeaderName::from_static("x-hub-signature-256");
        self.body_tag(header, Algorithm::Sha256, Encoding::Hex, "sha256=")?;
        self.unsigned_id(HeaderName::from_static("x-github-delivery"))
    }

    /// Shopify: the body, base64. The webhook id is not signed.
    pub(super) fn shopify(&self) -> Result<Verified, Refusal> {
        let header = HeaderName::from_static("x-shopify-hmac-sha256");
        self.body_tag(header, Algorithm::Sha256, Encoding::Base64, "")?;
        self.unsigned_id(HeaderName::from_static("x-shopify-webhook-id"))
    }

    /// Stripe: `t=…,v1=…[,v1=…]` over `t.body`, hex.
    pub(super) fn stripe(&self) -> Result<Verified, Refusal> {
        let header = HeaderName::from_static("stripe-signature");
        let malformed = || Refusal::Malformed(header.clone());
        let mut timestamp = None;
        let mut tags = Tags::default();
        for item in self.one(&header)?.split(',') {
            match item.trim().split_once('=') {
                Some(("t", text)) if timestamp.is_none() => timestamp = Some(text),
                Some(("t", _)) => return Err(malformed()),
                Some(("v1", text)) => tags.push(Encoding::Hex, text).ok_or_else(malformed)?,
                _ => {}
            }
        }
        let timestamp = timestamp.ok_or_else(malformed)?;
        let timestamp_ms = unix_ms(timestamp).ok_or_else(malformed)?;
        if tags.is_empty() {
            return Err(malformed());
        }
        let parts: [&[u8]; 3] = [timestamp.as_bytes(), b".", self.body];
        self.any_secret(|secret| tags.hold(Algorithm::Sha256, secret, &parts))?;
        Ok(Verified { delivery_id: None, timestamp_ms: Some(timestamp_ms) })
    }

    /// Slack: `v0=` and hex over `v0:timestamp:body`.
    pub(super) fn slack(&self) -> Result<Verified, Refusal> {
        let time_header = HeaderName::from_static("x-slack-request-timestamp");
        let tag_header = HeaderName::from_static("x-slack-signature");
        let timestamp = self.one(&time_header)?;
        let timestamp_ms = unix_ms(timestamp).ok_or(Refusal::Malformed(time_header))?;
        let parts: [&[u8]; 4] = [b"v0:", timestamp.as_bytes(), b":", self.body];
        self.one_tag(tag_header, Algorithm::Sha256, Encoding::Hex, "v0=", &parts)?;
        Ok(Verified { delivery_id: None, timestamp_ms: Some(timestamp_ms) })
    }

    /// HMAC over what the workflow describes: the body, with or without a timestamp and other text.
    pub(super) fn hmac(&self, spec: &VerifySpec) -> Result<Verified, Refusal> {
        let header = spec.header.clone().unwrap_or(HeaderName::from_static("x-signature"));
        let (mut timestamp, mut timestamp_ms) = ("", None);
        if let Some(name) = &spec.timestamp_header {
            timestamp = self.one(name)?;
            timestamp_ms = Some(unix_ms(timestamp).ok_or_else(|| Refusal::Malformed(name.clone()))?);
        }
        let parts: Vec<&[u8]> = spec
            .signed
            .iter()
            .map(|part| match part {
                Signed::Text(text) => text.as_bytes(),
                Signed::Timestamp => timestamp.as_bytes(),
                Signed::Body => self.body,
            })
            .collect();
        self.one_tag(header, spec.algorithm, spec.encoding, &spec.prefix, &parts)?;
        Ok(Verified { delivery_id: None, timestamp_ms })
    }

    /// The secret itself. `Authorization` takes the scheme `Bearer` (RFC 6750 §2.1) unless a prefix is given.
    pub(super) fn token(&self, spec: &VerifySpec) -> Result<Verified, Refusal> {
        let header = spec.header.clone().unwrap_or(AUTHORIZATION);
        let value = self.one(&header)?;
        let prefix = spec.prefix.as_str();
        let is_bearer = prefix.is_empty() || prefix.trim_end().eq_ignore_ascii_case("bearer");
        let token = if header == AUTHORIZATION && is_bearer {
            let parts = value.split_once(' ').filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
            parts.map(|(_, token)| token.trim_start_matches(' '))
        } else {
            value.strip_prefix(prefix)
        };
        let token = token.ok_or(Refusal::Malformed(header))?;
        self.any_secret(|secret| sign::same(secret, token.as_bytes()))?;
        Ok(Verified::default())
    }

    fn body_tag(
        &self,
        header: HeaderName,
        algorithm: Algorithm,
        encoding: Encoding,
        prefix: &str,
    ) -> Result<(), Refusal> {
        self.one_tag(header, algorithm, encoding, prefix, &[self.body])
    }

    fn one_tag(
        &self,
        header: HeaderName,
        algorithm: Algorithm,
        encoding: Encoding,
        prefix: &str,
        parts: &[&[u8]],
    ) -> Result<(), Refusal> {
        let mut tags = Tags::default();
        let pushed = self.one(&header)?.strip_prefix(prefix).and_then(|text| tags.push(encoding, text));
        pushed.ok_or(Refusal::Malformed(header))?;
        self.any_secret(|secret| tags.hold(algorithm, secret, parts))
    }

    fn any_secret(&self, vouches: impl Fn(&[u8]) -> bool) -> Result<(), Refusal> {
        let found = self.secrets.iter().any(|secret| !secret.is_empty() && vouches(secret));
        if found { Ok(()) } else { Err(Refusal::Mismatch) }
    }

    fn unsigned_id(&self, header: HeaderName) -> Result<Verified, Refusal> {
        if !self.headers.contains_key(&header) {
            return Ok(Verified::default());
        }
        let id = self.one(&header)?;
        Ok(Verified { delivery_id: Some(delivery_id(header, id)?), timestamp_ms: None })
    }

    /// The value of a header that must be there exactly once.
    fn one(&self, header: &HeaderName) -> Result<&'a str, Refusal> {
        let mut values = self.headers.get_all(header).iter();
        let value = values.next().ok_or_else(|| Refusal::Missing(header.clone()))?;
        match (value.to_str(), values.next()) {
            (Ok(text), None) => Ok(text),
            _ => Err(Refusal::Malformed(header.clone())),
        }
    }
}

fn delivery_id(header: HeaderName, id: &str) -> Result<String, Refusal> {
    if id.is_empty() || id.len() > MAX_DELIVERY_ID {
        return Err(Refusal::Malformed(header));
    }
    Ok(id.to_owned())
}

/// From here on a number counts milliseconds: as seconds it would lie after the year 5000.
const LEAST_MILLISECONDS: i64 = 100_000_000_000;

/// A unix time in decimal digits, in seconds or milliseconds, as milliseconds.
fn unix_ms(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 15 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = text.parse::<i64>().ok()?;
    if number < LEAST_MILLISECONDS { number.checked_mul(1_000) } else { Some(number) }
}

/// The tags that a header offers, decoded.
#[derive(Default)]
struct Tags {
    offered: Vec<([u8; TAG_ROOM], usize)>,
}

impl Tags {
    fn push(&mut self, encoding: Encoding, text: &str) -> Option<()> {
        let mut bytes = [0; TAG_ROOM];
        let length = match encoding {
            Encoding::Hex => decode_hex(text, &mut bytes)?,
            Encoding::Base64 => STANDARD.decode_slice(text, &mut bytes).ok()?,
        };
        if length == 0 || self.offered.len() == MAX_SIGNATURES {
            return None;
        }
        self.offered.push((bytes, length));
        Some(())
    }

    const fn is_empty(&self) -> bool {
        self.offered.is_empty()
    }

    /// Every tag.
    fn each(&self) -> impl Iterator<Item = &[u8]> {
        self.offered.iter().map(|(bytes, length)| &bytes[..*length])
    }

    fn hold(&self, algorithm: Algorithm, secret: &[u8], parts: &[&[u8]]) -> bool {
        let expected = sign::tag(algorithm, secret, parts);
        self.each().any(|tag| sign::same(tag, expected.as_ref()))
    }
}

fn decode_hex(text: &str, bytes: &mut [u8; TAG_ROOM]) -> Option<usize> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() > 2 * MAX_TAG {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high << 4 | low) as u8;
    }
    Some(digits.len() / 2)
}
