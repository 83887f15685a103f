//! The feed as server-sent events.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::Shared;
use crate::http::extract::Caller;
use crate::http::reply::Fault;
use crate::http::stream;

pub(in crate::http) async fn tenant(
    State(api): Shared,
    Caller(by): Caller,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let (follower, only) = api.service.follow_tenant(&by, stream::resume(&api, &headers))?;
    Ok(stream::feed(&api, follower, only)?)
}

pub(in crate::http) async fn host(
    State(api): Shared,
    Caller(by): Caller,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let (follower, only) = api.service.follow_host(&by, stream::resume(&api, &headers))?;
    Ok(stream::feed(&api, follower, only)?)
}
