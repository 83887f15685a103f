//! Runs, their steps and log lines.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use tenantry_protocol::page::Page;
use tenantry_protocol::run::{LogQuery, RunMany, RunManyItem, RunQuery, RunReplay, RunView, StepView};

use super::{One, Shared};
use crate::http::extract::{Caller, Params, Payload};
use crate::http::reply::{Answer, Fault, Reply};
use crate::http::stream;

pub(in crate::http) async fn list(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<RunQuery>,
) -> Reply<Page<RunView>> {
    Ok(Answer(api.service.list_runs(&by, &query).await?))
}

pub(in crate::http) async fn get(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, id)): One,
) -> Reply<RunView> {
    Ok(Answer(api.service.get_run(&by, &id).await?))
}

pub(in crate::http) async fn steps(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, id)): One,
) -> Reply<Page<StepView>> {
    Ok(Answer(api.service.list_steps(&by, &id).await?))
}

pub(in crate::http) async fn logs(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, id)): One,
    Params(query): Params<LogQuery>,
) -> Result<Response, Fault> {
    let page = api.service.list_log_lines(&by, &id, &query).await?;
    if query.follow {
        return Ok(stream::log(&api, by, id, query, page)?);
    }
    Ok(Answer(page).into_response())
}

pub(in crate::http) async fn cancel(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, id)): One,
) -> Reply<RunView> {
    Ok(Answer(api.service.cancel_run(&by, &id).await?))
}

pub(in crate::http) async fn retry(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, id)): One,
) -> Reply<RunView> {
    Ok(Answer(api.service.retry_run(&by, &id).await?))
}

pub(in crate::http) async fn replay(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, id)): One,
    Payload(body): Payload<RunReplay>,
) -> Reply<RunView> {
    Ok(Answer(api.service.replay_run(&by, &id, body).await?))
}

pub(in crate::http) async fn cancel_many(
    State(api): Shared,
    Caller(by): Caller,
    Payload(body): Payload<RunMany>,
) -> Reply<Page<RunManyItem>> {
    Ok(Answer(api.service.cancel_runs(&by, body).await?))
}

pub(in crate::http) async fn retry_many(
    State(api): Shared,
    Caller(by): Caller,
    Payload(body): Payload<RunMany>,
) -> Reply<Page<RunManyItem>> {
    Ok(Answer(api.service.retry_runs(&by, body).await?))
}

pub(in crate::http) async fn replay_many(
    State(api): Shared,
    Caller(by): Caller,
    Payload(body): Payload<RunMany>,
) -> Reply<Page<RunManyItem>> {
    Ok(Answer(api.service.replay_runs(&by, body).await?))
}
