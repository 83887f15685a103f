//! Webhooks: one byte for the scheme, lines of `name: value`, an empty line, the body.
//!
//! The oracle signs by itself: what is taken must carry a signature that `tests/src/sign.rs`, which shares no code with
//! the daemon, makes over the same time and body, and that time must lie in the window.

use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use tenantry_daemon::ingress::verify::{
    DEFAULT_TOLERANCE_MS, Encoding, MAX_DELIVERY_ID, Refusal, Scheme, VerifySpec, verify,
};
use tenantry_workflow::Signed;

use super::{outline, shape};
use crate::sign;

const NOW_S: i64 = 1_614_265_330;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SEED: [u8; 32] = [7; 32];
const SCHEMES: &[Scheme] = &[
    Scheme::StandardWebhooks,
    Scheme::Github,
    Scheme::Stripe,
    Scheme::Slack,
    Scheme::Shopify,
    Scheme::Hmac,
    Scheme::Token,
];

/// Genuine deliveries of every scheme.
pub(in crate::fuzz) fn genuine() -> Vec<Vec<u8>> {
    let body: &[u8] = b"{\"id\": 1}";
    let asymmetric = sign::standard_asymmetric(&SEED, "msg_1", NOW_S, body);
    let lines = [
        format!(
            "webhook-id: msg_1\nwebhook-timestamp: {NOW_S}\nwebhook-signature: v1,AAAA {} {asymmetric}",
            sign::standard(SECRET, "msg_1", NOW_S, body)
        ),
        format!("x-hub-signature-256: {}\nx-github-delivery: 72d3162e", sign::github(SECRET, body)),
        format!("stripe-signature: {},v1=00,v0=00", sign::stripe(SECRET, NOW_S, body)),
        format!(
            "x-slack-signature: {}\nx-slack-request-timestamp: {NOW_S}",
            sign::slack(SECRET, NOW_S, body)
        ),
        format!("x-shopify-hmac-sha256: {}\nx-shopify-webhook-id: 1", sign::shopify(SECRET, body)),
        format!("x-sign: {}\nx-time: {NOW_S}", sign::slack(SECRET, NOW_S, body)),
        format!("authorization: Bearer {SECRET}"),
    ];
    let whole = |(scheme, lines): (usize, &String)| {
        [&[b'0' + scheme as u8][..], b"\n", lines.as_bytes(), b"\n\n", body].concat()
    };
    let mut inputs: Vec<_> = lines.iter().enumerate().map(whole).collect();
    inputs.push([&b"0\n"[..], lines[0].replace("webhook-", "svix-").as_bytes(), b"\n\n", body].concat());
    inputs
}

fn spec(scheme: Scheme) -> VerifySpec {
    let mut spec = VerifySpec::new(scheme);
    if scheme == Scheme::Hmac {
        spec.header = Some(HeaderName::from_static("x-sign"));
        spec.timestamp_header = Some(HeaderName::from_static("x-time"));
        spec.encoding = Encoding::Hex;
        "v0=".clone_into(&mut spec.prefix);
        spec.signed = Signed::parse("v0:{timestamp}:{body}").unwrap_or_default();
    }
    spec
}

pub(super) fn try_input(input: &[u8]) -> Result<u64, String> {
    let scheme = SCHEMES[usize::from(input.first().copied().unwrap_or_default()) % SCHEMES.len()];
    let rest = input.get(1..).unwrap_or_default();
    let at = rest.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = at.map_or((rest, &[][..]), |at| (&rest[..at], &rest[at + 2..]));
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.windows(2).position(|pair| pair == b": ") else { continue };
        let name = std::str::from_utf8(&line[..colon]).ok().and_then(|name| HeaderName::from_str(name).ok());
        if let (Some(name), Ok(value)) = (name, HeaderValue::from_bytes(&line[colon + 2..])) {
            headers.append(name, value);
        }
    }
    let public = sign::standard_public(&SEED);
    let secrets: [&[u8]; 3] = [b"", SECRET.as_bytes(), public.as_bytes()];
    let spec = spec(scheme);
    let answer = verify(&spec, &secrets, &headers, body, NOW_S * 1_000);
    let said = match &answer {
        Ok(verified) => {
            if verified.delivery_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > MAX_DELIVERY_ID) {
                return Err("a delivery id without a bound".to_owned());
            }
            if verified.timestamp_ms.is_some_and(|at| (NOW_S * 1_000 - at).abs() > DEFAULT_TOLERANCE_MS) {
                return Err("taken, although outside of the window".to_owned());
            }
            if !is_signed(scheme, &headers, body) {
                return Err(format!("{scheme:?} took what nobody signed"));
            }
            format!("taken {}", verified.delivery_id.is_some())
        }
        Err(refusal @ (Refusal::Missing(name) | Refusal::Malformed(name))) => {
            format!("{name} {}", outline(&refusal.to_string()))
        }
        Err(refusal) => outline(&refusal.to_string()),
    };
    Ok(shape((scheme as u8, said, headers.len().min(6))))
}

/// Whether a signature over this body, by a secret of ours and at the time that the headers tell, is among them.
fn is_signed(scheme: Scheme, headers: &HeaderMap, body: &[u8]) -> bool {
    let one = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let time = |text: &str| text.parse::<i64>().unwrap_or_default();
    // Hex digits count in both cases; base64 and tokens as they are.
    let hex = |value: &str, wanted: &str| value.to_ascii_lowercase().contains(wanted);
    match scheme {
        Scheme::StandardWebhooks => ["webhook", "svix"].iter().any(|vendor| {
            let (id, at) = (one(&format!("{vendor}-id")), one(&format!("{vendor}-timestamp")));
            let value = one(&format!("{vendor}-signature"));
            // A time with leading zeros is signed as it was written, which this signer cannot do.
            let at_s = time(at);
            at_s.to_string() != at
                || value.contains(&sign::standard(SECRET, id, at_s, body))
                || value.contains(&sign::standard_asymmetric(&SEED, id, at_s, body))
        }),
        Scheme::Github => hex(one("x-hub-signature-256"), &sign::github(SECRET, body)),
        Scheme::Stripe => {
            let value = one("stripe-signature");
            let at = value.split(',').find_map(|item| item.trim().strip_prefix("t=")).unwrap_or_default();
            let signed = sign::stripe(SECRET, time(at), body);
            let tag = signed.split_once(",v1=").map(|(_, tag)| tag.to_owned()).unwrap_or_default();
            time(at).to_string() != at || hex(value, &tag)
        }
        Scheme::Slack => {
            let at = one("x-slack-request-timestamp");
            time(at).to_string() != at || hex(one("x-slack-signature"), &sign::slack(SECRET, time(at), body))
        }
        Scheme::Shopify => one("x-shopify-hmac-sha256") == sign::shopify(SECRET, body),
        Scheme::Hmac => {
            let at = one("x-time");
            time(at).to_string() != at || hex(one("x-sign"), &sign::slack(SECRET, time(at), body))
        }
        Scheme::Token => {
            one("authorization").ends_with(SECRET)
                || one("authorization").ends_with(&sign::standard_public(&SEED))
        }
    }
}
