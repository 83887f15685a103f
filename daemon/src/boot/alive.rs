//! A sign of life in the data folder, so that the next start knows how long the daemon was away.
//!
//! It is not made durable and may be half a minute old: people read it, nothing is decided by it.

use std::sync::Arc;
use std::time::Duration;

use crate::service::Service;
use crate::supervise::{Stop, Supervisor, TaskSpec};

/// The file in the data folder; it holds unix milliseconds.
const FILE: &str = "alive";
/// How often it is written.
const EVERY: Duration = Duration::from_secs(30);

/// The last sign of life before this start; unix milliseconds.
pub(super) fn last(service: &Service) -> Option<i64> {
    std::fs::read_to_string(service.store.folder().join(FILE)).ok()?.trim().parse().ok()
}

/// Gives signs of life until the daemon stops, and one then.
pub(super) fn keep(service: &Arc<Service>, supervisor: &Supervisor) {
    let service = Arc::clone(service);
    supervisor.spawn(TaskSpec::always("alive"), move |stop| give(Arc::clone(&service), stop));
}

async fn give(service: Arc<Service>, stop: Stop) {
    loop {
        let path = service.store.folder().join(FILE);
        if let Err(error) = std::fs::write(&path, service.clock.now_ms().to_string()) {
            tracing::warn!(%error, "no sign of life could be written");
        }
        if stop.is_cancelled() {
            return;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = service.clock.sleep(EVERY) => {}
        }
    }
}
