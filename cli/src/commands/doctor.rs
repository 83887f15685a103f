//! `tenantry doctor`: what is wrong here, in the order in which it would have to be put right.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use tenantry_protocol::health::{API_VERSION, Health, HealthState, Ready, Status};
use tenantry_protocol::path::Operation;

use crate::exit::Exit;
use crate::failure::{Ended, Failure, Local};
use crate::moment::bytes;
use crate::session::Session;
use crate::socket;
use crate::table::{Tone, push_toned};

/// Below this much free space on the data folder's volume a check does not hold.
const SPACE_NEEDED: u64 = 64 << 20;
/// Below this much free space a person should look.
const SPACE_LOW: u64 = 1 << 30;

/// Check this machine's side: socket, permission, daemon, version, data folder, disk space
///
/// Every check says what was found and, where it does not hold, what to do. Nothing is changed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry doctor
  tenantry doctor -o json | jq '.checks[] | select(.state != \"ok\")'
  tenantry doctor --socket /run/tenantry/api.sock")]
pub(crate) struct Doctor;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    Warning,
    Failed,
    /// It could not be made, because an earlier one failed or this user may not look.
    Skipped,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    client: &'static str,
    checks: Vec<Check>,
}

impl Check {
    fn new(name: &'static str, state: State, found: impl Into<String>) -> Self {
        Self { name, state, found: found.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Doctor {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let mut checks = vec![socket_check(session.socket())];
        let (health, permission) = health_checks(session).await;
        checks.push(permission);
        let serving = health.state == State::Ok;
        checks.push(health);
        let status: Option<Status> = if serving {
            let answer = session.get::<Status>(Operation::HostStatus, &[], &()).await;
            checks.push(login_check(&answer));
            answer.ok()
        } else {
            None
        };
        if let Some(status) = &status {
            checks.push(version_check(status));
            checks.push(tenants_check(status));
        }
        let own = || (session.socket() == session.place.own_socket()).then(|| session.place.state.clone());
        match status.as_ref().map(|status| PathBuf::from(&status.data)).or_else(own) {
            Some(data) => {
                checks.extend([data_check(&data), space_check(&data), ready_check(&data, serving)]);
            }
            None => checks.push(Check::new("data", State::Skipped, "only a host admin is told where it is")),
        }
        let ok = checks.iter().all(|check| check.state != State::Failed);
        let report = Report { ok, client: env!("CARGO_PKG_VERSION"), checks };
        show(session, &report)?;
        if ok {
            return Ok(Exit::Ok);
        }
        let failed: Vec<_> = report
            .checks
            .iter()
            .filter(|check| check.state == State::Failed)
            .map(|check| check.name)
            .collect();
        Err(Failure::local(Local::CheckFailed, format!("does not hold: {}", failed.join(", "))))
    }
}

fn show(session: &Session, report: &Report) -> Result<(), Failure> {
    let output = session.output;
    output.machine(report, if report.ok { "ok" } else { "failed" }, || {
        let mut text = String::new();
        for check in &report.checks {
            let (word, tone) = match check.state {
                State::Ok => ("ok", Tone::Good),
                State::Warning => ("warning", Tone::Warn),
                State::Failed => ("failed", Tone::Bad),
                State::Skipped => ("skipped", Tone::Dim),
            };
            push_toned(&mut text, &format!("{word:<8}"), tone, output.colour_out());
            let found = tenantry_protocol::printable::printable(&check.found);
            writeln!(text, " {:<12} {found}", check.name).ok();
            if let Some(hint) = &check.hint {
                writeln!(text, "                      try: {hint}").ok();
            }
        }
        output.raw(&text)
    })
}

fn socket_check(path: &Path) -> Check {
    match fs::metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            let mode = metadata.mode() & 0o777;
            let found = format!("{}, mode {mode:o}", path.display());
            if mode % 0o10 == 0 {
                return Check::new("socket", State::Ok, found);
            }
            Check::new("socket", State::Warning, format!("{found}: every user of the machine may open it"))
                .hint("the daemon sets its own mode at its start: restart it")
        }
        Ok(_) => Check::new("socket", State::Failed, format!("{} is not a socket", path.display()))
            .hint("move it away, or name another with --socket"),
        Err(_) => {
            let diagnosis = socket::diagnose(path);
            Check::new("socket", State::Failed, diagnosis.message).hint(diagnosis.hint)
        }
    }
}

