//! Rates at the ingress: by address, by tenant, and of the audit records about refusals.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenantry_protocol::id::TenantId;

use crate::auth::limit::{IpKey, Limited, Limiter};
use crate::clock::Clock;
use crate::config::{self, Rate};
use crate::error::Result;
use crate::service::directory::Tenant;

/// Addresses that are remembered at the same time.
const ADDRESSES: usize = 65_536;
/// Tenants that are remembered at the same time.
const TENANTS: usize = 16_384;
/// How many refusals of one tenant become audit records.
const REFUSALS: Rate = Rate { count: 1, per: Duration::from_secs(1), burst: 10 };

/// The rate that a tenant has of its own, and the limiter made for it.
type Own = (u32, Arc<Limiter<TenantId>>);

/// The limiters of the door.
pub(super) struct Rates {
    addresses: Limiter<IpKey>,
    tenants: Limiter<TenantId>,
    /// Of tenants with a rate of their own, with the rate they were made for.
    own: Mutex<HashMap<TenantId, Own>>,
    refusals: Limiter<TenantId>,
    clock: Clock,
}

impl Rates {
    pub(super) fn new(config: &config::Ingress, clock: &Clock) -> Self {
        Self {
            addresses: Limiter::new(config.rate_per_ip, ADDRESSES, clock),
            tenants: Limiter::new(config.rate_per_tenant, TENANTS, clock),
            own: Mutex::default(),
            refusals: Limiter::new(REFUSALS, TENANTS, clock),
            clock: clock.clone(),
        }
    }

    /// Counts a request of the address.
    pub(super) fn address(&self, ip: IpAddr) -> Result<()> {
        self.addresses.check(&IpKey::from(ip))?;
        Ok(())
    }

    /// Counts a request for the tenant.
    pub(super) fn tenant(&self, tenant: &Tenant) -> Result<()> {
        match tenant.limits.ingress_per_second {
            None => self.tenants.check(&tenant.id)?,
            Some(per_second) => self.limiter_of(tenant.id, per_second).check(&tenant.id)?,
        };
        Ok(())
    }

    fn limiter_of(&self, tenant: TenantId, per_second: u32) -> Arc<Limiter<TenantId>> {
        let made = || {
            let count = per_second.max(1);
            let rate = Rate { count, per: Duration::from_secs(1), burst: count.saturating_mul(2) };
            (per_second, Arc::new(Limiter::new(rate, 1, &self.clock)))
        };
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = own.entry(tenant).or_insert_with(made);
        if entry.0 != per_second {
            *entry = made();
        }
        Arc::clone(&entry.1)
    }

    /// Counts a refusal that would become an audit record.
    pub(super) fn refusal(&self, tenant: TenantId) -> Result<(), Limited> {
        self.refusals.check(&tenant).map(drop)
    }
}
