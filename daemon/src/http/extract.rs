//! What handlers take out of a request: the caller, the body, the query.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;
use tenantry_protocol::error::ErrorCode;

use super::Api;
use super::listen::read_body;
use super::reply::Fault;
use crate::context::Context;
use crate::error::Error;
use crate::service::Authorized;

/// The verified caller. Only the door makes one.
pub struct Caller(pub Authorized);

/// The context of a public operation: nobody has proven anything yet.
pub struct Anonymous(pub Context);

/// The JSON body of a request.
pub struct Payload<T>(pub T);

/// The query of a request.
pub struct Params<T>(pub T);

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Fault> {
        let caller = parts.extensions.remove::<Authorized>();
        caller.map(Self).ok_or_else(|| Fault(Error::internal("a handler without its door")))
    }
}

impl FromRequestParts<Arc<Api>> for Anonymous {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Fault> {
        let context = parts.extensions.remove::<Context>();
        context.map(Self).ok_or_else(|| Fault(Error::internal("a handler without its door")))
    }
}

impl<T: DeserializeOwned> FromRequestParts<Arc<Api>> for Params<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Fault> {
        let uri = &parts.uri;
        let query = axum::extract::Query::<T>::try_from_uri(uri);
        query
            .map(|query| Self(query.0))
            .map_err(|error| Fault(Error::new(ErrorCode::BadRequest, format!("query: {}", cause(&error)))))
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for Payload<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Fault> {
        let config = &api.service.config.api;
        let (parts, body) = request.into_parts();
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.unwrap_or("application/json").split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let detail = format!("the body must be application/json, not {essence:?}");
            return Err(Fault(Error::new(ErrorCode::UnsupportedMedia, detail)));
        }
        let limit = config.body_limit.as_usize();
        let bytes = read_body(body, limit, config.request_timeout, &api.service.clock).await;
        let bytes = bytes.map_err(|error| Fault(Error::new(error.code(), error.to_string())))?;
        // An absent body is an empty object: every field that may be left out is left out.
        let bytes = if bytes.is_empty() { &b"{}"[..] } else { &bytes };
        serde_json::from_slice(bytes)
            .map(Self)
            .map_err(|error| Fault(Error::new(ErrorCode::BadRequest, format!("body: {error}"))))
    }
}

/// The innermost message: the outer ones say "failed to deserialize".
fn cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
