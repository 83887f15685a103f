//! A real runner process, spoken to over a real link.

#![expect(dead_code, reason = "every test file uses a part of it")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails")]

use std::collections::{BTreeMap, HashMap};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tenantry_protocol::runner::{
    CallId, CallResult, Decoder, FromRunner, LINK_VERSION, Limits, Open, Ready, RunnerCall, Start, Stream,
    ToRunner, default_shell, encode,
};

#[path = "../../../tests/src/skip.rs"]
#[expect(unreachable_pub, reason = "shared by crates that do not know each other")]
pub(crate) mod skip;

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// An ordinary user, for tests that run as root.
pub(crate) const ORDINARY: u32 = 60_901;

/// Who the runner is started by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Me,
    Ordinary,
}

/// What a call gave.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) result: Option<CallResult>,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    pub(crate) fn errors(&self) -> String {
        String::from_utf8(self.stderr.clone()).unwrap()
    }

    pub(crate) fn result(&self) -> &CallResult {
        self.result.as_ref().expect("the call has not ended")
    }
}

pub(crate) struct Runner {
    pub(crate) child: Child,
    pub(crate) ready: Ready,
    /// The folder that holds the scratch root, and where tests put what must stay unseen.
    pub(crate) base: TempDir,
    pub(crate) scratch_root: PathBuf,
    link: UnixStream,
    decoder: Decoder,
    outcomes: HashMap<CallId, Outcome>,
    next: CallId,
}

/// Runs a test as the user of the tests and, where that is root, as an ordinary user as well.
pub(crate) fn as_everybody(test: impl Fn(Runner)) {
    test(Runner::start(Who::Me, |_| {}));
    if rustix::process::geteuid().is_root() {
        test(Runner::start(Who::Ordinary, |_| {}));
    } else {
        skip::skipped("the half of a test that is an ordinary user", "only root can become one");
    }
}

impl Runner {
    pub(crate) fn start(who: Who, adjust: impl FnOnce(&mut Open)) -> Self {
        let mut command = Command::new(program());
        command.arg("runner");
        if who == Who::Ordinary {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        Self::start_as(command, who, adjust)
    }

    /// Starts a command that becomes a runner; its folders belong to `who`.
    pub(crate) fn start_as(mut command: Command, who: Who, adjust: impl FnOnce(&mut Open)) -> Self {
        // Not in /tmp, so that calls may have a /tmp of their own.
        let base = tempfile::Builder::new().prefix("runner-").tempdir_in("/var/tmp").unwrap();
        let scratch_root = base.path().join("data/scratch");
        std::fs::create_dir_all(&scratch_root).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        command.stdin(Stdio::from(OwnedFd::from(theirs))).env("SECRET_OF_THE_DAEMON", "leaked");
        if who == Who::Ordinary {
            for folder in [base.path(), &base.path().join("data"), &scratch_root] {
                std::os::unix::fs::chown(folder, Some(ORDINARY), Some(ORDINARY)).unwrap();
            }
        }
        let child = command.spawn().unwrap();
        drop(command);
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut open = Open {
            link_version: LINK_VERSION,
            scratch_root: scratch_root.clone(),
            hide: vec![base.path().join("data")],
            expose: Vec::new(),
        };
        adjust(&mut open);
        let ready = Ready {
            version: String::new(),
            link_version: 0,
            sandbox: tenantry_protocol::runner::Sandbox::default(),
        };
        let mut runner = Self {
            child,
            ready,
            base,
            scratch_root,
            link: ours,
            decoder: Decoder::new(),
            outcomes: HashMap::new(),
            next: 1,
        };
        runner.send(&ToRunner::Open(open));
        let FromRunner::Ready(ready) = runner.receive() else { panic!("the first frame is not `ready`") };
        runner.ready = ready;
        runner
    }

    pub(crate) fn begin(&mut self, call: RunnerCall, limits: Limits) -> CallId {
        let id = self.next;
        self.next += 1;
        self.send(&ToRunner::Start(Box::new(Start { id, call, limits, scratch: format!("call-{id}") })));
        id
    }

    pub(crate) fn send(&mut self, message: &ToRunner) {
        let mut wire = Vec::new();
        encode(message, &mut wire).unwrap();
        self.link.write_all(&wire).unwrap();
    }

    pub(crate) fn receive(&mut self) -> FromRunner {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if let Some(message) = self.decoder.next_message().unwrap() {
                return message;
            }
            let count = self.link.read(&mut buffer).expect("the runner keeps silent");
            assert!(count > 0, "the runner closed the link");
            self.decoder.feed(&buffer[..count]);
        }
    }

