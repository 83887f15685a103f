//! Answers of the ingress.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;
use tenantry_protocol::id::RequestId;
use tenantry_protocol::run::Accepted;

use crate::error::Error;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// 202 with the event's id; 200 for a repeat, because senders that look expect a success either way.
pub(super) fn accepted(accepted: &Accepted) -> Response<Full<Bytes>> {
    let status = if accepted.duplicate { StatusCode::OK } else { StatusCode::ACCEPTED };
    let body = format!(r#"{{"event":"{}","duplicate":{}}}"#, accepted.event, accepted.duplicate);
    answer(status, JSON, Bytes::from(body))
}

/// The problem body of an error, without anything that only an operator may see.
pub(super) fn problem(error: &Error, id: RequestId) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(error.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(&error.problem(id)).unwrap_or_default();
    let mut response = answer(status, PROBLEM, Bytes::from(body));
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn answer(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
