//! Says that the daemon serves: a file for clients, a message for systemd, and signs of life after that.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tenantry_protocol::health::Ready;

use super::machine;
use crate::error::{Error, Result};
use crate::http::Addresses;
use crate::service::Service;
use crate::supervise::{Stop, Supervisor, TaskSpec};

/// The file in the data folder.
const FILE: &str = "ready.json";

/// The file that says how to reach the daemon; removed when dropped.
pub(super) struct ReadyFile {
    path: PathBuf,
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, "ready.json could not be removed");
        }
    }
}

/// Writes the file and tells systemd.
pub(super) fn announce(
    service: &Arc<Service>,
    addresses: &Addresses,
    supervisor: &Supervisor,
) -> Result<ReadyFile> {
    let ready = Ready {
        pid: std::process::id(),
        socket: addresses.socket.clone(),
        ingress: addresses.ingress.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let file = write(service.store.folder(), &ready)?;
    tell(&[NotifyState::Ready]);
    if let Some(interval) = sd_notify::watchdog_enabled() {
        watch(service, interval / 2, supervisor);
    }
    Ok(file)
}

/// Whole or not at all: a client that finds the file can rely on it.
fn write(folder: &Path, ready: &Ready) -> Result<ReadyFile> {
    let text = serde_json::to_string(ready).map_err(|error| Error::internal(error.to_string()))?;
    let (path, draft) = (folder.join(FILE), folder.join(format!("{FILE}.new")));
    std::fs::write(&draft, text).map_err(|error| machine("write ready.json", error))?;
    std::fs::rename(&draft, &path).map_err(|error| machine("write ready.json", error))?;
    Ok(ReadyFile { path })
}

/// Tells systemd; without systemd this does nothing.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

/// A sign of life to systemd as long as the store answers: a daemon that cannot read its own file is not alive.
fn watch(service: &Arc<Service>, pause: Duration, supervisor: &Supervisor) {
    let service = Arc::clone(service);
    supervisor.spawn(TaskSpec::always("watchdog"), move |stop| beat(Arc::clone(&service), pause, stop));
}

async fn beat(service: Arc<Service>, pause: Duration, stop: Stop) {
    loop {
        if service.store.control().read(|_| Ok(())).await.is_ok() {
            tell(&[NotifyState::Watchdog]);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = service.clock.sleep(pause) => {}
        }
    }
}
