//! Answers of the API: values as JSON, errors as problem bodies (RFC 9457).
//!
//! **Invariant:** what only an operator may see goes to telemetry, joined by the request id, never into an answer.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::RequestId;

use crate::error::Error;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Carries the request id of every answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// An error on its way to the door, which knows the request id.
pub struct Fault(pub Error);

/// What carries an error through the layers of the router.
pub(super) type Carried = Arc<Mutex<Option<Error>>>;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status(self.0.code());
        let carried: Carried = Arc::new(Mutex::new(Some(self.0)));
        response.extensions_mut().insert(carried);
        response
    }
}

/// A value as JSON.
pub struct Answer<T>(pub T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => with_type(StatusCode::OK, JSON, Body::from(body)),
            Err(error) => Fault(Error::internal(error.to_string())).into_response(),
        }
    }
}

/// What every handler answers.
pub type Reply<T> = std::result::Result<Answer<T>, Fault>;

/// An answer of JSON lines, such as an export.
pub(super) fn lines(values: impl Iterator<Item = serde_json::Value>) -> Response {
    let mut text = String::new();
    for value in values {
        text.push_str(&value.to_string());
        text.push('\n');
    }
    with_type(StatusCode::OK, LINES, Body::from(text))
}

fn with_type(status: StatusCode, content_type: HeaderValue, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

fn status(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The problem body of an error.
pub(super) fn problem(error: &Error, request: RequestId) -> Response {
    if error.code() == ErrorCode::Internal {
        tracing::error!(%request, operator = error.operator_line(), "request failed");
    }
    let body = serde_json::to_vec(&error.problem(request)).unwrap_or_default();
    let mut response = with_type(status(error.code()), PROBLEM, Body::from(body));
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code() == ErrorCode::AuthRequired {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
