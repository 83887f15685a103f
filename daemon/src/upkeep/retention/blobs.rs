//! Payloads in `blobs/` that no row names any more.

use tenantry_protocol::id::TenantId;

use super::Sweeper;
use crate::error::Result;
use crate::store::Database;
use crate::store::tenant::events;

/// How long a payload that no row names is kept, in milliseconds: its row may be on the way.
const UNNAMED_MS: i64 = 60 * 60 * 1_000;
/// Payloads that one sweep looks at.
const LOOKS: usize = 200_000;
/// Payloads that one snapshot of the file is asked about.
const BATCH: usize = 500;

impl Sweeper {
    /// Deletes payloads that no row names; answers how many.
    pub(super) async fn blobs(&self, file: &Database, tenant: TenantId, now: i64) -> Result<u64> {
        let before = now - UNNAMED_MS;
        let mut deleted = 0;
        for batch in self.store.old_blobs(tenant, before, LOOKS).await?.chunks(BATCH) {
            let batch = batch.to_vec();
            let unnamed = file.read(move |tx| {
                let mut unnamed = Vec::new();
                for hash in batch {
                    if !events::names_blob(tx, &hash)? {
                        unnamed.push(hash);
                    }
                }
                Ok(unnamed)
            });
            for hash in unnamed.await? {
                deleted += u64::from(self.store.drop_blob(tenant, hash, before).await?);
            }
        }
        Ok(deleted)
    }
}
