//! Signs the audit logs that have grown. Idle tenants' files stay closed: a closed file has not grown.

use std::sync::Arc;

use crate::error::Result;
use crate::service::Service;

pub(super) async fn sign(service: Arc<Service>) -> Result<()> {
    for tenant in service.directory.all() {
        if service.store.is_open(tenant.id)
            && let Err(error) = service.checkpoint(Some(tenant.id)).await
        {
            // One sick tenant must not keep the others' logs unsigned.
            tracing::warn!(tenant = %tenant.id, code = %error.code(), "audit log was not signed");
        }
    }
    service.checkpoint(None).await
}
