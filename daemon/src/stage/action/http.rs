//! `http`: one request through egress.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};
use tenantry_protocol::run::LogStream;
use tenantry_workflow::HttpCall;
use tenantry_workflow::retry::FailureClass;

use super::Action;
use super::attempt::{Attempt, Done, Failure};
use crate::egress::{OutRequest, OutResponse};

/// Tells receivers apart what is a repeat (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// How a request of a workflow introduces itself.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("tenantry/", env!("CARGO_PKG_VERSION")));

impl Action {
    pub(super) async fn http(&self, attempt: &Attempt<'_>, call: HttpCall) -> Result<Done, Failure> {
        // Queries often carry keys; they stay out of the log.
        let place = call.url.split(['?', '#']).next().unwrap_or_default();
        let subject = format!("{} {place}", call.method);
        let request = request(attempt, &call)?;
        let response = match self.egress.send(&attempt.context.tenant.egress, request).await {
            Ok(response) => response,
            Err(error) => {
                attempt.say(LogStream::System, &format!("{subject}: {error}")).await;
                return Err(Failure::new(error.failure(), error.to_string()));
            }
        };
        let status = response.status.as_u16();
        let (took, size) = (response.elapsed_ms, response.body.len());
        attempt.say(LogStream::System, &format!("{subject}: {status} in {took} ms, {size} bytes")).await;
        let retry_after_ms = retry_after(&response.headers);
        let output = output(&response);
        if call.accepts(status) {
            return Ok(Done::with(output));
        }
        let error = format!("{subject} answered {status}");
        Err(Failure { class: FailureClass::Http(status), error, output: Some(output), retry_after_ms })
    }
}

fn request(attempt: &Attempt<'_>, call: &HttpCall) -> Result<OutRequest, Failure> {
    let method = Method::from_bytes(call.method.as_bytes());
    let method = method.map_err(|_| Failure::permanent(format!("{} is no HTTP method", call.method)))?;
    let mut headers = HeaderMap::with_capacity(call.headers.len() + 2);
    headers.insert(http::header::USER_AGENT, USER_AGENT);
    if let Ok(key) = HeaderValue::from_str(attempt.idempotency_key) {
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    for (name, value) in &call.headers {
        let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
        let (Ok(name), Ok(value)) = pair else {
            return Err(Failure::permanent(
                "a header's name or value has characters that no header may have",
            ));
        };
        headers.insert(name, value);
    }
    Ok(OutRequest {
        method,
        url: call.url.clone(),
        headers,
        body: Bytes::from(call.body.clone().unwrap_or_default()),
        timeout: attempt.time_limit,
        follow_redirects: true,
    })
}

/// Retry-After in its form of seconds (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1_000))
}

fn output(response: &OutResponse) -> Value {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers.iter();
    let headers: Map<String, Value> =
        headers.map(|(name, value)| (name.as_str().to_owned(), text(value).into())).collect();
    json!({ "status": response.status.as_u16(), "headers": headers, "body": body(response) })
}

/// JSON is parsed, other text is kept as text; bytes that are no text become null.
fn body(response: &OutResponse) -> Value {
    let content_type = response.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if response.body.is_empty() {
        return Value::Null;
    }
    if (essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json"))
        && let Ok(value) = serde_json::from_slice(&response.body)
    {
        return value;
    }
    std::str::from_utf8(&response.body).map_or(Value::Null, Value::from)
}
