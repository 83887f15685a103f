//! Whether a webhook's sender knows the tenant's secret, decided over the raw bytes before anything parses them.
//!
//! Pure: no clock, no store. Several secrets may be active, so that one can be rotated. Both the past and the
//! future side of the replay window are checked; a delivery id comes out where the scheme has one, for the
//! accepting transaction to dedupe on.
//!
//! What must never happen here: an accepted body that no active secret vouches for, a comparison that is not
//! constant in time, a secret in a refusal.
//! Go next to `scheme` for each sender's signed bytes, to `egress::sign` for the keyed hash itself.

mod scheme;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use http::{HeaderMap, HeaderName};
use tenantry_protocol::error::ErrorCode;
use tenantry_workflow::{Signed, Verify};

pub use crate::egress::sign::Algorithm;

/// How old or how early a timestamp may be where the workflow says nothing: 5 minutes (Standard Webhooks 1.0).
pub const DEFAULT_TOLERANCE_MS: i64 = 5 * 60 * 1_000;

/// Longest delivery id that is believed; longer ones are malformed, so that no dedupe key is unbounded.
pub const MAX_DELIVERY_ID: usize = 256;

/// Most signatures that are looked at in one header.
pub const MAX_SIGNATURES: usize = 16;

/// Whose way of signing a webhook is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks 1.0 (`webhook-id`, `webhook-timestamp`, `webhook-signature`, also as `svix-…`).
    StandardWebhooks,
    /// `X-Hub-Signature-256`; no timestamp.
    Github,
    /// `Stripe-Signature`.
    Stripe,
    /// `X-Slack-Signature` and `X-Slack-Request-Timestamp`.
    Slack,
    /// `X-Shopify-Hmac-Sha256`; no timestamp.
    Shopify,
    /// HMAC in a header of choice, over the body and what the workflow puts around it.
    Hmac,
    /// The secret itself, as a bearer token or in a header of choice.
    Token,
}

/// The text form of a tag in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Hexadecimal digits of either case.
    #[default]
    Hex,
    /// RFC 4648 §4 with padding.
    Base64,
}

/// What a webhook trigger demands of its senders. Header and prefix are read by [`Scheme::Hmac`] and
/// [`Scheme::Token`]; algorithm, encoding, timestamp header and signed parts by [`Scheme::Hmac`]; the tolerance by
/// schemes with a timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifySpec {
    /// Whose way of signing.
    pub scheme: Scheme,
    /// Where the tag or the token is; `X-Signature` for hmac and `Authorization` for token where absent.
    pub header: Option<HeaderName>,
    /// The hash.
    pub algorithm: Algorithm,
    /// The text form of the tag.
    pub encoding: Encoding,
    /// What stands before the tag or the token, such as `sha256=`.
    pub prefix: String,
    /// Where the time of signing is.
    pub timestamp_header: Option<HeaderName>,
    /// What the tag is made over.
    pub signed: Vec<Signed>,
    /// How far the timestamp may lie in the past or in the future, in milliseconds.
    pub tolerance_ms: i64,
}

impl VerifySpec {
    /// The scheme with its defaults.
    pub fn new(scheme: Scheme) -> Self {
        Self {
            scheme,
            header: None,
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            prefix: String::new(),
            timestamp_header: None,
            signed: vec![Signed::Body],
            tolerance_ms: DEFAULT_TOLERANCE_MS,
        }
    }
}

/// A trigger names a header that no request can carry; the check of the workflow finds this first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no header name")]
pub struct BadHeader(String);

impl VerifySpec {
    /// What the trigger of a workflow demands; `None` where it demands nothing (`scheme: none`).
    pub fn of_trigger(verify: &Verify) -> Result<Option<Self>, BadHeader> {
        let scheme = match verify.scheme {
            tenantry_workflow::Scheme::Github => Scheme::Github,
            tenantry_workflow::Scheme::StandardWebhooks => Scheme::StandardWebhooks,
            tenantry_workflow::Scheme::Stripe => Scheme::Stripe,
            tenantry_workflow::Scheme::Slack => Scheme::Slack,
            tenantry_workflow::Scheme::Shopify => Scheme::Shopify,
            tenantry_workflow::Scheme::Hmac => Scheme::Hmac,
            tenantry_workflow::Scheme::Token => Scheme::Token,
            tenantry_workflow::Scheme::None => return Ok(None),
        };
        let named = |name: &Option<String>| {
            let name = name
                .as_deref()
                .map(|name| HeaderName::try_from(name).map_err(|_| BadHeader(name.to_owned())));
            name.transpose()
        };
        Ok(Some(Self {
            scheme,
            header: named(&verify.header)?,
            algorithm: match verify.algorithm {
                tenantry_workflow::Algorithm::Sha1 => Algorithm::Sha1,
                tenantry_workflow::Algorithm::Sha256 => Algorithm::Sha256,
                tenantry_workflow::Algorithm::Sha512 => Algorithm::Sha512,
            },
            encoding: match verify.encoding {
                tenantry_workflow::Encoding::Hex => Encoding::Hex,
                tenantry_workflow::Encoding::Base64 => Encoding::Base64,
            },
            prefix: verify.prefix.clone().unwrap_or_default(),
            timestamp_header: named(&verify.timestamp_header)?,
            signed: verify.signed.clone(),
            tolerance_ms: i64::try_from(verify.tolerance_ms).unwrap_or(i64::MAX),
        }))
    }
}

/// What a genuine webhook says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Verified {
    /// The sender's name for this delivery, the same in every repetition of it.
    pub delivery_id: Option<String>,
    /// When the sender signed it, unix milliseconds.
    pub timestamp_ms: Option<i64>,
}

/// Why a webhook is not believed. Names headers, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header is not there.
    #[error("the header {0} is missing")]
    Missing(HeaderName),
    /// The header is there several times, or its value is not of the scheme's form.
    #[error("the header {0} is malformed")]
    Malformed(HeaderName),
    /// No active secret gives this signature.
    #[error("the signature does not match any active secret")]
    Mismatch,
    /// Genuine, but signed too long ago.
    #[error("the signature is older than the tolerance")]
    Stale,
    /// Genuine, but signed too far in the future.
    #[error("the signature lies further in the future than the tolerance")]
    Future,
}

impl Refusal {
    /// The code it is answered with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Missing(_) | Self::Malformed(_) | Self::Mismatch => ErrorCode::SignatureInvalid,
            Self::Stale | Self::Future => ErrorCode::SignatureStale,
        }
    }
}

/// Decides whether the raw bytes come from somebody who knows one of the secrets. Empty secrets vouch for nothing.
pub fn verify(
    spec: &VerifySpec,
    secrets: &[&[u8]],
    headers: &HeaderMap,
    body: &[u8],
    now_ms: i64,
) -> Result<Verified, Refusal> {
    let delivery = scheme::Delivery { secrets, headers, body };
    let verified = match spec.scheme {
        Scheme::StandardWebhooks => delivery.standard_webhooks(),
        Scheme::Github => delivery.github(),
        Scheme::Stripe => delivery.stripe(),
        Scheme::Slack => delivery.slack(),
        Scheme::Shopify => delivery.shopify(),
        Scheme::Hmac => delivery.hmac(spec),
        Scheme::Token => delivery.token(spec),
    }?;
    match verified.timestamp_ms.map(|signed_ms| now_ms.saturating_sub(signed_ms)) {
        Some(age_ms) if age_ms > spec.tolerance_ms => Err(Refusal::Stale),
        Some(age_ms) if age_ms < spec.tolerance_ms.saturating_neg() => Err(Refusal::Future),
        _ => Ok(verified),
    }
}
