//! The URL space as data: one row an operation, with its method, its path and who may call it.
//!
//! The daemon's router, its OpenAPI document, the client and the authorization tests all read this table, so
//! that none of them can forget a route. **Invariant:** only the rows marked `Public` answer without a token.

use crate::permission::Permission;

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone who can open the socket. There are two such rows: health and login.
    Public,
    /// Any valid token.
    Token,
    /// A token whose role holds the permission in the tenant of the path.
    Tenant(Permission),
    /// A token whose role holds the permission on the host.
    Host(Permission),
}

/// An HTTP method of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads; changes nothing.
    Get,
    /// Does something, or creates what the daemon names.
    Post,
    /// Creates or replaces what the path names.
    Put,
    /// Changes parts of what the path names.
    Patch,
    /// Removes what the path names.
    Delete,
}

impl Method {
    /// As it stands in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

macro_rules! operations {
    ($($name:ident = $method:ident $path:literal, $access:expr, $summary:literal;)+) => {
        /// One thing that the API does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation { $(#[doc = $summary] $name),+ }

        impl Operation {
            /// Every operation, in the order of the document.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The operation's id in the OpenAPI document.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            /// The method.
            pub const fn method(self) -> Method {
                match self { $(Self::$name => Method::$method),+ }
            }

            /// The path with `{parameters}`.
            pub const fn path(self) -> &'static str {
                match self { $(Self::$name => $path),+ }
            }

            /// Who may call it.
            pub const fn access(self) -> Access {
                match self { $(Self::$name => $access),+ }
            }

            /// One sentence for the document and the help.
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$name => $summary),+ }
            }
        }
    };
}

use Access::{Host, Public, Tenant, Token};
use Permission as P;

