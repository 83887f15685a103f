//! Events.

use axum::extract::{Path, State};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::run::{Accepted, EventEmit, EventView};

use super::{One, Shared};
use crate::http::extract::{Caller, Params, Payload};
use crate::http::reply::{Answer, Reply};

pub(in crate::http) async fn list(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<PageQuery>,
) -> Reply<Page<EventView>> {
    Ok(Answer(api.service.list_events(&by, &query).await?))
}

pub(in crate::http) async fn emit(
    State(api): Shared,
    Caller(by): Caller,
    Payload(body): Payload<EventEmit>,
) -> Reply<Accepted> {
    Ok(Answer(api.service.emit_event(&by, body).await?))
}

pub(in crate::http) async fn get(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, id)): One,
) -> Reply<EventView> {
    Ok(Answer(api.service.get_event(&by, &id).await?))
}
