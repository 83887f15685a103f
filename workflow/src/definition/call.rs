//! What a step asks the action stage to do: plain data, everything filled in, fit to be stored and sent.
//!
//! A call can hold the values of secrets. It is never logged, and stored only encrypted or not at all.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::flow::{ApproveCall, WaitCall, WorkflowCall};

/// One action, ready to be executed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// An HTTP request, sent through egress.
    Http(HttpCall),
    /// A command, executed by the runner.
    Run(RunCall),
    /// A jq filter, executed by the runner.
    Jq(JqCall),
    /// An event for the trigger stage.
    Emit(EmitCall),
    /// Something to wait for.
    Wait(WaitCall),
    /// A person to ask.
    Approve(ApproveCall),
    /// Another workflow to run.
    Workflow(WorkflowCall),
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCall {
    /// Upper case.
    pub method: String,
    /// Absolute, query included.
    pub url: String,
    /// In the order of the text; `content-type` and `authorization` are in it where the step implies them.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The statuses that count as success.
    pub expect: Vec<StatusRange>,
}

impl HttpCall {
    /// Whether the status counts as success.
    pub fn accepts(&self, status: u16) -> bool {
        self.expect.iter().any(|range| (range.from..=range.to).contains(&status))
    }
}

/// Statuses from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRange {
    /// The first.
    pub from: u16,
    /// The last.
    pub to: u16,
}

impl StatusRange {
    /// Reads `200` or `2xx`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(hundred) = text.strip_suffix("xx") {
            let hundred: u16 = hundred.parse().ok().filter(|hundred| (1..=5).contains(hundred))?;
            return Some(Self { from: hundred * 100, to: hundred * 100 + 99 });
        }
        let known = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let status = text.parse().ok().filter(|status| known && (100..=599).contains(status))?;
        Some(Self { from: status, to: status })
    }
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCall {
    /// The script.
    pub script: String,
    /// The program that reads it: `sh` or `bash`.
    pub shell: String,
    /// The environment, besides the few variables the runner sets itself.
    pub env: Vec<(String, String)>,
    /// What it can read on standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
}

/// A jq filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JqCall {
    /// The filter.
    pub filter: String,
    /// What it is applied to.
    pub input: Value,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmitCall {
    /// Its name, such as `invoice.paid`.
    pub name: String,
    /// Its body.
    pub data: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        assert_eq!(StatusRange::parse("2xx"), Some(StatusRange { from: 200, to: 299 }));
        assert_eq!(StatusRange::parse("404"), Some(StatusRange { from: 404, to: 404 }));
        for bad in ["", "xx", "6xx", "20", "600", "099", "+20", "2XX"] {
            assert_eq!(StatusRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn calls_round_trip() {
        let call = Call::Jq(JqCall { filter: ".a".to_owned(), input: serde_json::json!({ "a": 1 }) });
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(text, r#"{"jq":{"filter":".a","input":{"a":1}}}"#);
        assert_eq!(serde_json::from_str::<Call>(&text).unwrap(), call);
    }
}