operations! {
    Health = Get "/v1/health", Public, "Whether the daemon serves; the same fixed fields for everyone.";
    Login = Post "/v1/login", Public, "Exchanges a key, a refresh token or the socket's peer credentials for a token.";
    Logout = Post "/v1/logout", Token, "Revokes the session of the token.";
    Whoami = Get "/v1/whoami", Token, "Who the token speaks for and what it may do.";
    OpenApi = Get "/v1/openapi.json", Token, "This document.";

    HostStatus = Get "/v1/status", Host(P::HostAdmin), "Tasks, listeners, limits and versions of the daemon.";
    HostStats = Get "/v1/stats", Host(P::HostAdmin), "Counters and queue depths of every tenant.";
    HostFeed = Get "/v1/feed", Host(P::HostAdmin), "Follows the changes of every tenant (SSE).";
    HostAudit = Get "/v1/audit", Host(P::HostAdmin), "Lists the host's audit records.";
    HostAuditVerify = Post "/v1/audit/verify", Host(P::HostAdmin), "Verifies the host's audit log.";
    HostKeyList = Get "/v1/keys", Host(P::HostAdmin), "Lists the host's keys.";
    HostKeyCreate = Post "/v1/keys", Host(P::HostAdmin), "Creates a host key; its text is shown once.";
    HostKeyRevoke = Delete "/v1/keys/{key}", Host(P::HostAdmin), "Revokes a host key and its sessions.";

    TenantList = Get "/v1/tenants", Token, "Lists the tenants that the token may see.";
    TenantCreate = Post "/v1/tenants", Host(P::TenantCreate), "Creates a tenant with a file of its own.";
    TenantGet = Get "/v1/tenants/{tenant}", Tenant(P::TenantRead), "Shows a tenant.";
    TenantUpdate = Patch "/v1/tenants/{tenant}", Host(P::TenantUpdate), "Suspends, resumes, renames, changes limits.";
    TenantRestore = Post "/v1/tenants/{tenant}/restore", Host(P::TenantUpdate), "Checks the repaired file of a quarantined tenant and serves it again.";
    TenantDelete = Delete "/v1/tenants/{tenant}", Host(P::TenantDelete), "Deletes a tenant with all it holds.";
    TenantStats = Get "/v1/tenants/{tenant}/stats", Tenant(P::StatsRead), "Counters and queue depths of a tenant.";
    TenantFeed = Get "/v1/tenants/{tenant}/feed", Tenant(P::FeedRead), "Follows the changes of a tenant (SSE).";

    WorkflowList = Get "/v1/tenants/{tenant}/workflows", Tenant(P::WorkflowRead), "Lists workflows.";
    WorkflowApply = Post "/v1/tenants/{tenant}/workflows", Tenant(P::WorkflowEdit), "Applies a workflow: a new revision, unless nothing changed.";
    WorkflowApplySet = Put "/v1/tenants/{tenant}/workflows", Tenant(P::WorkflowEdit), "Applies several workflows together and deletes those that are named: all or nothing.";
    WorkflowGet = Get "/v1/tenants/{tenant}/workflows/{workflow}", Tenant(P::WorkflowRead), "Shows a workflow.";
    WorkflowUpdate = Patch "/v1/tenants/{tenant}/workflows/{workflow}", Tenant(P::WorkflowEdit), "Enables or disables a workflow.";
    WorkflowDelete = Delete "/v1/tenants/{tenant}/workflows/{workflow}", Tenant(P::WorkflowEdit), "Deletes a workflow; its runs are kept.";
    WorkflowRun = Post "/v1/tenants/{tenant}/workflows/{workflow}/runs", Tenant(P::WorkflowRun), "Starts a workflow by hand.";
    WorkflowNext = Get "/v1/tenants/{tenant}/workflows/{workflow}/next", Tenant(P::WorkflowRead), "Shows when a workflow will start by itself, and how its schedules stand.";
    RevisionList = Get "/v1/tenants/{tenant}/workflows/{workflow}/revisions", Tenant(P::WorkflowRead), "Lists the revisions of a workflow.";
    RevisionGet = Get "/v1/tenants/{tenant}/workflows/{workflow}/revisions/{revision}", Tenant(P::WorkflowRead), "Shows a revision with its source.";

    EventList = Get "/v1/tenants/{tenant}/events", Tenant(P::EventRead), "Lists events.";
    EventEmit = Post "/v1/tenants/{tenant}/events", Tenant(P::EventEmit), "Emits an event.";
    EventGet = Get "/v1/tenants/{tenant}/events/{event}", Tenant(P::EventRead), "Shows an event with its body.";

    RunList = Get "/v1/tenants/{tenant}/runs", Tenant(P::RunRead), "Lists runs.";
    RunGet = Get "/v1/tenants/{tenant}/runs/{run}", Tenant(P::RunRead), "Shows a run with its steps and the time in each stage.";
    RunSteps = Get "/v1/tenants/{tenant}/runs/{run}/steps", Tenant(P::RunRead), "Lists the steps of a run with their attempts.";
    RunLogs = Get "/v1/tenants/{tenant}/runs/{run}/logs", Tenant(P::RunRead), "Lists the log lines of a run; `follow=true` streams them (SSE).";
    RunCancel = Post "/v1/tenants/{tenant}/runs/{run}/cancel", Tenant(P::RunCancel), "Cancels a run; again, it ends at once.";
    RunRetry = Post "/v1/tenants/{tenant}/runs/{run}/retry", Tenant(P::RunRetry), "Tries a run again from the step that failed: a new run.";
    RunReplay = Post "/v1/tenants/{tenant}/runs/{run}/replay", Tenant(P::RunReplay), "Runs a workflow again with the same event: a new run.";
    RunCancelMany = Post "/v1/tenants/{tenant}/runs/cancel", Tenant(P::RunCancel), "Cancels the runs that a filter names, a page at a time.";
    RunRetryMany = Post "/v1/tenants/{tenant}/runs/retry", Tenant(P::RunRetry), "Retries the runs that a filter names, a page at a time.";
    RunReplayMany = Post "/v1/tenants/{tenant}/runs/replay", Tenant(P::RunReplay), "Replays the runs that a filter names, a page at a time.";



    ApprovalList = Get "/v1/tenants/{tenant}/approvals", Tenant(P::RunRead), "Lists the steps that wait for an approval.";
    StepApprove = Post "/v1/tenants/{tenant}/runs/{run}/steps/{step}/approve", Tenant(P::RunApprove), "Approves a step that waits for it.";
    StepReject = Post "/v1/tenants/{tenant}/runs/{run}/steps/{step}/reject", Tenant(P::RunApprove), "Rejects a step that waits for an approval.";




    QueueList = Get "/v1/tenants/{tenant}/queues", Tenant(P::QueueRead), "Shows how many jobs wait in each stage.";
    JobList = Get "/v1/tenants/{tenant}/queues/{stage}/jobs", Tenant(P::QueueRead), "Lists the jobs of a stage.";
    DeadList = Get "/v1/tenants/{tenant}/dead", Tenant(P::QueueRead), "Lists dead letters.";
    DeadGet = Get "/v1/tenants/{tenant}/dead/{job}", Tenant(P::QueueRead), "Shows a dead letter with its payload.";
    DeadRetry = Post "/v1/tenants/{tenant}/dead/{job}/retry", Tenant(P::QueueRetry), "Puts a dead letter back into its queue.";
    DeadDiscard = Delete "/v1/tenants/{tenant}/dead/{job}", Tenant(P::QueueDiscard), "Discards a dead letter.";

    ChannelList = Get "/v1/tenants/{tenant}/channels", Tenant(P::ChannelRead), "Lists channels.";
    ChannelPut = Put "/v1/tenants/{tenant}/channels/{channel}", Tenant(P::ChannelEdit), "Creates or changes a channel.";
    ChannelGet = Get "/v1/tenants/{tenant}/channels/{channel}", Tenant(P::ChannelRead), "Shows a channel.";
    ChannelTest = Post "/v1/tenants/{tenant}/channels/{channel}/test", Tenant(P::ChannelEdit), "Sends a test notification.";
    ChannelDelete = Delete "/v1/tenants/{tenant}/channels/{channel}", Tenant(P::ChannelEdit), "Deletes a channel.";
    NotificationList = Get "/v1/tenants/{tenant}/notifications", Tenant(P::ChannelRead), "Lists notifications with their delivery state.";
    InboxList = Get "/v1/tenants/{tenant}/inbox", Tenant(P::InboxRead), "Lists the tenant's inbox.";
    InboxRead = Post "/v1/tenants/{tenant}/inbox/{notification}/read", Tenant(P::InboxRead), "Marks a message of the inbox as read.";

    SecretList = Get "/v1/tenants/{tenant}/secrets", Tenant(P::SecretList), "Lists the names of secrets.";
    SecretPut = Put "/v1/tenants/{tenant}/secrets/{secret}", Tenant(P::SecretEdit), "Writes a secret; it is never returned.";
    SecretDelete = Delete "/v1/tenants/{tenant}/secrets/{secret}", Tenant(P::SecretEdit), "Deletes a secret.";

    VarList = Get "/v1/tenants/{tenant}/vars", Tenant(P::VariableRead), "Lists variables.";
    VarGet = Get "/v1/tenants/{tenant}/vars/{var}", Tenant(P::VariableRead), "Shows a variable.";
    VarPut = Put "/v1/tenants/{tenant}/vars/{var}", Tenant(P::VariableEdit), "Writes a variable.";
    VarDelete = Delete "/v1/tenants/{tenant}/vars/{var}", Tenant(P::VariableEdit), "Deletes a variable.";

    KeyList = Get "/v1/tenants/{tenant}/keys", Tenant(P::KeyRead), "Lists the tenant's keys.";
    KeyCreate = Post "/v1/tenants/{tenant}/keys", Tenant(P::KeyEdit), "Creates a key; its text is shown once.";
    KeyRevoke = Delete "/v1/tenants/{tenant}/keys/{key}", Tenant(P::KeyEdit), "Revokes a key and its sessions.";

    AuditList = Get "/v1/tenants/{tenant}/audit", Tenant(P::AuditRead), "Lists audit records.";
    AuditVerify = Post "/v1/tenants/{tenant}/audit/verify", Tenant(P::AuditRead), "Recomputes the tenant's audit log and checks it against its checkpoints.";
    AuditExport = Get "/v1/tenants/{tenant}/audit/export", Tenant(P::AuditRead), "Exports audit records and checkpoints as JSON lines, to be verified offline.";
}

