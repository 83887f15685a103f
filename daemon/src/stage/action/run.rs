//! `run`: a script, executed by the runner in a scratch folder of its own.
//!
//! Its output becomes log lines while it runs, secrets cut out, and the beginning of it is the step's output.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;
use tenantry_protocol::run::LogStream;
use tenantry_protocol::runner::{CallResult, Limits, RunnerCall, Stream};
use tenantry_workflow::RunCall;
use tenantry_workflow::retry::FailureClass;
use tokio::sync::mpsc;

use super::Action;
use super::attempt::{Attempt, Done, Failure};
use super::runner_link::{OutputChunk, RunnerLost};
use crate::vault::redact::Redactor;

/// How much of a stream later steps can read, in bytes; the log has all of it.
const CAPTURE_LIMIT: usize = 64 * 1024;
/// Chunks of output that wait to become lines.
const CHUNKS: usize = 32;
/// The longest line of the log, in bytes; longer ones are cut into several.
const LINE_LIMIT: usize = 16 * 1024;

impl Action {
    pub(super) async fn run(&self, attempt: &Attempt<'_>, call: RunCall) -> Result<Done, Failure> {
        let call = RunnerCall::Run {
            script: call.script,
            shell: shell(&call.shell),
            env: environment(attempt, call.env),
            stdin: call.stdin.unwrap_or_default().into_bytes(),
        };
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let limits = self.run_limits(attempt);
        let cancel = &attempt.context.cancel;
        let (result, (stdout, stderr)) =
            tokio::join!(self.runner.call(call, limits, sender, cancel), collect(attempt, chunks));
        let output = |code: Option<i32>| json!({ "exit_code": code, "stdout": stdout.text(), "stderr": stderr.text() });
        let (class, error, code) = match result {
            Ok(CallResult::Exited(0)) => return Ok(Done::with(output(Some(0)))),
            Ok(CallResult::Exited(code)) => {
                (FailureClass::Exit(code), format!("the script ended with exit code {code}"), Some(code))
            }
            Ok(other) => {
                let (class, error) = unusual(other, limits);
                (class, error, None)
            }
            Err(lost) => return Err(lost_runner(lost)),
        };
        Err(Failure { output: Some(output(code)), ..Failure::new(class, error) })
    }

    fn run_limits(&self, attempt: &Attempt<'_>) -> Limits {
        let limits = &self.limits;
        let wall = attempt.time_limit.min(limits.wall_limit);
        Limits {
            wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            cpu_s: limits.cpu_limit.as_secs().max(1),
            memory_bytes: limits.memory_limit.as_usize() as u64,
            output_bytes: limits.output_limit.as_usize() as u64,
            file_bytes: limits.file_size_limit.as_usize() as u64,
            processes: u64::from(limits.process_limit),
        }
    }
}

/// The language names shells by word.
fn shell(word: &str) -> PathBuf {
    if word.starts_with('/') { PathBuf::from(word) } else { PathBuf::from(format!("/bin/{word}")) }
}

fn environment(attempt: &Attempt<'_>, env: Vec<(String, String)>) -> BTreeMap<String, String> {
    let own = [
        ("TENANTRY_TENANT", attempt.context.tenant.name.clone()),
        ("TENANTRY_RUN", attempt.run.id.to_string()),
        ("TENANTRY_STEP", attempt.step.id.clone()),
        ("TENANTRY_ATTEMPT", attempt.context.attempt.to_string()),
        ("TENANTRY_IDEMPOTENCY_KEY", attempt.idempotency_key.to_owned()),
    ];
    env.into_iter().chain(own.map(|(name, value)| (name.to_owned(), value))).collect()
}

/// A result that no script asks for.
pub(super) fn unusual(result: CallResult, limits: Limits) -> (FailureClass, String) {
    match result {
        CallResult::TimedOut => (FailureClass::Timeout, format!("it ran longer than {} ms", limits.wall_ms)),
        // By the numbers of a shell: 128 and the signal.
        CallResult::Signalled(signal) => {
            (FailureClass::Exit(128 + signal), format!("it was ended by signal {signal}"))
        }
        CallResult::Cancelled => (FailureClass::Permanent, "it was cancelled".to_owned()),
        CallResult::OutputLimit => {
            (FailureClass::Permanent, format!("it wrote more than {} bytes", limits.output_bytes))
        }
        CallResult::JqError(error) | CallResult::Refused(error) => (FailureClass::Permanent, error),
        CallResult::Exited(_) | CallResult::JqValue(_) => {
            (FailureClass::Permanent, "the runner answered something else than was asked".to_owned())
        }
    }
}

/// What a lost runner means: before the start nothing happened, after it nobody knows.
pub(super) fn lost_runner(lost: RunnerLost) -> Failure {
    let class = match lost {
        RunnerLost::NotStarted => FailureClass::Connect,
        RunnerLost::InFlight => FailureClass::Interrupted,
    };
    Failure::new(class, lost.to_string())
}

/// One stream of output on its way to lines.
struct Collected {
    stream: LogStream,
    redactor: Redactor,
    captured: Vec<u8>,
    truncated: bool,
    line: Vec<u8>,
}

impl Collected {
    fn new(attempt: &Attempt<'_>, stream: LogStream) -> Self {
        let redactor = attempt.redaction.redactor();
        Self { stream, redactor, captured: Vec::new(), truncated: false, line: Vec::new() }
    }

    /// What later steps read: the beginning, without the line breaks at the end, as a shell's `$(…)` gives it.
    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.captured);
        let text = text.trim_end_matches('\n');
        if self.truncated {
            format!("{text}\n… cut off after {CAPTURE_LIMIT} bytes")
        } else {
            text.to_owned()
        }
    }

    async fn take(&mut self, attempt: &Attempt<'_>, redacted: &[u8]) {
        let room = CAPTURE_LIMIT.saturating_sub(self.captured.len());
        self.captured.extend(redacted.iter().take(room));
        self.truncated |= redacted.len() > room;
        for byte in redacted {
            if *byte == b'\n' || self.line.len() >= LINE_LIMIT {
                self.flush(attempt).await;
            }
            if *byte != b'\n' {
                self.line.push(*byte);
            }
        }
    }

    async fn flush(&mut self, attempt: &Attempt<'_>) {
        let line = std::mem::take(&mut self.line);
        attempt.say(self.stream, &String::from_utf8_lossy(&line)).await;
    }

    async fn end(&mut self, attempt: &Attempt<'_>) {
        let rest = self.redactor.finish();
        self.take(attempt, &rest).await;
        if !self.line.is_empty() {
            self.flush(attempt).await;
        }
    }
}

async fn collect(attempt: &Attempt<'_>, mut chunks: mpsc::Receiver<OutputChunk>) -> (Collected, Collected) {
    let mut stdout = Collected::new(attempt, LogStream::Stdout);
    let mut stderr = Collected::new(attempt, LogStream::Stderr);
    while let Some(chunk) = chunks.recv().await {
        let to = match chunk.stream {
            Stream::Stdout => &mut stdout,
            Stream::Stderr => &mut stderr,
        };
        let redacted = to.redactor.push(&chunk.bytes);
        to.take(attempt, &redacted).await;
    }
    stdout.end(attempt).await;
    stderr.end(attempt).await;
    (stdout, stderr)
}
