//! Variables.

use axum::extract::{Path, State};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::variable::{VariablePut, VariableView};

use super::{One, Shared};
use crate::http::extract::{Caller, Params, Payload};
use crate::http::reply::{Answer, Reply};

pub(in crate::http) async fn list(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<PageQuery>,
) -> Reply<Page<VariableView>> {
    Ok(Answer(api.service.list_variables(&by, &query).await?))
}

pub(in crate::http) async fn get(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
) -> Reply<VariableView> {
    Ok(Answer(api.service.get_variable(&by, &name).await?))
}

pub(in crate::http) async fn put(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
    Payload(body): Payload<VariablePut>,
) -> Reply<VariableView> {
    Ok(Answer(api.service.put_variable(&by, &name, body).await?))
}

pub(in crate::http) async fn delete(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
) -> Reply<()> {
    Ok(Answer(api.service.delete_variable(&by, &name).await?))
}
