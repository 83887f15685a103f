//! Audit logs of tenants and of the host.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use tenantry_protocol::audit::{AuditQuery, AuditVerified, AuditView};
use tenantry_protocol::page::Page;

use super::Shared;
use crate::http::extract::{Caller, Params};
use crate::http::reply::{Answer, Fault, Reply, lines};

pub(in crate::http) async fn list(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<AuditQuery>,
) -> Reply<Page<AuditView>> {
    Ok(Answer(api.service.list_audit(&by, &query).await?))
}

pub(in crate::http) async fn verify(State(api): Shared, Caller(by): Caller) -> Reply<AuditVerified> {
    Ok(Answer(api.service.verify_audit(&by).await?))
}

/// Where an export goes on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ExportQuery {
    #[serde(default)]
    from: u64,
}

pub(in crate::http) async fn export(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<ExportQuery>,
) -> Result<Response, Fault> {
    let (records, checkpoints) = api.service.export_audit(&by, query.from).await?;
    let checkpoints = checkpoints.into_iter().map(|checkpoint| json!({ "checkpoint": checkpoint.note }));
    let records = records.iter().map(|record| json!(record));
    Ok(lines(checkpoints.chain(records)))
}

pub(in crate::http) async fn host_list(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<AuditQuery>,
) -> Reply<Page<AuditView>> {
    Ok(Answer(api.service.list_host_audit(&by, &query).await?))
}

pub(in crate::http) async fn host_verify(State(api): Shared, Caller(by): Caller) -> Reply<AuditVerified> {
    Ok(Answer(api.service.verify_host_audit(&by).await?))
}
