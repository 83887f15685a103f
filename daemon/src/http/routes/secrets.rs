//! Secrets, write-only.

use axum::extract::{Path, State};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::principal::{SecretPut, SecretView};

use super::{One, Shared};
use crate::http::extract::{Caller, Params, Payload};
use crate::http::reply::{Answer, Reply};

pub(in crate::http) async fn list(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<PageQuery>,
) -> Reply<Page<SecretView>> {
    Ok(Answer(api.service.list_secrets(&by, &query).await?))
}

pub(in crate::http) async fn put(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
    Payload(body): Payload<SecretPut>,
) -> Reply<SecretView> {
    Ok(Answer(api.service.put_secret(&by, &name, body).await?))
}

pub(in crate::http) async fn delete(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
) -> Reply<()> {
    Ok(Answer(api.service.delete_secret(&by, &name).await?))
}
