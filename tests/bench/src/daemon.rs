//! The daemon under measurement: the real program of the same build, its own folder on a real disk, its limits of
//! rate out of the way, everything else as delivered.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;
use tenantry_protocol::client::Client;
use tenantry_protocol::health::Ready;
use tenantry_protocol::principal::Login;

const CONFIG: &str = "\
[egress]
allow = [\"127.0.0.1:*\"]
[ingress]
rate-per-ip = \"1000000/s burst 1000000\"
rate-per-tenant = \"1000000/s burst 1000000\"
[api]
rate-per-principal = \"100000/s burst 100000\"
rate-per-tenant = \"100000/s burst 100000\"
rate-login = \"100000/s burst 100000\"
";
/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running daemon; dropping it kills it.
pub(crate) struct Daemon {
    folder: TempDir,
    child: Child,
    pub(crate) client: Client,
    pub(crate) ingress: SocketAddr,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // An error means that it has ended by itself.
            kill_process_group(pid, Signal::KILL).unwrap_or_default();
        }
        drop(self.child.wait());
    }
}

impl Daemon {
    /// Starts one in a new folder below `place`.
    pub(crate) async fn start(place: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(place)?;
        fs::write(folder.path().join("tenantry.toml"), CONFIG)?;
        let (child, ready) = spawn(folder.path()).await?;
        let client = Client::new(folder.path().join("api.sock"));
        let ingress = ready.ingress.parse().map_err(io::Error::other)?;
        let daemon = Self { folder, child, client, ingress };
        daemon.client.login(&Login::Peer).await.map_err(io::Error::other)?;
        Ok(daemon)
    }

    /// Stops it and starts it again on the same data; answers how long the start took.
    pub(crate) async fn restart(&mut self) -> io::Result<Duration> {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            kill_process(pid, Signal::TERM)?;
        }
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the daemon did not stop"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let begun = Instant::now();
        let (child, ready) = spawn(self.folder.path()).await?;
        let took = begun.elapsed();
        self.child = child;
        self.ingress = ready.ingress.parse().map_err(io::Error::other)?;
        self.client.set_token(None).await;
        self.client.login(&Login::Peer).await.map_err(io::Error::other)?;
        Ok(took)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The files of its tenants.
    pub(crate) fn tenant_files(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.folder.path().join("data/tenants")).into_iter().flatten();
        folders
            .filter_map(|entry| Some(entry.ok()?.path().join("tenant.db")))
            .filter(|f| f.is_file())
            .collect()
    }

    /// The lines of its telemetry that say that something went wrong, the first few.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("telemetry")).unwrap_or_default();
        let wrong =
            |line: &&str| line.contains("WARN") || line.contains("ERROR") || line.contains("panicked");
        text.lines().filter(wrong).take(20).map(str::to_owned).collect()
    }

    /// Leaves the folder where it is and says where.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

async fn spawn(folder: &Path) -> io::Result<(Child, Ready)> {
    let log = File::options().create(true).append(true).open(folder.join("telemetry"))?;
    let mut child = Command::new(tenantry_tests::binary::tenantry())
        .arg("daemon")
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--socket")
        .arg(folder.join("api.sock"))
        .args(["--ingress", "127.0.0.1:0", "--config"])
        .arg(folder.join("tenantry.toml"))
        .env("XDG_RUNTIME_DIR", folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?;
    let (file, pid, begun) = (folder.join("data/ready.json"), child.id(), Instant::now());
    while begun.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            let told = fs::read_to_string(folder.join("telemetry")).unwrap_or_default();
            return Err(io::Error::other(format!("the daemon ended with {status}:\n{told}")));
        }
        let told = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Ready>(&bytes).ok());
        if let Some(ready) = told.filter(|ready| ready.pid == pid) {
            return Ok((child, ready));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(child.kill());
    Err(io::Error::new(io::ErrorKind::TimedOut, "the daemon was not ready in time"))
}
