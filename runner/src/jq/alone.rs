//! A worker for a program that has no runner, such as one that tests workflows: the same filters behind the same wall.

use std::io::{self, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use super::{ERROR, Request, VALUE};
use crate::wire::{from_json, read_piece, to_json, write_piece};

/// Memory of one evaluation, in bytes.
const MEMORY: u64 = 256 * 1024 * 1024;
/// JSON text of a result, in bytes.
const OUTPUT: u64 = 1024 * 1024;

/// Evaluates filters in a process of their own, which is started when the first one comes.
#[derive(Debug)]
pub struct FilterWorker {
    program: PathBuf,
    limit: Duration,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl FilterWorker {
    /// A worker that is played by `program runner jq`; each filter may take so long.
    pub const fn new(program: PathBuf, limit: Duration) -> Self {
        Self { program, limit, process: None }
    }

    /// The outputs of a filter: one is that value, none is null, several are an array. The error says in words what is
    /// wrong.
    pub fn evaluate(&mut self, filter: &str, input: &Value) -> Result<Value, String> {
        let request = Request {
            filter: filter.to_owned(),
            input: input.to_string(),
            memory_bytes: MEMORY,
            output_bytes: OUTPUT,
        };
        let request = to_json(&request).map_err(|error| error.to_string())?;
        match self.ask(&request) {
            Ok(Some(answer)) => read(&answer),
            // What it holds after an answer that did not come whole is of no use.
            Ok(None) => {
                self.end();
                Err(format!("the filter ran longer than {} s", self.limit.as_secs()))
            }
            Err(error) => {
                let died = self.end();
                Err(if died {
                    "the filter ran out of memory, or recursed too deep".to_owned()
                } else {
                    error.to_string()
                })
            }
        }
    }

    /// `None` if there was no answer in time.
    fn ask(&mut self, request: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut process = match self.process.take() {
            Some(process) => process,
            None => self.start()?,
        };
        let asked = write_piece(&mut process.requests, request);
        let process = self.process.insert(process);
        asked?;
        let limit = Timespec { tv_sec: i64::try_from(self.limit.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
        let mut answer = [PollFd::new(process.answers.get_ref(), PollFlags::IN)];
        if poll(&mut answer, Some(&limit))? == 0 {
            return Ok(None);
        }
        match read_piece(&mut process.answers)? {
            Some(answer) => Ok(Some(answer)),
            None => Err(io::Error::other(
                "the jq worker ended; it needs Landlock, which this kernel may not have: mock the step",
            )),
        }
    }

    fn start(&self) -> io::Result<Process> {
        let mut child = Command::new(&self.program)
            .args(["runner", "jq"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (requests, answers) = pipes.ok_or_else(|| io::Error::other("the jq worker has no pipes"))?;
        Ok(Process { child, requests, answers: BufReader::new(answers) })
    }

    /// Ends the process. Says whether it had died of a signal before.
    fn end(&mut self) -> bool {
        let Some(mut process) = self.process.take() else { return false };
        drop(process.requests);
        let before = process.child.try_wait().ok().flatten();
        process.child.kill().ok();
        let status = process.child.wait().ok();
        before
            .or(status)
            .is_some_and(|status| status.signal().is_some_and(|signal| before.is_some() || signal != 9))
    }
}

impl Drop for FilterWorker {
    fn drop(&mut self) {
        self.end();
    }
}

fn read(answer: &[u8]) -> Result<Value, String> {
    match answer.split_first() {
        Some((&VALUE, text)) => {
            from_json(text).map_err(|error| format!("the result cannot be passed on as JSON: {error}"))
        }
        Some((&ERROR, text)) => Err(String::from_utf8_lossy(text).into_owned()),
        _ => Err("the worker gave no answer".to_owned()),
    }
}
