//! A pool of workers that evaluate jq filters: warm ones wait, one that goes wrong is thrown away.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tenantry_protocol::runner::{CallResult, Limits};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, Semaphore};

use super::kin::{Kin, Member};
use crate::jq::{ERROR, Request, VALUE};
use crate::sandbox::enter::PROGRAM;
use crate::wire::{from_json, receive_piece, send_piece, to_json};

/// Evaluations at once. More wait for their turn; waiting does not count against their time.
const WORKERS: usize = 8;
/// Idle workers that are kept.
const WORKERS_READY: usize = 2;
/// Evaluations after which a worker is replaced: what a filter left in its memory goes with it.
const EVALUATIONS: u32 = 1_000;

/// The pool.
pub(super) struct Workers {
    kin: Kin,
    turns: Semaphore,
    ready: Mutex<Vec<Worker>>,
}

struct Worker {
    child: Child,
    member: Member,
    requests: ChildStdin,
    answers: ChildStdout,
    evaluations: u32,
}

impl Workers {
    pub(super) fn new(kin: Kin) -> Self {
        Self { kin, turns: Semaphore::new(WORKERS), ready: Mutex::default() }
    }

    /// Evaluates one filter.
    pub(super) async fn evaluate(
        &self,
        filter: String,
        input: &serde_json::Value,
        limits: &Limits,
        cancel: &Notify,
    ) -> CallResult {
        let request = Request {
            filter,
            input: input.to_string(),
            memory_bytes: limits.memory_bytes,
            output_bytes: limits.output_bytes,
        };
        let turn = tokio::select! {
            turn = self.turns.acquire() => turn,
            () = cancel.notified() => return CallResult::Cancelled,
        };
        let request = match to_json(&request) {
            Ok(request) => request,
            Err(error) => return CallResult::Refused(error.to_string()),
        };
        let mut worker = match self.take() {
            Ok(worker) => worker,
            Err(error) => return CallResult::Refused(format!("cannot start a jq worker: {error}")),
        };
        // One process without threads uses no more processor time than passes on the clock.
        let time = Duration::from_millis(limits.wall_ms).min(Duration::from_secs(limits.cpu_s.max(1)));
        let answer = tokio::select! {
            answer = tokio::time::timeout(time, worker.ask(&request)) => answer,
            () = cancel.notified() => {
                worker.end().await;
                return CallResult::Cancelled;
            }
        };
        let result = match answer {
            Ok(Ok(answer)) => {
                self.put_back(worker).await;
                read_answer(&answer)
            }
            Ok(Err(_)) => CallResult::JqError(why_it_died(worker.end().await).to_owned()),
            Err(_) => {
                worker.end().await;
                CallResult::TimedOut
            }
        };
        drop(turn);
        result
    }

    fn take(&self) -> io::Result<Worker> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop();
        ready.map_or_else(|| self.start(), Ok)
    }

    async fn put_back(&self, worker: Worker) {
        let spent = {
            let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            if worker.evaluations < EVALUATIONS && ready.len() < WORKERS_READY {
                ready.push(worker);
                return;
            }
            worker
        };
        spent.end().await;
    }

    fn start(&self) -> io::Result<Worker> {
        let mut command = Command::new(PROGRAM);
        command
            .args(["runner", "jq"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let gone = || io::Error::other("the worker ended at once");
        let member = self.kin.admit(child.id().ok_or_else(gone)?);
        let requests = child.stdin.take().ok_or_else(gone)?;
        let answers = child.stdout.take().ok_or_else(gone)?;
        Ok(Worker { child, member, requests, answers, evaluations: 0 })
    }
}

impl Worker {
    async fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        self.evaluations += 1;
        send_piece(&mut self.requests, request).await?;
        receive_piece(&mut self.answers).await
    }

    async fn end(mut self) -> Option<ExitStatus> {
        // An ended one cannot be killed, and is waited for just the same.
        self.child.start_kill().ok();
        let status = self.child.wait().await.ok();
        drop(self.member);
        status
    }
}

fn read_answer(answer: &[u8]) -> CallResult {
    match answer.split_first() {
        Some((&VALUE, text)) => match from_json(text) {
            Ok(value) => CallResult::JqValue(value),
            // Such as nan, or a value nested deeper than is read back.
            Err(error) => CallResult::JqError(format!("the result cannot be passed on as JSON: {error}")),
        },
        Some((&ERROR, text)) => CallResult::JqError(String::from_utf8_lossy(text).into_owned()),
        _ => CallResult::JqError("the worker gave no answer".to_owned()),
    }
}

/// A worker dies of a stack without end, of memory without end, or of the kernel's mercy.
fn why_it_died(status: Option<ExitStatus>) -> &'static str {
    match status.and_then(|status| status.signal()) {
        Some(24) => "the filter ran over its limit of processor time",
        Some(_) => "the filter ran out of memory, or recursed too deep",
        None => "the worker could not go on",
    }
}
