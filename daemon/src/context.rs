//! Who asks, for which tenant, and why: the first parameter of every service call.
//!
//! A context is made at a door (API, ingress, a stage's driver, upkeep, boot) and only narrowed after that.
//! **Invariant:** a tenant's data is reachable only through a context that names this tenant.

use tenantry_protocol::id::{RequestId, TenantId};

use crate::clock::Clock;

/// Who asks, for which tenant, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The tenant whose data may be touched; `None` for what belongs to the host.
    pub tenant: Option<TenantId>,
    /// Who acts.
    pub principal: Principal,
    /// Joins answer, telemetry and audit record.
    pub request: RequestId,
    /// The door the call came through.
    pub origin: Origin,
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// What kind of actor it is.
    pub kind: PrincipalKind,
    /// A stable id: a principal id, `uid:0` for a local login, `daemon` for the daemon itself.
    pub id: String,
    /// The name people know it by.
    pub name: String,
}

/// What kind of actor a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// A login by peer credentials on the local socket, or a host key.
    Host,
    /// The holder of a tenant's key.
    Key,
    /// The daemon itself.
    System,
}

impl PrincipalKind {
    /// The word that audit records and telemetry use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Key => "key",
            Self::System => "system",
        }
    }
}

/// The door a call came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The local API.
    Api,
    /// The ingress listener.
    Ingress,
    /// A stage's driver.
    Stage,
    /// A periodic maintenance task.
    Upkeep,
    /// The start of the daemon.
    Boot,
}

impl Origin {
    /// The word that audit records and telemetry use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Ingress => "ingress",
            Self::Stage => "stage",
            Self::Upkeep => "upkeep",
            Self::Boot => "boot",
        }
    }
}

impl Principal {
    /// The daemon itself.
    pub fn system() -> Self {
        Self { kind: PrincipalKind::System, id: "daemon".to_owned(), name: "tenantry".to_owned() }
    }
}

impl Context {
    /// Who acts, as audit records name it: `host:uid-0`, `key:pri_…`, `system:daemon`.
    pub fn actor(&self) -> String {
        format!("{}:{}", self.principal.kind.as_str(), self.principal.id)
    }

    /// The daemon acts by itself; the tenant is added with [`Context::for_tenant`].
    pub fn system(origin: Origin, clock: &Clock) -> Self {
        Self { tenant: None, principal: Principal::system(), request: RequestId::new(clock.now_ms()), origin }
    }

    /// The same call, narrowed to one tenant.
    #[must_use]
    pub fn for_tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_acts_under_its_own_name_and_starts_without_a_tenant() {
        let clock = Clock::manual(1_700_000_000_000);
        let context = Context::system(Origin::Upkeep, &clock);
        assert_eq!(context.tenant, None);
        assert_eq!((context.principal.kind, context.origin.as_str()), (PrincipalKind::System, "upkeep"));
        let tenant = TenantId::new(clock.now_ms());
        assert_eq!(context.for_tenant(tenant).tenant, Some(tenant));
    }
}
