//! Permissions and the roles that bundle them. Deny by default: what no role lists, nobody may do.
//!
//! **Invariant:** no permission returns a secret's value, and `run` is not `edit` is not `approve`.
//! Whether a principal holds a permission is decided in the daemon's `auth::policy`; this is the vocabulary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::state::words;

words! {
    /// One thing a principal may do, `noun:verb`.
    Permission {
        /// See the tenant, its settings and its state.
        TenantRead = "tenant:read",
        /// Create tenants (host only).
        TenantCreate = "tenant:create",
        /// Rename, suspend, resume, change limits and allow-lists (host only).
        TenantUpdate = "tenant:update",
        /// Delete a tenant with all it holds (host only).
        TenantDelete = "tenant:delete",
        /// See workflows and revisions.
        WorkflowRead = "workflow:read",
        /// Apply, enable, disable and delete workflows.
        WorkflowEdit = "workflow:edit",
        /// Start a workflow by hand.
        WorkflowRun = "workflow:run",
        /// See events and their bodies.
        EventRead = "event:read",
        /// Emit events.
        EventEmit = "event:emit",
        /// See runs, steps and log lines.
        RunRead = "run:read",
        /// Cancel a run.
        RunCancel = "run:cancel",
        /// Try a run again from the step that failed.
        RunRetry = "run:retry",
        /// Run a workflow again with an event that it had.
        RunReplay = "run:replay",
        /// Decide on an approval step.
        RunApprove = "run:approve",
        /// See queues and dead letters.
        QueueRead = "queue:read",
        /// Retry dead letters.
        QueueRetry = "queue:retry",
        /// Discard dead letters.
        QueueDiscard = "queue:discard",
        /// See channels and notifications.
        ChannelRead = "channel:read",
        /// Create, change, test and delete channels.
        ChannelEdit = "channel:edit",
        /// Read the inbox and mark its messages as read.
        InboxRead = "inbox:read",
        /// See the names of secrets.
        SecretList = "secret:list",
        /// Write and delete secrets; their values are never returned.
        SecretEdit = "secret:edit",
        /// See variables and their values.
        VariableRead = "var:read",
        /// Write and delete variables.
        VariableEdit = "var:edit",
        /// See keys, without what they prove.
        KeyRead = "key:read",
        /// Create and revoke keys.
        KeyEdit = "key:edit",
        /// Read and verify the audit log.
        AuditRead = "audit:read",
        /// Follow the feed.
        FeedRead = "feed:read",
        /// See stats.
        StatsRead = "stats:read",
        /// See and change what belongs to the host: host keys, host audit, stats over all tenants.
        HostAdmin = "host:admin",
    }
}

words! {
    /// A named set of permissions.
    Role {
        /// Sees everything of a tenant except its audit log and keys.
        Viewer = "viewer",
        /// Viewer, and runs, cancels, retries, replays, emits, triages dead letters.
        Operator = "operator",
        /// Operator, and edits workflows, channels, secrets and variables.
        Editor = "editor",
        /// Editor, and approves, manages keys, reads the audit log.
        Admin = "admin",
        /// Admin of every tenant and of the host.
        HostAdmin = "host-admin",
    }
}

const VIEWER: &[Permission] = &[
    Permission::TenantRead,
    Permission::WorkflowRead,
    Permission::EventRead,
    Permission::RunRead,
    Permission::QueueRead,
    Permission::ChannelRead,
    Permission::InboxRead,
    Permission::VariableRead,
    Permission::FeedRead,
    Permission::StatsRead,
];
const OPERATOR: &[Permission] = &[
    Permission::WorkflowRun,
    Permission::EventEmit,
    Permission::RunCancel,
    Permission::RunRetry,
    Permission::RunReplay,
    Permission::QueueRetry,
    Permission::QueueDiscard,
];
const EDITOR: &[Permission] = &[
    Permission::WorkflowEdit,
    Permission::ChannelEdit,
    Permission::SecretList,
    Permission::SecretEdit,
    Permission::VariableEdit,
];
const ADMIN: &[Permission] =
    &[Permission::RunApprove, Permission::KeyRead, Permission::KeyEdit, Permission::AuditRead];
const HOST_ADMIN: &[Permission] =
    &[Permission::TenantCreate, Permission::TenantUpdate, Permission::TenantDelete, Permission::HostAdmin];

impl Role {
    /// The permissions of the role, the inherited ones included.
    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        let sets: &[&[Permission]] = match self {
            Self::Viewer => &[VIEWER],
            Self::Operator => &[VIEWER, OPERATOR],
            Self::Editor => &[VIEWER, OPERATOR, EDITOR],
            Self::Admin => &[VIEWER, OPERATOR, EDITOR, ADMIN],
            Self::HostAdmin => &[VIEWER, OPERATOR, EDITOR, ADMIN, HOST_ADMIN],
        };
        sets.iter().flat_map(|set| set.iter().copied())
    }

    /// Whether the role includes the permission.
    pub fn allows(self, permission: Permission) -> bool {
        self.permissions().any(|held| held == permission)
    }
}

/// A name of a tenant, workflow, channel, key or event: `[a-z0-9]` and inner dashes (events: dots too), at
/// most 63 characters. The one check that every door uses.
pub fn is_name(text: &str) -> bool {
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let inner = |b: u8| edge(b) || b == b'-';
    let bytes = text.as_bytes();
    matches!(bytes.len(), 1..=63)
        && bytes.iter().all(|b| inner(*b))
        && bytes.first().is_some_and(|b| edge(*b))
        && bytes.last().is_some_and(|b| edge(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_admin_touches_the_host() {
        for role in [Role::Viewer, Role::Operator, Role::Editor, Role::Admin] {
            assert!(HOST_ADMIN.iter().all(|p| !role.allows(*p)), "{role} reaches the host");
        }
        assert!(Permission::ALL.iter().all(|p| Role::HostAdmin.allows(*p)));
    }

    #[test]
    fn names_are_strict() {
        for good in ["a", "acme", "acme-2", &"a".repeat(63)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "..", "a/b", "a\0", "é", &"a".repeat(64)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
