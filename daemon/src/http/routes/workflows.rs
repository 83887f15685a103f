//! Workflows and revisions.

use axum::extract::{Path, State};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::run::{Accepted, RunStart};
use tenantry_protocol::workflow::{
    NextFires, NextQuery, RevisionView, WorkflowApplied, WorkflowApply, WorkflowSet, WorkflowSetApplied,
    WorkflowUpdate, WorkflowView,
};

use super::{One, Shared, Two};
use crate::http::extract::{Caller, Params, Payload};
use crate::http::reply::{Answer, Reply};

pub(in crate::http) async fn list(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<PageQuery>,
) -> Reply<Page<WorkflowView>> {
    Ok(Answer(api.service.list_workflows(&by, &query).await?))
}

pub(in crate::http) async fn apply(
    State(api): Shared,
    Caller(by): Caller,
    Payload(body): Payload<WorkflowApply>,
) -> Reply<WorkflowApplied> {
    Ok(Answer(api.service.apply_workflow(&by, body).await?))
}

pub(in crate::http) async fn apply_set(
    State(api): Shared,
    Caller(by): Caller,
    Payload(body): Payload<WorkflowSet>,
) -> Reply<WorkflowSetApplied> {
    Ok(Answer(api.service.apply_workflows(&by, body).await?))
}

pub(in crate::http) async fn get(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
) -> Reply<WorkflowView> {
    Ok(Answer(api.service.get_workflow(&by, &name).await?))
}

pub(in crate::http) async fn update(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
    Payload(body): Payload<WorkflowUpdate>,
) -> Reply<WorkflowView> {
    Ok(Answer(api.service.update_workflow(&by, &name, body).await?))
}

pub(in crate::http) async fn delete(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
) -> Reply<()> {
    Ok(Answer(api.service.delete_workflow(&by, &name).await?))
}

pub(in crate::http) async fn run(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
    Payload(body): Payload<RunStart>,
) -> Reply<Accepted> {
    Ok(Answer(api.service.start_run(&by, &name, body).await?))
}

pub(in crate::http) async fn revisions(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
    Params(query): Params<PageQuery>,
) -> Reply<Page<RevisionView>> {
    Ok(Answer(api.service.list_revisions(&by, &name, &query).await?))
}

pub(in crate::http) async fn revision(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name, number)): Two,
) -> Reply<RevisionView> {
    Ok(Answer(api.service.get_revision(&by, &name, &number).await?))
}

pub(in crate::http) async fn next(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
    Params(query): Params<NextQuery>,
) -> Reply<NextFires> {
    Ok(Answer(api.service.next_fires(&by, &name, &query).await?))
}