    fn take_one(&mut self) {
        match self.receive() {
            FromRunner::Ready(_) => panic!("ready twice"),
            FromRunner::Output { id, stream, bytes } => {
                let outcome = self.outcomes.entry(id).or_default();
                assert!(outcome.result.is_none(), "output after the end of call {id}");
                match stream {
                    Stream::Stdout => outcome.stdout.extend(bytes),
                    Stream::Stderr => outcome.stderr.extend(bytes),
                }
            }
            FromRunner::Ended { id, result } => {
                let outcome = self.outcomes.entry(id).or_default();
                assert!(outcome.result.is_none(), "call {id} ended twice");
                outcome.result = Some(result);
            }
        }
    }

    pub(crate) fn wait(&mut self, id: CallId) -> Outcome {
        while self.outcomes.get(&id).is_none_or(|outcome| outcome.result.is_none()) {
            self.take_one();
        }
        self.outcomes.remove(&id).unwrap()
    }

    /// Waits until a running call has written this to its standard output.
    pub(crate) fn wait_for_output(&mut self, id: CallId, wanted: &str) -> String {
        loop {
            if let Some(outcome) = self.outcomes.get(&id) {
                let text = outcome.text();
                if text.contains(wanted) {
                    return text;
                }
                assert!(outcome.result.is_none(), "the call ended without {wanted:?}: {outcome:?}");
            }
            self.take_one();
        }
    }

    pub(crate) fn run_with(&mut self, script: &str, limits: Limits) -> Outcome {
        let id = self.begin(script_call(script), limits);
        self.wait(id)
    }

    pub(crate) fn run(&mut self, script: &str) -> Outcome {
        self.run_with(script, Limits::default())
    }

    /// Runs a script that must exit with 0 and gives its output.
    pub(crate) fn output_of(&mut self, script: &str) -> String {
        let outcome = self.run(script);
        assert_eq!(outcome.result(), &CallResult::Exited(0), "{script}: {}", outcome.errors());
        outcome.text()
    }

    pub(crate) fn jq_with(&mut self, filter: &str, input: serde_json::Value, limits: Limits) -> CallResult {
        let id = self.begin(RunnerCall::Jq { filter: filter.to_owned(), input }, limits);
        self.wait(id).result.unwrap()
    }

    pub(crate) fn jq(&mut self, filter: &str, input: serde_json::Value) -> CallResult {
        self.jq_with(filter, input, Limits::default())
    }

    pub(crate) fn close_link(&mut self) {
        self.link.shutdown(std::net::Shutdown::Both).unwrap();
    }

    pub(crate) fn has(&self, measure: &str) -> bool {
        self.ready.sandbox.in_force.iter().any(|name| name == measure)
    }

    /// What is left in the scratch root.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.scratch_root).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn script_call(script: &str) -> RunnerCall {
    RunnerCall::Run {
        script: script.to_owned(),
        shell: default_shell(),
        env: BTreeMap::new(),
        stdin: Vec::new(),
    }
}

/// The example next to the test binaries.
pub(crate) fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples/runner");
    assert!(program.exists(), "{} is not built", program.display());
    program
}

/// Looks again and again until it holds; polling with a deadline, because nobody signals the death of strangers.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// Processes of this machine whose command line contains the text.
pub(crate) fn processes_with(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        if let Ok(line) = std::fs::read(entry.path().join("cmdline")) {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(text) {
                found.push(format!("{}: {line}", entry.file_name().to_string_lossy()));
            }
        }
    }
    found
}

/// A word that occurs in the command lines of one test only.
pub(crate) fn marker(test: &str) -> String {
    format!("marker-{test}-{}", std::process::id())
}

/// The process whose command line ends with this script.
pub(crate) fn pid_of_script(end: &str) -> rustix::process::Pid {
    let of_script = |entry: std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let pid = entry.file_name().to_str()?.parse().ok()?;
        (line.trim_end().ends_with(end) && line.starts_with("/bin/sh -c")).then_some(pid)
    };
    let pid = std::fs::read_dir("/proc").unwrap().flatten().find_map(of_script).expect("no such process");
    rustix::process::Pid::from_raw(pid).unwrap()
}

/// The parent of a process, as this machine sees it.
pub(crate) fn parent_of(pid: rustix::process::Pid) -> rustix::process::Pid {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    rustix::process::Pid::from_raw(line.trim().parse().unwrap()).unwrap()
}

/// Leaves the session, forks twice, ignores every signal it can, and would live for minutes.
pub(crate) fn daemon(mark: &str) -> String {
    format!(
        "setsid sh -c 'trap \"\" TERM HUP INT QUIT; (setsid sh -c \": > started; sleep 300; : {mark}\" </dev/null \
         >/dev/null 2>&1 &) & sleep 300; : {mark}' </dev/null >/dev/null 2>&1 & while [ ! -e started ]; do :; done;"
    )
}
