//! What a mocked attempt answers.

use serde_json::{Map, Value, json};

use super::file::{object, text};
use crate::definition::Call;
use crate::duration;
use crate::language::structure::whole;
use crate::retry::FailureClass;
use crate::source::Node;

/// The answer of one attempt.
#[derive(Clone, Debug, Default)]
pub(super) struct Mock {
    status: Option<u16>,
    headers: Map<String, Value>,
    body: Option<Value>,
    stdout: Option<String>,
    stderr: Option<String>,
    exit: Option<i32>,
    output: Option<Value>,
    fail: Option<String>,
    error: Option<String>,
    pub(super) took_ms: u64,
    retry_after_ms: Option<u64>,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// With what the step leaves behind, as the daemon stores it.
    Done(Value),
    Failed {
        class: FailureClass,
        error: String,
        left: Value,
        retry_after_ms: Option<u64>,
    },
}

impl Answer {
    /// A failure that no attempt would mend.
    pub(super) fn permanent(error: String) -> Self {
        Self::Failed { class: FailureClass::Permanent, error, left: Value::Null, retry_after_ms: None }
    }
}

impl Mock {
    pub(super) fn of(node: &Node) -> Self {
        let number = |key: &str| node.get(key).and_then(whole);
        let time = |key: &str| text(node, key).and_then(|text| duration::parse_ms(&text).ok());
        Self {
            status: number("status").and_then(|status| u16::try_from(status).ok()),
            headers: object(node.get("headers")),
            body: node.get("body").map(Node::to_json),
            stdout: text(node, "stdout"),
            stderr: text(node, "stderr"),
            exit: number("exit").and_then(|code| i32::try_from(code).ok()),
            output: node.get("output").map(Node::to_json),
            fail: text(node, "fail"),
            error: text(node, "error"),
            took_ms: time("took").unwrap_or_default(),
            retry_after_ms: time("retry-after"),
        }
    }

    /// The answer to a call, by the rules of the action stage. The error says why the mock does not fit the action.
    pub(super) fn answer(&self, call: &Call) -> Result<Answer, String> {
        let failed = |class, usual: String, left| Answer::Failed {
            class,
            error: self.error.clone().unwrap_or(usual),
            left,
            retry_after_ms: self.retry_after_ms,
        };
        match self.fail.as_deref() {
            Some("timeout") => {
                return Ok(failed(
                    FailureClass::Timeout,
                    "it ran into its time limit".to_owned(),
                    Value::Null,
                ));
            }
            Some("connect") => {
                return Ok(failed(FailureClass::Connect, "no connection".to_owned(), Value::Null));
            }
            Some(_) => {
                return Ok(failed(FailureClass::Permanent, "it failed for good".to_owned(), Value::Null));
            }
            None => {}
        }
        if let Some(output) = &self.output {
            return Ok(Answer::Done(self.left_of_output(call, output)));
        }
        self.fits(call)?;
        match call {
            Call::Http(call) => {
                let status = self.status.unwrap_or(200);
                let headers: Map<String, Value> = self
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
                    .collect();
                let body = self.body.clone().unwrap_or_default();
                let left = json!({ "status": status, "headers": headers, "body": body });
                if call.accepts(status) {
                    return Ok(Answer::Done(left));
                }
                let place = call.url.split(['?', '#']).next().unwrap_or_default();
                let usual = format!("{} {place} answered {status}", call.method);
                Ok(failed(FailureClass::Http(status), usual, left))
            }
            Call::Run(_) => {
                let code = self.exit.unwrap_or_default();
                let stdout = self.stdout.as_deref().unwrap_or_default().trim_end_matches('\n');
                let stderr = self.stderr.as_deref().unwrap_or_default().trim_end_matches('\n');
                let left = json!({ "exit_code": code, "stdout": stdout, "stderr": stderr });
                if code == 0 {
                    return Ok(Answer::Done(left));
                }
                let usual = format!("the script ended with exit code {code}");
                Ok(failed(FailureClass::Exit(code), usual, left))
            }
            Call::Jq(_) | Call::Emit(_) | Call::Wait(_) | Call::Approve(_) | Call::Workflow(_) => {
                Err("its mock says neither `output` nor `fail`".to_owned())
            }
        }
    }

    /// `output` stands for what the action is for, in the form in which the action leaves it behind.
    fn left_of_output(&self, call: &Call, output: &Value) -> Value {
        match call {
            Call::Http(_) => json!({ "status": 200, "headers": self.headers, "body": output }),
            Call::Run(_) => json!({ "exit_code": 0, "stdout": output, "stderr": "" }),
            Call::Jq(_) | Call::Emit(_) | Call::Wait(_) | Call::Approve(_) | Call::Workflow(_) => {
                json!({ "output": output })
            }
        }
    }

    /// Refuses an answer of another kind of action: it would pass for one that says nothing.
    fn fits(&self, call: &Call) -> Result<(), String> {
        let http = self.status.is_some() || self.body.is_some() || !self.headers.is_empty();
        let run = self.stdout.is_some() || self.stderr.is_some() || self.exit.is_some();
        match call {
            Call::Http(_) if run => Err("its mock is that of a script, but the step is `http`".to_owned()),
            Call::Run(_) if http => Err("its mock is that of a request, but the step is `run`".to_owned()),
            _ => Ok(()),
        }
    }
}
