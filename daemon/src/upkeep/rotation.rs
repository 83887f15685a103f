//! Replaces the key that signs tokens when it is old. The key before it verifies until its last token has expired.

use std::sync::Arc;

use crate::error::Result;
use crate::service::Service;

pub(super) async fn rotate(service: Arc<Service>) -> Result<()> {
    service.rotate_token_key().await
}
