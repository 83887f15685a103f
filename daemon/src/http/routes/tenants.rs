//! Tenants.

use axum::extract::State;
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::tenant::{TenantCreate, TenantStats, TenantUpdate, TenantView};

use super::Shared;
use crate::http::extract::{Caller, Params, Payload};
use crate::http::reply::{Answer, Reply};

pub(in crate::http) async fn list(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<PageQuery>,
) -> Reply<Page<TenantView>> {
    Ok(Answer(api.service.list_tenants(&by, &query)))
}

pub(in crate::http) async fn create(
    State(api): Shared,
    Caller(by): Caller,
    Payload(body): Payload<TenantCreate>,
) -> Reply<TenantView> {
    Ok(Answer(api.service.create_tenant(&by, body).await?))
}

pub(in crate::http) async fn get(State(api): Shared, Caller(by): Caller) -> Reply<TenantView> {
    Ok(Answer(api.service.get_tenant(&by)?))
}

pub(in crate::http) async fn update(
    State(api): Shared,
    Caller(by): Caller,
    Payload(body): Payload<TenantUpdate>,
) -> Reply<TenantView> {
    Ok(Answer(api.service.update_tenant(&by, body).await?))
}

pub(in crate::http) async fn restore(State(api): Shared, Caller(by): Caller) -> Reply<TenantView> {
    Ok(Answer(api.service.restore_tenant(&by).await?))
}

pub(in crate::http) async fn delete(State(api): Shared, Caller(by): Caller) -> Reply<()> {
    Ok(Answer(api.service.delete_tenant(&by).await?))
}

pub(in crate::http) async fn stats(State(api): Shared, Caller(by): Caller) -> Reply<TenantStats> {
    Ok(Answer(api.service.tenant_stats(&by).await?))
}
