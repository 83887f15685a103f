//! A daemon that this process has started: its telemetry, whether it is ready, how it ended. Used by `up` and `demo`.
//!
//! **Invariant:** what an earlier daemon left behind is never taken for the new one's: the process id decides.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tenantry_protocol::health::Ready;

use crate::failure::{Failure, Local};

/// Between two looks at the process.
const LOOK: Duration = Duration::from_millis(5);
/// How much of the telemetry is shown when the daemon does not come up: lines, and bytes at the most.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: u64 = 64 << 10;

/// A daemon. Dropping it kills the process, unless it was left to itself.
pub(super) struct Started {
    child: Option<Child>,
    log: PathBuf,
    /// Where its telemetry begins in the file.
    begins: u64,
}

impl Started {
    /// Starts it with its output appended to a file that only this user can read.
    pub(super) fn spawn(mut command: Command, log: &Path) -> Result<Self, Failure> {
        let failed = |error: &io::Error| Failure::file("write", log, error);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(log);
        let file = file.map_err(|error| failed(&error))?;
        let begins = file.metadata().map_err(|error| failed(&error))?.len();
        let second = file.try_clone().map_err(|error| failed(&error))?;
        let child = command.stdin(Stdio::null()).stdout(second).stderr(file).spawn();
        let child = child.map_err(|error| {
            let program = PathBuf::from(command.get_program());
            Failure::file("start", &program, &error)
        })?;
        Ok(Self { child: Some(child), log: log.to_owned(), begins })
    }

    /// Waits until it has written its ready file.
    pub(super) async fn ready(&mut self, data: &Path, limit: Duration) -> Result<Ready, Failure> {
        let begun = Instant::now();
        loop {
            let pid = self.child.as_ref().map(Child::id);
            if let Some(ready) = ready_file(data).filter(|ready| Some(ready.pid) == pid) {
                return Ok(ready);
            }
            if let Some(status) = self.ended()? {
                return Err(self.failure(&format!("the daemon ended with {status} before it served")));
            }
            if begun.elapsed() > limit {
                return Err(self.failure(&format!("the daemon did not serve within {} s", limit.as_secs())));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks it to drain and waits until it has ended.
    pub(super) async fn drain(&mut self, limit: Duration) -> Result<ExitStatus, Failure> {
        if let Some(pid) = self.child.as_ref().and_then(|child| Pid::from_raw(child.id().cast_signed())) {
            kill_process(pid, Signal::TERM).ok();
        }
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if begun.elapsed() > limit {
                return Err(self.failure(&format!("the daemon did not end within {} s", limit.as_secs())));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Lets it go on when this process ends.
    pub(super) fn leave(&mut self) {
        self.child = None;
    }

    /// The last lines of its telemetry.
    pub(super) fn telemetry(&self) -> String {
        tail(&self.log, self.begins).unwrap_or_default()
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        let Some(child) = &mut self.child else { return Ok(None) };
        child.try_wait().map_err(|error| Failure::file("wait for", Path::new("tenantry daemon"), &error))
    }

    fn failure(&self, message: &str) -> Failure {
        let telemetry = self.telemetry();
        let telemetry = if telemetry.is_empty() { String::new() } else { format!(":\n{telemetry}") };
        Failure::local(Local::DaemonFailed, format!("{message}{telemetry}"))
            .with_hint(format!("read {}", self.log.display()))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// What the daemon of a data folder said when it was ready.
pub(super) fn ready_file(data: &Path) -> Option<Ready> {
    serde_json::from_slice(&fs::read(data.join("ready.json")).ok()?).ok()
}

/// Whether a process is there and is a daemon of tenantry (proc(5)): process ids are used again.
pub(super) fn process_is_daemon(pid: u32) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let mut words = line.split(|byte| *byte == 0);
    words.next().is_some() && words.any(|word| word == b"daemon")
}

fn tail(log: &Path, begins: u64) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(begins.max(length.saturating_sub(TAIL_BYTES))))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_daemon_that_ends_at_once_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("daemon.log");
        fs::write(&log, "from before\n").unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo 'the disk is on fire' >&2; exit 3"]);
        let mut started = Started::spawn(command, &log).unwrap();
        let failure = started.ready(folder.path(), Duration::from_secs(20)).await.unwrap_err();
        assert!(failure.message.contains("on fire") && failure.message.contains('3'), "{failure:?}");
        assert!(!failure.message.contains("before\n"), "old telemetry is not its own: {failure:?}");
    }

    #[tokio::test]
    async fn a_ready_file_of_another_process_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let ready = r#"{"pid": 1, "socket": "/s", "ingress": "127.0.0.1:1", "version": "0"}"#;
        fs::write(folder.path().join("ready.json"), ready).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec sleep 60"]);
        let mut started = Started::spawn(command, &folder.path().join("log")).unwrap();
        assert!(started.ready(folder.path(), Duration::from_millis(50)).await.is_err());
        let status = started.drain(Duration::from_secs(20)).await.unwrap();
        assert!(!status.success());
    }

    #[test]
    fn this_process_is_no_daemon() {
        assert!(!process_is_daemon(std::process::id()));
        assert!(!process_is_daemon(u32::MAX));
    }
}
