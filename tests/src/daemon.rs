//! A real daemon in a folder of its own, started, killed and started again as a test needs.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tenantry_protocol::client::Client;
use tenantry_protocol::health::Ready;
use tenantry_protocol::principal::Login;

use crate::binary::tenantry;
use crate::{SOON, eventually};

/// Every test daemon may reach the loopback, where the receivers are, and takes any load from there.
const CONFIG: &str = "\
[egress]
allow = [\"127.0.0.0/8\"]
[ingress]
rate-per-ip = \"100000/s burst 100000\"
rate-per-tenant = \"100000/s burst 100000\"
[api]
rate-per-principal = \"100000/s burst 100000\"
rate-per-tenant = \"100000/s burst 100000\"
rate-login = \"100000/s burst 100000\"
[telemetry]
format = \"text\"
";

/// Where a daemon lives, whether it runs or not.
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// A new empty home with the usual test configuration and `more` after it.
    pub fn new(more: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tenantry-test-").tempdir()?;
        fs::write(folder.path().join("tenantry.toml"), format!("{CONFIG}{more}"))?;
        Ok(Self { folder })
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The socket of the local API.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("api.sock")
    }

    /// Everything that the daemons of this home wrote to their output.
    pub fn telemetry(&self) -> String {
        fs::read_to_string(self.folder.path().join("telemetry")).unwrap_or_default()
    }

    /// The folder that holds data, socket, configuration and telemetry.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The command that starts a daemon here, not yet started.
    pub fn command(&self) -> io::Result<Command> {
        let log = File::options().create(true).append(true).open(self.folder.path().join("telemetry"))?;
        let mut command = Command::new(tenantry());
        command
            .arg("daemon")
            .arg("--data")
            .arg(self.data())
            .arg("--socket")
            .arg(self.socket())
            .args(["--ingress", "127.0.0.1:0", "--config"])
            .arg(self.folder.path().join("tenantry.toml"))
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        Ok(command)
    }
}

/// A running daemon. Dropping it kills its process group; its home is kept as long as the value lives.
pub struct TestDaemon {
    home: Home,
    child: Child,
    ready: Ready,
    client: Client,
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        self.kill_group();
        if std::thread::panicking() {
            let telemetry = self.home.telemetry();
            let tail: Vec<&str> = telemetry.lines().rev().take(40).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            // Captured by the test runner and shown with the failure.
            drop(io::Write::write_all(
                &mut io::stderr(),
                format!("--- the daemon's telemetry, last lines\n{}\n", tail.join("\n")).as_bytes(),
            ));
        }
    }
}

impl TestDaemon {
    /// A daemon in a new home, serving.
    pub async fn start() -> io::Result<Self> {
        Self::start_in(Home::new("")?).await
    }

    /// A daemon in a new home with more configuration, serving.
    pub async fn start_with(config: &str) -> io::Result<Self> {
        Self::start_in(Home::new(config)?).await
    }

    /// A daemon in this home, serving.
    pub async fn start_in(home: Home) -> io::Result<Self> {
        let (child, ready) = spawn(&home).await?;
        let client = Client::new(home.socket());
        client.login(&Login::Peer).await.map_err(io::Error::other)?;
        Ok(Self { home, child, ready, client })
    }

    /// A client logged in as host admin by the socket's peer credentials.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A client that has not logged in.
    pub fn stranger(&self) -> Client {
        Client::new(self.home.socket())
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.home.data()
    }

    /// The socket of the local API.
    pub fn socket(&self) -> PathBuf {
        self.home.socket()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The listener for webhooks.
    pub fn ingress(&self) -> SocketAddr {
        self.ready.ingress.parse().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// What the daemon said when it was ready.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    fn kill_group(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // An error means that it has ended by itself.
            kill_process_group(pid, Signal::KILL).unwrap_or_default();
        }
        drop(self.child.wait());
    }

    /// Kills the daemon and everything in its process group with SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        self.kill_group();
    }

    /// Starts the daemon again in the same home and logs in; returns how long it took until it served.
    pub async fn restart(&mut self) -> io::Result<Duration> {
        let begun = Instant::now();
        let (child, ready) = spawn(&self.home).await?;
        let took = begun.elapsed();
        self.child = child;
        self.ready = ready;
        self.client.set_token(None).await;
        self.client.login(&Login::Peer).await.map_err(io::Error::other)?;
        Ok(took)
    }

    /// Asks the daemon to stop and waits until it has.
    pub async fn stop(&mut self) -> io::Result<ExitStatus> {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            rustix::process::kill_process(pid, Signal::TERM)?;
        }
        let child = &mut self.child;
        let status = wait(child, Duration::from_secs(40)).await;
        status.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "the daemon did not stop"))
    }
}

/// Waits for a child without blocking the runtime.
pub async fn wait(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            _ if begun.elapsed() > deadline => return None,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn spawn(home: &Home) -> io::Result<(Child, Ready)> {
    // What an earlier daemon left must not be taken for the new one's.
    let file = home.data().join("ready.json");
    let mut child = home.command()?.spawn()?;
    let pid = child.id();
    let begun = Instant::now();
    while begun.elapsed() < SOON {
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("the daemon ended with {status}:\n{}", home.telemetry())));
        }
        let told = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Ready>(&bytes).ok());
        if let Some(ready) = told.filter(|ready| ready.pid == pid) {
            return Ok((child, ready));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(child.kill());
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("the daemon was not ready:\n{}", home.telemetry())))
}

/// Waits until a probe of the daemon yields a value; see [`eventually`].
pub async fn soon<T, F: Future<Output = Option<T>>>(what: &str, probe: impl FnMut() -> F) -> T {
    eventually(SOON, what, probe).await
}
