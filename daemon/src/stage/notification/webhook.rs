//! A channel that is an HTTP receiver, signed as Standard Webhooks 1.0 where a secret is named.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::json;

use super::{Notification, Refused, TIME_LIMIT};
use crate::egress::{OutRequest, sign};
use crate::service::material::NotificationMaterial;
use crate::stage::JobContext;

/// Where a message goes.
pub(super) struct Target {
    pub(super) url: String,
    pub(super) secret: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
}

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("tenantry/", env!("CARGO_PKG_VERSION")));

impl Notification {
    pub(super) async fn webhook(
        &self,
        context: &JobContext,
        notification: &NotificationMaterial,
        target: Target,
    ) -> Result<(), Refused> {
        let body = body(context, notification);
        let headers = self.headers(context, notification, &target, &body).await?;
        let request = OutRequest {
            method: Method::POST,
            url: target.url,
            headers,
            body,
            timeout: TIME_LIMIT,
            follow_redirects: false,
        };
        let answer = self.egress.send(&context.tenant.egress, request).await.map_err(|error| Refused {
            transient: error.is_transient(),
            error: error.to_string(),
            retry_after_ms: None,
        })?;
        if answer.status.is_success() {
            return Ok(());
        }
        let status = answer.status.as_u16();
        let asked = answer.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|text| text.parse::<u64>().ok());
        Err(Refused {
            error: format!("channel {} answered {status}", notification.channel.name),
            // A receiver that says "gone" or "not like this" will say so again.
            transient: matches!(status, 408 | 409 | 425 | 429 | 500..=599),
            retry_after_ms: asked.map(|seconds| seconds.saturating_mul(1_000)),
        })
    }

    async fn headers(
        &self,
        context: &JobContext,
        notification: &NotificationMaterial,
        target: &Target,
        body: &[u8],
    ) -> Result<HeaderMap, Refused> {
        let mut headers = HeaderMap::with_capacity(8);
        for (name, value) in &target.headers {
            let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
            let (Ok(name), Ok(value)) = pair else {
                return Err(fault(format!("channel {} has a malformed header", notification.channel.name)));
            };
            headers.insert(name, value);
        }
        headers.insert(http::header::CONTENT_TYPE, JSON);
        headers.insert(http::header::USER_AGENT, USER_AGENT);
        let id = notification.id.to_string();
        let seconds = context.clock.now_ms() / 1_000;
        if let Some(name) = &target.secret {
            let secrets = self.secrets.named(context.tenant.id, std::slice::from_ref(name)).await;
            let secrets = secrets.map_err(|error| fault(error.detail().to_owned()))?;
            let secret = secrets.get(name).map(String::as_bytes).unwrap_or_default();
            headers.insert(SIGNATURE, value(&sign::sign_standard(secret, &id, seconds, body))?);
        }
        headers.insert(TIMESTAMP, HeaderValue::from(seconds));
        headers.insert(ID, value(&id)?);
        Ok(headers)
    }
}

fn body(context: &JobContext, notification: &NotificationMaterial) -> Bytes {
    let body = json!({
        "type": "notification",
        "timestamp": notification.created_at,
        "data": {
            "id": notification.id,
            "tenant": context.tenant.name,
            "channel": notification.channel.name,
            "run": notification.run,
            "title": notification.title,
            "message": notification.body,
        },
    });
    Bytes::from(body.to_string())
}

fn value(text: &str) -> Result<HeaderValue, Refused> {
    HeaderValue::from_str(text).map_err(|error| fault(error.to_string()))
}

/// What no further attempt can change.
fn fault(error: String) -> Refused {
    Refused { error, transient: false, retry_after_ms: None }
}
