//! The one function that says yes. Pure: no clock, no store, no way to fail.
//!
//! A grant is a role at one tenant, or at the host and thereby at all tenants. A scope only narrows the role,
//! never widens it. What belongs to a tenant that the grant does not reach is hidden: the answer is the same as
//! for what does not exist.

use tenantry_protocol::id::TenantId;
use tenantry_protocol::permission::{Permission, Role};

/// What a principal was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// The tenant the grant is for; `None` for the host, which reaches every tenant.
    pub tenant: Option<TenantId>,
    /// Narrows the role to these permissions; `None` is the whole role.
    pub scope: Option<Vec<Permission>>,
}

/// On what a permission is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// What belongs to the host.
    Host,
    /// What belongs to one tenant.
    Tenant(TenantId),
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Answer as if there were no such thing.
    Hide,
    /// Answer that the permission is missing.
    Deny,
}

/// Whether the grant includes the permission on the target.
pub fn decide(grant: &Grant, permission: Permission, target: Target) -> Decision {
    let reaches = match (grant.tenant, target) {
        (None, _) => true,
        (Some(own), Target::Tenant(asked)) if own == asked => true,
        (Some(_), Target::Tenant(_)) => return Decision::Hide,
        (Some(_), Target::Host) => false,
    };
    if reaches && holds(grant, permission) { Decision::Allow } else { Decision::Deny }
}

/// The permissions that the grant includes anywhere, for showing them.
pub fn held(grant: &Grant) -> impl Iterator<Item = Permission> + '_ {
    Permission::ALL.iter().copied().filter(|permission| holds(grant, *permission))
}

fn holds(grant: &Grant, permission: Permission) -> bool {
    let in_role = grant.role.allows(permission);
    let in_scope = grant.scope.as_ref().is_none_or(|scope| scope.contains(&permission));
    // A host role given to a tenant by mistake is worth no more than the tenant's admin.
    let in_reach = grant.tenant.is_none() || Role::Admin.allows(permission);
    in_role && in_scope && in_reach
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    fn tenant(number: i64) -> TenantId {
        TenantId::new(number)
    }

    fn grant(role: Role, tenant: Option<TenantId>) -> Grant {
        Grant { role, tenant, scope: None }
    }

    #[test]
    fn every_role_and_permission() {
        let own = tenant(1);
        let mut table = String::new();
        for permission in Permission::ALL {
            write!(table, "{permission:16}").expect("a String takes text");
            for role in Role::ALL {
                let at_tenant = decide(&grant(*role, Some(own)), *permission, Target::Tenant(own));
                let at_host = decide(&grant(*role, None), *permission, Target::Host);
                let word = match (at_tenant, at_host) {
                    (Decision::Allow, Decision::Allow) => "tenant+host",
                    (Decision::Deny, Decision::Allow) => "host",
                    (Decision::Deny, Decision::Deny) => "-",
                    other => panic!("{role} {permission}: {other:?}"),
                };
                write!(table, " {role}={word}").expect("a String takes text");
            }
            table.push('\n');
        }
        insta::assert_snapshot!(table);
    }

    fn any_role() -> impl Strategy<Value = Role> {
        prop::sample::select(Role::ALL.to_vec())
    }

    fn any_permission() -> impl Strategy<Value = Permission> {
        prop::sample::select(Permission::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn a_foreign_tenant_is_hidden_from_every_role(role in any_role(), permission in any_permission()) {
            let (own, foreign) = (tenant(1), tenant(2));
            let asked = decide(&grant(role, Some(own)), permission, Target::Tenant(foreign));
            prop_assert_eq!(asked, Decision::Hide);
        }

        #[test]
        fn a_scope_only_narrows(
            role in any_role(),
            permission in any_permission(),
            scope in prop::collection::vec(any_permission(), 0..8),
            at_host in any::<bool>(),
        ) {
            let own = tenant(1);
            let whole = Grant { role, tenant: (!at_host).then_some(own), scope: None };
            let narrow = Grant { scope: Some(scope.clone()), ..whole.clone() };
            for target in [Target::Host, Target::Tenant(own)] {
                let narrowed = decide(&narrow, permission, target) == Decision::Allow;
                let allowed = decide(&whole, permission, target) == Decision::Allow;
                prop_assert_eq!(narrowed, allowed && scope.contains(&permission));
            }
        }

        #[test]
        fn a_tenants_grant_never_reaches_the_host(role in any_role(), permission in any_permission()) {
            let asked = decide(&grant(role, Some(tenant(1))), permission, Target::Host);
            prop_assert_eq!(asked, Decision::Deny);
        }
    }
}
