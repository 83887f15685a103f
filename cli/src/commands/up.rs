//! `tenantry up` and `tenantry down`: a daemon of one's own, without systemd.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::health::{Health, HealthState, Ready, Status};
use tenantry_protocol::path::Operation;

use super::started::{Started, process_is_daemon, ready_file};
use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::session::Session;

/// How long a daemon may take until it serves, unless --timeout says otherwise.
const UP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a daemon may take to drain, unless --timeout says otherwise.
const DOWN_TIMEOUT: Duration = Duration::from_mins(1);
/// Between two looks at whether it has happened.
const LOOK: Duration = Duration::from_millis(20);

/// Start a daemon of your own, or find the one that runs, and log in
///
/// Its data is in $XDG_STATE_HOME/tenantry (~/.local/state/tenantry), its socket in $XDG_RUNTIME_DIR/tenantry or beside
/// the data, its telemetry in daemon.log beside the data. It goes on when you log out; `tenantry down` stops it. On a
/// server, prefer the systemd unit: it starts with the machine and is confined.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry up
  tenantry up --ingress 0.0.0.0:8620     take webhooks from other machines
  tenantry up --foreground               telemetry on the terminal, Ctrl-C drains it")]
pub(crate) struct Up {
    /// Where webhooks come in [default: 127.0.0.1:8620]
    #[arg(long, value_name = "ADDRESS")]
    ingress: Option<SocketAddr>,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Stay on the terminal
    #[arg(long)]
    foreground: bool,
}

/// What runs now.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Running {
    /// Whether this command started it.
    started: bool,
    pid: u32,
    version: String,
    socket: String,
    ingress: String,
    data: String,
}

impl Up {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        if is_serving(session).await? {
            session.output.note("a daemon runs already");
            return report(session, false).await;
        }
        let socket = session.socket_or_own();
        let command = self.command(&session.place.state, &socket)?;
        if self.foreground {
            return replace(command);
        }
        let log = session.place.telemetry();
        session.output.note(&format!("starting a daemon; its telemetry is in {}", log.display()));
        let mut started = Started::spawn(command, &log)?;
        let limit = session.timeout().unwrap_or(UP_TIMEOUT);
        started.ready(&session.place.state, limit).await?;
        started.leave();
        report(&session.at(&socket), true).await
    }

    fn command(&self, data: &Path, socket: &Path) -> Result<Command, Failure> {
        for folder in [Some(data), socket.parent()].into_iter().flatten() {
            private_folder(folder)?;
        }
        let program =
            std::env::current_exe().map_err(|error| Failure::file("find", Path::new("tenantry"), &error))?;
        let mut command = Command::new(program);
        command.arg("daemon").arg("--data").arg(data).arg("--socket").arg(socket);
        if let Some(ingress) = self.ingress {
            command.arg("--ingress").arg(ingress.to_string());
        }
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        if !self.foreground {
            command.arg("--detach");
        }
        Ok(command)
    }
}

fn private_folder(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Failure::file("create", path, &error))
}

/// Becomes the daemon.
fn replace(mut command: Command) -> Ended {
    let program = PathBuf::from(command.get_program());
    Err(Failure::file("start", &program, &command.exec()))
}

/// Whether a daemon serves on the socket. One that starts is waited for; one that drains is told.
async fn is_serving(session: &Session) -> Result<bool, Failure> {
    let begun = Instant::now();
    loop {
        match session.public().get::<Health>(Operation::Health, &[], &()).await {
            Ok(Health { state: HealthState::Serving, .. }) => return Ok(true),
            Ok(Health { state: HealthState::Draining, .. }) => {
                let message = format!("the daemon on {} is stopping", session.socket().display());
                return Err(Failure::new(ErrorCode::Draining, message));
            }
            Ok(Health { state: HealthState::Starting, .. }) if begun.elapsed() < UP_TIMEOUT => {
                tokio::time::sleep(LOOK).await;
            }
            Ok(_) => {
                return Err(Failure::new(ErrorCode::Timeout, "a daemon runs, but does not get to serve"));
            }
            Err(error) if error.code() == ErrorCode::DaemonUnreachable => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

async fn report(session: &Session, started: bool) -> Ended {
    let output = session.output;
    session.log_in(None).await?;
    let status: Status = session.get(Operation::HostStatus, &[], &()).await?;
    let running = Running {
        started,
        pid: status.pid,
        version: status.version,
        socket: status.socket,
        ingress: status.ingress,
        data: status.data,
    };
    output.show(&running, &running.socket, |_| {
        vec![
            ("daemon", format!("process {}, version {}", running.pid, running.version).into()),
            ("socket", running.socket.clone().into()),
            ("ingress", format!("http://{}", running.ingress).into()),
            ("data", running.data.clone().into()),
            ("you are", "host admin, by the socket's peer credentials".into()),
        ]
    })?;
    output.note("next:");
    output.note("  tenantry tenant create acme          a tenant, with a file of its own");
    output.note("  tenantry workflow new hello");
    output.note("  tenantry -t acme workflow apply hello.yaml");
    output.note("  tenantry tui                         everything at once");
    output.note("  tenantry down                        stop it");
    Ok(Exit::Ok)
}

/// Stop the daemon: it drains, then ends
///
/// Nothing new is accepted, leased jobs settle, then it ends. What waits stays in its queue for the next start.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry down
  tenantry down --timeout 5m             for actions that take long")]
pub(crate) struct Down;

impl Down {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let Some(pid) = find(session).await? else {
            output.note(&format!("no daemon runs on {}", session.socket().display()));
            return Ok(Exit::Ok);
        };
        let Some(process) = rustix::process::Pid::from_raw(pid.cast_signed()) else { return Ok(Exit::Ok) };
        let signalled = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        match signalled {
            Err(rustix::io::Errno::SRCH) => return Ok(Exit::Ok),
            Err(rustix::io::Errno::PERM) => {
                let message = format!("process {pid} belongs to another user");
                let failure = Failure::new(ErrorCode::PermissionDenied, message);
                return Err(failure.with_hint("if systemd runs it: `systemctl stop tenantry`"));
            }
            _ => {}
        }
        output.note(&format!("draining process {pid} …"));
        let limit = session.timeout().unwrap_or(DOWN_TIMEOUT);
        let begun = Instant::now();
        while process_is_daemon(pid) {
            if begun.elapsed() > limit {
                let message = format!("process {pid} still drains after {} s", limit.as_secs());
                let hint = "it goes on by itself; give it more with --timeout";
                return Err(Failure::new(ErrorCode::Timeout, message).with_hint(hint));
            }
            tokio::time::sleep(LOOK).await;
        }
        output.note("stopped");
        Ok(Exit::Ok)
    }
}

/// The process of the daemon on the socket: as it says itself, else as its ready file says.
async fn find(session: &Session) -> Result<Option<u32>, Failure> {
    match session.get::<Status>(Operation::HostStatus, &[], &()).await {
        Ok(status) => return Ok(Some(status.pid)),
        Err(failure) if failure.exit() == Exit::DaemonDown || failure.exit() == Exit::Timeout => {}
        Err(failure) => return Err(failure),
    }
    let own = ready_file(&session.place.state)
        .filter(|Ready { pid, socket, .. }| Path::new(socket) == session.socket() && process_is_daemon(*pid));
    Ok(own.map(|ready| ready.pid))
}

impl Session {
    /// The socket that was named, else that of a daemon of this user.
    fn socket_or_own(&self) -> PathBuf {
        self.named_socket().map_or_else(|| self.place.own_socket(), Path::to_owned)
    }
}
