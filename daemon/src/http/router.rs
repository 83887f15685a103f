//! The whole URL space on one screen: which handler serves which operation.
//!
//! The match is exhaustive, so an operation without a handler does not compile.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, on};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::RequestId;
use tenantry_protocol::path::{Method, Operation as O};

use super::door::door;
use super::reply::problem;
use super::routes::{
    audit, channels, events, feed, host, keys, queues, runs, secrets, sessions, tenants, variables, workflows,
};
use super::{Api, openapi};
use crate::error::Error;

type Route = MethodRouter<Arc<Api>>;

/// The router of the API.
pub fn router(api: &Arc<Api>) -> Router {
    let mut router = Router::new();
    for operation in O::ALL {
        let layer = from_fn_with_state((Arc::clone(api), *operation), door);
        router = router.route(operation.path(), route(*operation).layer(layer));
    }
    let clock = api.service.clock.clone();
    let absent = move |code: ErrorCode, detail: &'static str| {
        let id = RequestId::new(clock.now_ms());
        problem(&Error::new(code, detail), id).into_response()
    };
    let other = absent.clone();
    router
        .fallback(move || std::future::ready(absent(ErrorCode::NotFound, "there is no such path")))
        .method_not_allowed_fallback(move || {
            std::future::ready(other(ErrorCode::MethodNotAllowed, "this path does not take the method"))
        })
        .with_state(Arc::clone(api))
}

const fn filter(operation: O) -> MethodFilter {
    match operation.method() {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    }
}

#[expect(clippy::too_many_lines, reason = "one line an operation")]
fn route(operation: O) -> Route {
    let on_it = filter(operation);
    match operation {
        O::Health => on(on_it, host::health),
        O::Login => on(on_it, sessions::login),
        O::Logout => on(on_it, sessions::logout),
        O::Whoami => on(on_it, sessions::whoami),
        O::OpenApi => on(on_it, openapi::serve),
        O::HostStatus => on(on_it, host::status),
        O::HostStats => on(on_it, host::stats),
        O::HostFeed => on(on_it, feed::host),
        O::HostAudit => on(on_it, audit::host_list),
        O::HostAuditVerify => on(on_it, audit::host_verify),
        O::HostKeyList => on(on_it, keys::host_list),
        O::HostKeyCreate => on(on_it, keys::host_create),
        O::HostKeyRevoke => on(on_it, keys::host_revoke),
        O::TenantList => on(on_it, tenants::list),
        O::TenantCreate => on(on_it, tenants::create),
        O::TenantGet => on(on_it, tenants::get),
        O::TenantUpdate => on(on_it, tenants::update),
        O::TenantRestore => on(on_it, tenants::restore),
        O::TenantDelete => on(on_it, tenants::delete),
        O::TenantStats => on(on_it, tenants::stats),
        O::TenantFeed => on(on_it, feed::tenant),
        O::WorkflowList => on(on_it, workflows::list),
        O::WorkflowApply => on(on_it, workflows::apply),
        O::WorkflowApplySet => on(on_it, workflows::apply_set),
        O::WorkflowGet => on(on_it, workflows::get),
        O::WorkflowUpdate => on(on_it, workflows::update),
        O::WorkflowDelete => on(on_it, workflows::delete),
        O::WorkflowRun => on(on_it, workflows::run),
        O::WorkflowNext => on(on_it, workflows::next),
        O::RevisionList => on(on_it, workflows::revisions),
        O::RevisionGet => on(on_it, workflows::revision),
        O::EventList => on(on_it, events::list),
        O::EventEmit => on(on_it, events::emit),
        O::EventGet => on(on_it, events::get),
        O::RunList => on(on_it, runs::list),
        O::RunGet => on(on_it, runs::get),
        O::RunSteps => on(on_it, runs::steps),
        O::RunLogs => on(on_it, runs::logs),
        O::RunCancel => on(on_it, runs::cancel),
        O::RunRetry => on(on_it, runs::retry),
        O::RunReplay => on(on_it, runs::replay),
        O::RunCancelMany => on(on_it, runs::cancel_many),
        O::RunRetryMany => on(on_it, runs::retry_many),
        O::RunReplayMany => on(on_it, runs::replay_many),
        O::ApprovalList => on(on_it, runs::approvals),
        O::StepApprove => on(on_it, runs::approve),
        O::StepReject => on(on_it, runs::reject),
        O::QueueList => on(on_it, queues::list),
        O::JobList => on(on_it, queues::jobs),
        O::DeadList => on(on_it, queues::dead),
        O::DeadGet => on(on_it, queues::get_dead),
        O::DeadRetry => on(on_it, queues::retry),
        O::DeadDiscard => on(on_it, queues::discard),
        O::ChannelList => on(on_it, channels::list),
        O::ChannelPut => on(on_it, channels::put),
        O::ChannelGet => on(on_it, channels::get),
        O::ChannelTest => on(on_it, channels::test),
        O::ChannelDelete => on(on_it, channels::delete),
        O::NotificationList => on(on_it, channels::notifications),
        O::InboxList => on(on_it, channels::inbox),
        O::InboxRead => on(on_it, channels::read),
        O::SecretList => on(on_it, secrets::list),
        O::SecretPut => on(on_it, secrets::put),
        O::SecretDelete => on(on_it, secrets::delete),
        O::VarList => on(on_it, variables::list),
        O::VarGet => on(on_it, variables::get),
        O::VarPut => on(on_it, variables::put),
        O::VarDelete => on(on_it, variables::delete),
        O::KeyList => on(on_it, keys::list),
        O::KeyCreate => on(on_it, keys::create),
        O::KeyRevoke => on(on_it, keys::revoke),
        O::AuditList => on(on_it, audit::list),
        O::AuditVerify => on(on_it, audit::verify),
        O::AuditExport => on(on_it, audit::export),
    }
}