impl Operation {
    /// The path with its parameters filled in, in the order in which they stand, percent-encoded.
    ///
    /// A missing value leaves an empty segment, which no route matches: the daemon then answers `not-found`.
    pub fn fill(self, values: &[&str]) -> String {
        let mut values = values.iter();
        let mut path = String::with_capacity(64);
        for segment in self.path().split('/').skip(1) {
            path.push('/');
            if segment.starts_with('{') {
                encode_into(&mut path, values.next().copied().unwrap_or_default());
            } else {
                path.push_str(segment);
            }
        }
        path
    }
}

/// Percent-encodes all but RFC 3986 unreserved characters.
pub fn encode_into(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// The ingress path of a webhook: `/hooks/<tenant name>/<path>`.
pub fn hook(tenant: &str, path: &str) -> String {
    format!("/hooks/{tenant}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_operations_are_public() {
        let public: Vec<_> = Operation::ALL.iter().filter(|op| op.access() == Access::Public).collect();
        assert_eq!(public, [&Operation::Health, &Operation::Login]);
    }

    #[test]
    fn every_tenant_operation_names_the_tenant_in_its_path() {
        for operation in Operation::ALL {
            if matches!(operation.access(), Access::Tenant(_)) {
                assert!(operation.path().starts_with("/v1/tenants/{tenant}"), "{operation:?}");
            }
        }
    }

    #[test]
    fn parameters_cannot_leave_their_segment() {
        assert_eq!(Operation::RunGet.fill(&["acme", "../x?y#z"]), "/v1/tenants/acme/runs/..%2Fx%3Fy%23z");
    }
}
