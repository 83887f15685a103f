//! Keys of tenants and of the host.

use axum::extract::{Path, State};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::principal::{KeyCreate, KeyCreated, KeyView};

use super::{One, Shared};
use crate::http::extract::{Caller, Params, Payload};
use crate::http::reply::{Answer, Reply};

pub(in crate::http) async fn list(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<PageQuery>,
) -> Reply<Page<KeyView>> {
    Ok(Answer(api.service.list_keys(&by, &query).await?))
}

pub(in crate::http) async fn create(
    State(api): Shared,
    Caller(by): Caller,
    Payload(body): Payload<KeyCreate>,
) -> Reply<KeyCreated> {
    Ok(Answer(api.service.create_key(&by, body).await?))
}

pub(in crate::http) async fn revoke(State(api): Shared, Caller(by): Caller, Path((_, id)): One) -> Reply<()> {
    Ok(Answer(api.service.revoke_key(&by, &id).await?))
}

pub(in crate::http) async fn host_list(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<PageQuery>,
) -> Reply<Page<KeyView>> {
    Ok(Answer(api.service.list_host_keys(&by, &query).await?))
}

pub(in crate::http) async fn host_create(
    State(api): Shared,
    Caller(by): Caller,
    Payload(body): Payload<KeyCreate>,
) -> Reply<KeyCreated> {
    Ok(Answer(api.service.create_host_key(&by, body).await?))
}

pub(in crate::http) async fn host_revoke(
    State(api): Shared,
    Caller(by): Caller,
    Path(id): Path<String>,
) -> Reply<()> {
    Ok(Answer(api.service.revoke_host_key(&by, &id).await?))
}
