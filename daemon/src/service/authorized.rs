//! A caller whose token was verified, and what it asked for. The first line of every verb asks it for a permission.
//!
//! **Invariant:** a tenant is reached only through [`Authorized::require_tenant`], so a verb that forgets its
//! permission cannot reach any data.

use std::sync::Arc;

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::SessionId;
use tenantry_protocol::permission::Permission;

use super::directory::Tenant;
use crate::auth::policy::{Decision, Grant, Target, decide};
use crate::context::Context;
use crate::error::{Error, Result};

/// A verified caller.
#[derive(Clone, Debug)]
pub struct Authorized {
    /// Who asks, and under which request id.
    pub context: Context,
    /// What the caller was given.
    pub grant: Grant,
    /// The login of its token.
    pub session: SessionId,
    /// The tenant that the request names, if there is one of that name or id.
    pub tenant: Option<Arc<Tenant>>,
}

impl Authorized {
    /// The tenant of the request, if the caller holds the permission there. A foreign tenant answers like an absent
    /// one.
    pub fn require_tenant(&self, permission: Permission) -> Result<&Arc<Tenant>> {
        let tenant = self.tenant.as_ref().ok_or_else(hidden)?;
        match decide(&self.grant, permission, Target::Tenant(tenant.id)) {
            Decision::Allow => Ok(tenant),
            Decision::Hide => Err(hidden()),
            Decision::Deny => Err(denied(permission)),
        }
    }

    /// Whether the caller holds the permission on the host.
    pub fn require_host(&self, permission: Permission) -> Result<()> {
        match decide(&self.grant, permission, Target::Host) {
            Decision::Allow => Ok(()),
            Decision::Hide | Decision::Deny => Err(denied(permission)),
        }
    }

    /// The tenant of the request, for verbs that only the host may do. A tenant's own principal learns that it may
    /// not; about other tenants it learns nothing.
    pub fn require_host_for_tenant(&self, permission: Permission) -> Result<&Arc<Tenant>> {
        if self.grant.tenant.is_some() {
            return self.require_tenant(permission);
        }
        self.require_host(permission)?;
        self.tenant.as_ref().ok_or_else(hidden)
    }
}

fn hidden() -> Error {
    Error::new(ErrorCode::NotFound, "there is no such tenant")
}

fn denied(permission: Permission) -> Error {
    Error::new(ErrorCode::PermissionDenied, format!("the role does not include {permission}"))
}
