//! Answers of the ingress.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;
use tenantry_protocol::id::RequestId;

use super::respond::Answer;
use crate::error::Error;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The run that an answer is about.
const RUN: HeaderName = HeaderName::from_static("tenantry-run");

/// What the trigger says, about a run or before it.
pub(super) fn answered(answered: Answer) -> Response<Full<Bytes>> {
    let Answer { reply, run } = answered;
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // These two have no body (RFC 9110 §15.3.5, §15.4.5).
    let is_empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if is_empty { Bytes::new() } else { Bytes::from(reply.body) };
    let content_type = match reply.content_type.as_str() {
        "application/json" => JSON,
        other => HeaderValue::from_str(other).unwrap_or(OCTETS),
    };
    let mut response = answer(status, content_type, body);
    if let Some(run) = run.and_then(|run| HeaderValue::from_str(&run.to_string()).ok()) {
        response.headers_mut().insert(RUN, run);
    }
    response
}

/// A text that the sender asked for.
pub(super) fn text(text: String) -> Response<Full<Bytes>> {
    answer(StatusCode::OK, HeaderValue::from_static("text/plain; charset=utf-8"), Bytes::from(text))
}

/// The problem body of an error, without anything that only an operator may see.
pub(super) fn problem(error: &Error, id: RequestId, allow: Option<&str>) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(error.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(&error.problem(id)).unwrap_or_default();
    let mut response = answer(status, PROBLEM, Bytes::from(body));
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = allow.and_then(|allow| HeaderValue::from_str(allow).ok()) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

fn answer(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
