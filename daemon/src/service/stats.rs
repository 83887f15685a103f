//! Stats and health: what the daemon has done, what waits, how it is; and the feed for those who follow.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tenantry_protocol::feed::FeedItem;
use tenantry_protocol::health::{HealthState, HostStats, TenantCounts};
use tenantry_protocol::permission::Permission;
use tenantry_protocol::state::TenantState;
use tenantry_protocol::tenant::TenantStats;

use super::directory::Tenant;
use super::feed::Follower;
use super::{Authorized, Service};
use crate::error::Result;

/// Which items of the feed a follower may see.
pub type Only = Box<dyn Fn(&FeedItem) -> bool + Send + Sync>;

impl Service {
    /// Counters and queues of a tenant.
    pub async fn tenant_stats(&self, by: &Authorized) -> Result<TenantStats> {
        let tenant = by.require_tenant(Permission::StatsRead)?;
        Ok(self.stats_of(tenant).await)
    }

    /// Counters and queues of every tenant.
    pub async fn host_stats(&self, by: &Authorized) -> Result<HostStats> {
        by.require_host(Permission::HostAdmin)?;
        let mut tenants = Vec::new();
        for tenant in self.directory.all() {
            tenants.push(self.stats_of(&tenant).await);
        }
        Ok(HostStats { at: self.clock.now_ms(), tenants })
    }

    async fn stats_of(&self, tenant: &Arc<Tenant>) -> TenantStats {
        // A tenant whose file cannot be read is listed all the same: that is when people look.
        let queues = self.queues_of(tenant).await.unwrap_or_default();
        TenantStats {
            tenant: tenant.id,
            name: tenant.name.clone(),
            state: tenant.state,
            degraded: Self::is_degraded(tenant),
            counters: tenant.tally.counters(),
            queues,
        }
    }

    /// How many tenants there are.
    pub fn tenant_counts(&self) -> TenantCounts {
        let mut counts = TenantCounts::default();
        for tenant in self.directory.all() {
            counts.total += 1;
            counts.degraded += u64::from(Self::is_degraded(&tenant));
            counts.quarantined += u64::from(tenant.state == TenantState::Quarantined);
        }
        counts
    }

    /// Whether the daemon serves.
    pub fn health(&self) -> HealthState {
        if self.draining() {
            HealthState::Draining
        } else if self.serving.load(Ordering::Relaxed) {
            HealthState::Serving
        } else {
            HealthState::Starting
        }
    }

    /// Follows the feed of the tenant.
    pub fn follow_tenant(&self, by: &Authorized, after: Option<u64>) -> Result<(Follower, Only)> {
        let id = by.require_tenant(Permission::FeedRead)?.id;
        Ok((self.feed.follow(after), Box::new(move |item| item.tenant == Some(id))))
    }

    /// Follows the feed of every tenant.
    pub fn follow_host(&self, by: &Authorized, after: Option<u64>) -> Result<(Follower, Only)> {
        by.require_host(Permission::HostAdmin)?;
        Ok((self.feed.follow(after), Box::new(|_| true)))
    }
}
