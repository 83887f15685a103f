//! Queues and dead letters.

use axum::extract::{Path, State};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::queue::{DeadQuery, JobView};
use tenantry_protocol::tenant::QueueView;

use super::{One, Shared};
use crate::http::extract::{Caller, Params};
use crate::http::reply::{Answer, Reply};

pub(in crate::http) async fn list(State(api): Shared, Caller(by): Caller) -> Reply<Page<QueueView>> {
    Ok(Answer(api.service.list_queues(&by).await?))
}

pub(in crate::http) async fn jobs(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, stage)): One,
    Params(query): Params<PageQuery>,
) -> Reply<Page<JobView>> {
    Ok(Answer(api.service.list_jobs(&by, &stage, &query).await?))
}

pub(in crate::http) async fn dead(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<DeadQuery>,
) -> Reply<Page<JobView>> {
    Ok(Answer(api.service.list_dead(&by, &query).await?))
}

pub(in crate::http) async fn get_dead(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, id)): One,
) -> Reply<JobView> {
    Ok(Answer(api.service.get_dead(&by, &id).await?))
}

pub(in crate::http) async fn retry(State(api): Shared, Caller(by): Caller, Path((_, id)): One) -> Reply<()> {
    Ok(Answer(api.service.retry_dead(&by, &id).await?))
}

pub(in crate::http) async fn discard(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, id)): One,
) -> Reply<()> {
    Ok(Answer(api.service.discard_dead(&by, &id).await?))
}