async fn health_checks(session: &Session) -> (Check, Check) {
    let health: Result<Health, _> = session.public().get(Operation::Health, &[], &()).await;
    match health {
        Ok(health) => {
            let permission = Check::new("permission", State::Ok, "this user may open the socket");
            let found = format!("{}, API {}", health.state, health.api);
            let daemon = if health.api != API_VERSION {
                Check::new("daemon", State::Failed, format!("{found}; this client speaks API {API_VERSION}"))
                    .hint("install the same release on both sides")
            } else if health.state == HealthState::Serving {
                Check::new("daemon", State::Ok, found)
            } else {
                Check::new("daemon", State::Warning, found).hint("wait a moment and look again")
            };
            (daemon, permission)
        }
        Err(error) => {
            let forbidden = matches!(error, tenantry_protocol::client::ClientError::Forbidden(_));
            let failure = Failure::from(error);
            let (message, hint) = (failure.message.clone(), failure.hint.clone().unwrap_or_default());
            if forbidden {
                let permission = Check::new("permission", State::Failed, message).hint(hint);
                return (Check::new("daemon", State::Skipped, "it cannot be asked"), permission);
            }
            if !session.socket().exists() {
                // The check of the socket has said it.
                let permission = Check::new("permission", State::Skipped, "there is nothing to open");
                return (Check::new("daemon", State::Skipped, "there is nothing to ask"), permission);
            }
            let permission = Check::new("permission", State::Ok, "this user may open the socket");
            (Check::new("daemon", State::Failed, message).hint(hint), permission)
        }
    }
}

fn login_check(answer: &Result<Status, Failure>) -> Check {
    match answer {
        Ok(_) => Check::new("login", State::Ok, "host admin"),
        Err(failure) if failure.exit() == Exit::Auth => {
            Check::new("login", State::Warning, failure.message.clone())
                .hint("as host admin (root, or the daemon's own user) this sees more: `tenantry login`")
        }
        Err(failure) => Check::new("login", State::Failed, failure.message.clone()),
    }
}

fn version_check(status: &Status) -> Check {
    let client = env!("CARGO_PKG_VERSION");
    if status.version == client {
        return Check::new("version", State::Ok, client);
    }
    Check::new("version", State::Warning, format!("daemon {}, client {client}", status.version))
        .hint("install the same release on both sides")
}

fn tenants_check(status: &Status) -> Check {
    let tenants = &status.tenants;
    let found = format!(
        "{}, {} degraded, {} quarantined; {} tasks not well",
        tenants.total,
        tenants.degraded,
        tenants.quarantined,
        status.degraded_tasks.len()
    );
    let well = tenants.degraded + tenants.quarantined == 0 && status.degraded_tasks.is_empty();
    if well {
        Check::new("tenants", State::Ok, found)
    } else {
        Check::new("tenants", State::Failed, found).hint("`tenantry status` names them")
    }
}

fn data_check(data: &Path) -> Check {
    match fs::metadata(data) {
        Ok(metadata) if metadata.is_dir() => {
            let mode = metadata.mode() & 0o777;
            let found = format!("{}, mode {mode:o}, owner {}", data.display(), metadata.uid());
            if mode % 0o100 == 0 {
                Check::new("data", State::Ok, found)
            } else {
                Check::new("data", State::Warning, format!("{found}: others may look into it"))
                    .hint(format!("chmod 700 {}", data.display()))
            }
        }
        Ok(_) => Check::new("data", State::Failed, format!("{} is not a folder", data.display())),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Check::new("data", State::Skipped, format!("this user may not look at {}", data.display()))
        }
        Err(error) => Check::new("data", State::Skipped, format!("{}: {error}", data.display())),
    }
}

fn space_check(data: &Path) -> Check {
    // Before its first start the daemon has no folder yet; the volume is that of the nearest one above.
    let Some(stat) = data.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok()) else {
        return Check::new("space", State::Skipped, "the volume cannot be asked");
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{} free", bytes(free));
    match free {
        ..SPACE_NEEDED => {
            Check::new("space", State::Failed, found).hint("free space on the volume of the data folder")
        }
        SPACE_NEEDED..SPACE_LOW => {
            Check::new("space", State::Warning, found).hint("free some before it runs out")
        }
        SPACE_LOW.. => Check::new("space", State::Ok, found),
    }
}

fn ready_check(data: &Path, serving: bool) -> Check {
    let ready =
        fs::read(data.join("ready.json")).ok().and_then(|text| serde_json::from_slice::<Ready>(&text).ok());
    match ready {
        Some(ready) => {
            let found = format!("process {}, ingress {}, socket {}", ready.pid, ready.ingress, ready.socket);
            if serving {
                return Check::new("ready", State::Ok, found);
            }
            Check::new("ready", State::Warning, format!("left behind: {found}"))
                .hint("the daemon did not stop by itself: look at its telemetry")
        }
        None => Check::new("ready", State::Skipped, "no ready.json that this user may read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_socket_and_what_is_not_there_do_not_look_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let absent = socket_check(&path);
        fs::write(&path, "").unwrap();
        let file = socket_check(&path);
        assert_eq!((absent.state, file.state), (State::Failed, State::Failed));
        assert_ne!(absent.found, file.found);
        assert!(file.hint.is_some_and(|hint| hint.contains("--socket")));
    }

    #[test]
    fn space_is_that_of_the_nearest_folder() {
        let folder = tempfile::tempdir().unwrap();
        let check = space_check(&folder.path().join("not/there/yet"));
        assert!(check.found.ends_with("free"), "{check:?}");
    }
}
