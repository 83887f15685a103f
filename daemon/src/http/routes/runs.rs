//! Runs, their steps and log lines.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::run::{
    ApprovalView, Decide, LogQuery, RunMany, RunManyItem, RunQuery, RunReplay, RunView, StepView,
};

use super::{One, Shared, Two};
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

pub(in crate::http) async fn approvals(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<PageQuery>,
) -> Reply<Page<ApprovalView>> {
    Ok(Answer(api.service.list_approvals(&by, &query).await?))
}

pub(in crate::http) async fn approve(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, run, step)): Two,
    Payload(decide): Payload<Decide>,
) -> Reply<RunView> {
    Ok(Answer(api.service.decide(&by, &run, &step, true, decide).await?))
}

pub(in crate::http) async fn reject(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, run, step)): Two,
    Payload(decide): Payload<Decide>,
) -> Reply<RunView> {
    Ok(Answer(api.service.decide(&by, &run, &step, false, decide).await?))
}
