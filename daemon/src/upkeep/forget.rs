//! Deletes what has expired: deduplication keys, throttles that hold nobody back, sessions, remembered revocations.

use std::sync::Arc;

use crate::error::Result;
use crate::service::Service;
use crate::store::identity::sessions;
use crate::store::tenant::{dedupe, throttles};
use crate::store::{Lane, PAGE_LIMIT};

/// How long an expired session is kept, so that the use of its refresh token is still recognised.
const SESSION_KEPT_MS: i64 = 24 * 60 * 60 * 1_000;

pub(super) async fn forget(service: Arc<Service>) -> Result<()> {
    let now = service.clock.now_ms();
    let oldest_iat_s = (now - 2 * service.identity.token_ttl_ms).div_euclid(1_000);
    service.identity.revocations.forget(now, oldest_iat_s);
    let before = now - SESSION_KEPT_MS;
    service.store.control().write(Lane::Api, move |tx| sessions::purge(tx, before, PAGE_LIMIT)).await?;
    for tenant in service.directory.all() {
        if service.store.is_open(tenant.id) {
            let file = service.store.tenant(tenant.id)?;
            let purge = file.write(Lane::Api, move |tx| {
                dedupe::purge(tx, now, PAGE_LIMIT)?;
                throttles::purge(tx, now.saturating_mul(1_000), PAGE_LIMIT)?;
                sessions::purge(tx, before, PAGE_LIMIT)
            });
            purge.await?;
        }
    }
    Ok(())
}
