//! What each operation takes and gives, as types on the wire.
//!
//! The match is exhaustive, so an operation without a shape does not compile.

use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use tenantry_protocol::audit::{AuditQuery, AuditVerified, AuditView};
use tenantry_protocol::channel::{ChannelConfig, ChannelView, InboxQuery, NotificationView};
use tenantry_protocol::feed::FeedItem;
use tenantry_protocol::health::{Health, HostStats, Status};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::path::Operation as O;
use tenantry_protocol::principal::{
    KeyCreate, KeyCreated, KeyView, LoggedIn, Login, SecretPut, SecretView, Whoami,
};
use tenantry_protocol::queue::{DeadQuery, JobView};
use tenantry_protocol::run::{
    Accepted, ApprovalView, Decide, EventEmit, EventView, LogLine, LogQuery, RunMany, RunManyItem, RunQuery,
    RunReplay, RunStart, RunView, StepView,
};
use tenantry_protocol::tenant::{QueueView, TenantCreate, TenantStats, TenantUpdate, TenantView};
use tenantry_protocol::variable::{VariablePut, VariableView};
use tenantry_protocol::workflow::{
    NextFires, NextQuery, RevisionView, WorkflowApplied, WorkflowApply, WorkflowSet, WorkflowSetApplied,
    WorkflowUpdate, WorkflowView,
};

/// What an operation takes and gives.
#[derive(Default)]
pub(super) struct Shape {
    pub(super) query: Option<Schema>,
    pub(super) body: Option<Schema>,
    pub(super) answer: Option<Schema>,
    /// The content type of the answer, if it is not JSON.
    pub(super) content: Option<&'static str>,
}

struct Maker<'g>(&'g mut SchemaGenerator);

impl Maker<'_> {
    fn answer<A: JsonSchema>(&mut self) -> Shape {
        Shape { answer: Some(self.0.subschema_for::<A>()), ..Shape::default() }
    }

    fn list<T: JsonSchema, Q: JsonSchema>(&mut self) -> Shape {
        Shape { query: Some(Q::json_schema(self.0)), ..self.answer::<Page<T>>() }
    }

    fn list_of<T: JsonSchema, Q: JsonSchema>(&mut self) -> Shape {
        Shape { query: Some(Q::json_schema(self.0)), ..self.answer::<T>() }
    }

    fn take<B: JsonSchema, A: JsonSchema>(&mut self) -> Shape {
        Shape { body: Some(self.0.subschema_for::<B>()), ..self.answer::<A>() }
    }

    fn events<T: JsonSchema>(&mut self) -> Shape {
        Shape { content: Some("text/event-stream"), ..self.answer::<T>() }
    }
}

/// The shape of an operation; the types go into the generator's definitions.
pub(super) fn shape(operation: O, generator: &mut SchemaGenerator) -> Shape {
    let mut make = Maker(generator);
    match operation {
        O::Health => make.answer::<Health>(),
        O::Login => make.take::<Login, LoggedIn>(),
        O::Whoami => make.answer::<Whoami>(),
        O::HostStatus => make.answer::<Status>(),
        O::HostStats => make.answer::<HostStats>(),
        O::HostFeed | O::TenantFeed => make.events::<FeedItem>(),
        O::HostAudit | O::AuditList => make.list::<AuditView, AuditQuery>(),
        O::HostAuditVerify | O::AuditVerify => make.answer::<AuditVerified>(),
        O::HostKeyList | O::KeyList => make.list::<KeyView, PageQuery>(),
        O::HostKeyCreate | O::KeyCreate => make.take::<KeyCreate, KeyCreated>(),
        O::TenantList => make.list::<TenantView, PageQuery>(),
        O::TenantCreate => make.take::<TenantCreate, TenantView>(),
        O::TenantGet | O::TenantRestore => make.answer::<TenantView>(),
        O::TenantUpdate => make.take::<TenantUpdate, TenantView>(),
        O::TenantStats => make.answer::<TenantStats>(),
        O::WorkflowList => make.list::<WorkflowView, PageQuery>(),
        O::WorkflowApply => make.take::<WorkflowApply, WorkflowApplied>(),
        O::WorkflowApplySet => make.take::<WorkflowSet, WorkflowSetApplied>(),
        O::WorkflowGet => make.answer::<WorkflowView>(),
        O::WorkflowUpdate => make.take::<WorkflowUpdate, WorkflowView>(),
        O::WorkflowRun => make.take::<RunStart, Accepted>(),
        O::WorkflowNext => make.list_of::<NextFires, NextQuery>(),
        O::RevisionList => make.list::<RevisionView, PageQuery>(),
        O::RevisionGet => make.answer::<RevisionView>(),
        O::EventList => make.list::<EventView, PageQuery>(),
        O::EventEmit => make.take::<EventEmit, Accepted>(),
        O::EventGet => make.answer::<EventView>(),
        O::RunList => make.list::<RunView, RunQuery>(),
        O::RunGet | O::RunCancel | O::RunRetry => make.answer::<RunView>(),
        O::RunReplay => make.take::<RunReplay, RunView>(),
        O::RunCancelMany | O::RunRetryMany | O::RunReplayMany => make.take::<RunMany, Page<RunManyItem>>(),
        O::ApprovalList => make.list::<ApprovalView, PageQuery>(),
        O::StepApprove | O::StepReject => make.take::<Decide, RunView>(),
        O::RunSteps => make.answer::<Page<StepView>>(),
        O::RunLogs => make.list::<LogLine, LogQuery>(),
        O::QueueList => make.answer::<Page<QueueView>>(),
        O::JobList => make.list::<JobView, PageQuery>(),
        O::DeadList => make.list::<JobView, DeadQuery>(),
        O::DeadGet => make.answer::<JobView>(),
        O::ChannelList => make.list::<ChannelView, PageQuery>(),
        O::ChannelPut => make.take::<ChannelConfig, ChannelView>(),
        O::ChannelGet => make.answer::<ChannelView>(),
        O::ChannelTest => make.answer::<NotificationView>(),
        O::NotificationList => make.list::<NotificationView, PageQuery>(),
        O::InboxList => make.list::<NotificationView, InboxQuery>(),
        O::SecretList => make.list::<SecretView, PageQuery>(),
        O::SecretPut => make.take::<SecretPut, SecretView>(),
        O::VarList => make.list::<VariableView, PageQuery>(),
        O::VarGet => make.answer::<VariableView>(),
        O::VarPut => make.take::<VariablePut, VariableView>(),
        O::OpenApi => make.answer::<serde_json::Value>(),
        O::AuditExport => Shape { content: Some("application/x-ndjson"), ..make.answer::<String>() },
        O::Logout
        | O::HostKeyRevoke
        | O::TenantDelete
        | O::WorkflowDelete
        | O::DeadRetry
        | O::DeadDiscard
        | O::ChannelDelete
        | O::InboxRead
        | O::SecretDelete
        | O::VarDelete
        | O::KeyRevoke => Shape::default(),
    }
}
