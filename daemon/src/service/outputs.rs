//! Outputs of steps that are too large for a row: they lie in `blobs/`, and come back where a step is read.
//!
//! **Invariant:** whoever reads a step for its output fills it first; nobody else notices where it lies.

use bytes::Bytes;
use serde_json::Value;
use tenantry_protocol::id::TenantId;

use super::ledger::Ledger;
use super::{Service, events, step_value};
use crate::error::{Error, Result};
use crate::store::tenant::steps::Step;

/// Outputs above this size in bytes of JSON lie in `blobs/`, not in the row.
pub const INLINE_LIMIT: usize = 64 * 1024;

/// The output as it is stored, if it is too large for a row.
pub fn large(output: &Value) -> Option<Bytes> {
    if step_value::weight(output) <= INLINE_LIMIT / 2 {
        return None;
    }
    let text = output.to_string();
    (text.len() > INLINE_LIMIT).then(|| Bytes::from(text))
}

/// The body of an event, if it is too large for a row.
pub fn large_body(body: &Bytes) -> Option<Bytes> {
    (body.len() > events::INLINE_LIMIT).then(|| body.clone())
}

/// A stored output as text.
pub(crate) fn text(bytes: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(bytes).map_err(|error| Error::internal(format!("output: {error}")))?;
    Ok(text.to_owned())
}

impl Service {
    /// Reads the outputs that lie in `blobs/`.
    pub async fn fill_outputs(&self, tenant: TenantId, steps: &mut [Step]) -> Result<()> {
        for step in steps {
            if let (Some(hash), None) = (step.output_blob, &step.output) {
                step.output = Some(text(&self.store.get_blob(tenant, hash).await?)?);
            }
        }
        Ok(())
    }
}

/// The same inside of a transaction: a large output that a step left beside the one that has just ended.
pub(crate) fn fill_now(ledger: &Ledger<'_>, steps: &mut [Step]) -> Result<()> {
    for step in steps {
        if let (Some(hash), None) = (step.output_blob, &step.output) {
            step.output = Some(text(&ledger.blob(&hash)?)?);
        }
    }
    Ok(())
}
