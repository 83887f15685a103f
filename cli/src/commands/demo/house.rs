//! The private folder of the demo and the daemon in it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tenantry_protocol::client::Client;
use tenantry_protocol::health::Ready;
use tenantry_protocol::id::TenantId;
use tenantry_protocol::principal::Login;

use crate::commands::started::Started;
use crate::failure::{Failure, Local};

/// How long the daemon may take until it serves.
const READY_LIMIT: Duration = Duration::from_secs(20);
/// A unix socket's path has at most 107 bytes (unix(7)); the longest name in the folder needs some of them.
const FOLDER_LIMIT: usize = 90;
/// Variables through which the daemon of the demo could find anything of the user's own.
const FOREIGN: &[&str] = &[
    "TENANTRY_CONFIG",
    "TENANTRY_DATA",
    "TENANTRY_RUNTIME_DIR",
    "TENANTRY_LOG",
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
];

/// The folder, and the daemon once it is started. Dropping it kills the daemon and removes the folder.
pub(super) struct House {
    // Declared before the folder: the daemon goes first.
    daemon: Option<Started>,
    ready: Option<Ready>,
    took: Duration,
    folder: TempDir,
}

impl House {
    /// Makes the folder and the configuration: webhooks on a free port of the loopback, and no way out but to the
    /// demo's own receiver.
    pub(super) fn build(receiver: SocketAddr, keep: bool) -> Result<Self, Failure> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("tenantry-demo-").disable_cleanup(keep);
        let usual = std::env::temp_dir();
        let place = if usual.as_os_str().len() > FOLDER_LIMIT { Path::new("/tmp") } else { &usual };
        let folder =
            builder.tempdir_in(place).map_err(|error| Failure::file("create a folder in", place, &error))?;
        let config = format!(
            "[ingress]\nlisten = \"127.0.0.1:0\"\n\n[egress]\nallow = [\"{receiver}\"]\n\n[telemetry]\nformat = \"text\"\n"
        );
        let path = folder.path().join("tenantry.toml");
        std::fs::write(&path, config).map_err(|error| Failure::file("write", &path, &error))?;
        Ok(Self { daemon: None, ready: None, took: Duration::ZERO, folder })
    }

    /// Starts this program again as a daemon and logs in by the socket's peer credentials.
    pub(super) async fn start(&mut self) -> Result<Client, Failure> {
        let program =
            std::env::current_exe().map_err(|error| Failure::file("find", Path::new("tenantry"), &error))?;
        let socket = self.path("api.sock");
        let mut command = Command::new(program);
        command.arg("daemon").arg("--data").arg(self.data()).arg("--socket").arg(&socket);
        command.arg("--config").arg(self.path("tenantry.toml"));
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        for name in FOREIGN {
            command.env_remove(name);
        }
        let begun = Instant::now();
        let data = self.data();
        let daemon = self.daemon.insert(Started::spawn(command, &self.folder.path().join("telemetry"))?);
        self.ready = Some(daemon.ready(&data, READY_LIMIT).await?);
        self.took = begun.elapsed();
        let client = Client::new(socket);
        client.login(&Login::Peer).await?;
        Ok(client)
    }

    /// What started, in a line.
    pub(super) fn describe(&self) -> String {
        let (pid, ingress) =
            self.ready.as_ref().map(|ready| (ready.pid, ready.ingress.clone())).unwrap_or_default();
        format!(
            "process {pid} serves after {} ms; data and socket in {}, webhooks on http://{ingress}",
            self.took.as_millis(),
            self.folder.path().display()
        )
    }

    /// Another client that has not logged in.
    pub(super) fn stranger(&self) -> Client {
        Client::new(self.path("api.sock"))
    }

    /// Where webhooks come in.
    pub(super) fn ingress(&self) -> Result<SocketAddr, Failure> {
        let address = self.ready.as_ref().and_then(|ready| ready.ingress.parse().ok());
        address.ok_or_else(|| {
            Failure::local(Local::DaemonFailed, "the daemon did not say where webhooks come in")
        })
    }

    /// The SQLite file of a tenant.
    pub(super) fn tenant_file(&self, tenant: &TenantId) -> PathBuf {
        self.data().join("tenants").join(tenant.to_string()).join("tenant.db")
    }

    /// A path below the folder without what all have in common.
    pub(super) fn short(&self, path: &Path) -> String {
        path.strip_prefix(self.folder.path()).unwrap_or(path).display().to_string()
    }

    /// Asks the daemon to drain and says how it ended.
    pub(super) async fn drain(&mut self, limit: Duration) -> Result<ExitStatus, Failure> {
        match &mut self.daemon {
            Some(daemon) => daemon.drain(limit).await,
            None => Err(Failure::local(Local::DaemonFailed, "no daemon was started")),
        }
    }

    /// The daemon's last words.
    pub(super) fn telemetry(&self) -> String {
        self.daemon.as_ref().map(Started::telemetry).unwrap_or_default()
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Removes the folder, unless it is to be kept; says whether it is gone.
    pub(super) fn clear(self) -> Result<bool, Failure> {
        let Self { daemon, folder, .. } = self;
        drop(daemon);
        let path = folder.path().to_owned();
        folder.close().map_err(|error| Failure::file("remove", &path, &error))?;
        Ok(!path.exists())
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
