//! The one error of the daemon: a closed code, a sentence for the caller, and what only the operator may see.
//!
//! Never put a secret or anything of another tenant into [`Error::detail`]; what is for the operator goes into
//! [`Error::with_operator`] and is written to telemetry only, joined by the request id.
//! Go next to `tenantry_protocol::error` for the codes and the body on the wire.

use std::error::Error as StdError;
use std::fmt;

use tenantry_protocol::error::{ErrorCode, Finding, Problem};
use tenantry_protocol::id::RequestId;

/// What every service call returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something went wrong; one pointer wide, so that results stay small.
pub struct Error {
    parts: Box<Parts>,
}

struct Parts {
    code: ErrorCode,
    detail: String,
    hint: Option<String>,
    operator: Option<String>,
    retry_after_s: Option<u64>,
    findings: Vec<Finding>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with a sentence for the caller: what happened, on what.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let parts = Parts {
            code,
            detail,
            hint: None,
            operator: None,
            retry_after_s: None,
            findings: Vec::new(),
            source: None,
        };
        Self { parts: Box::new(parts) }
    }

    /// A mistake of the daemon: the caller learns that it happened, the operator learns what.
    pub fn internal(operator: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, ErrorCode::Internal.title()).with_operator(operator)
    }

    /// A stored value cannot be read: no part of the daemon wrote it so.
    pub fn damaged(operator: impl Into<String>) -> Self {
        Self::new(ErrorCode::StoreCorrupt, ErrorCode::StoreCorrupt.title()).with_operator(operator)
    }

    /// There is no such thing here; also the answer for what belongs to another tenant.
    pub fn not_found(noun: &str, name: impl fmt::Display) -> Self {
        let error = Self::new(ErrorCode::NotFound, format!("there is no {noun} {name}"));
        match lister(noun) {
            Some(command) => error.with_hint(format!("`{command}` lists what there is")),
            None => error,
        }
    }

    /// Says what the caller can do next, where that differs from the code's remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.parts.hint = Some(hint.into());
        self
    }

    /// Adds what only the operator may see.
    #[must_use]
    pub fn with_operator(mut self, operator: impl Into<String>) -> Self {
        self.parts.operator = Some(operator.into());
        self
    }

    /// Says after how many seconds trying again makes sense.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.parts.retry_after_s = Some(seconds);
        self
    }

    /// Adds findings, each with its place.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.parts.findings = findings;
        self
    }

    /// Keeps the cause for telemetry.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.parts.source = Some(source.into());
        self
    }

    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        self.parts.code
    }

    /// The sentence for the caller.
    pub fn detail(&self) -> &str {
        &self.parts.detail
    }

    /// What the caller can do next.
    pub fn hint(&self) -> Option<&str> {
        self.parts.hint.as_deref()
    }

    /// What only the operator may see.
    pub fn operator(&self) -> Option<&str> {
        self.parts.operator.as_deref()
    }

    /// Seconds after which trying again makes sense.
    pub const fn retry_after_s(&self) -> Option<u64> {
        self.parts.retry_after_s
    }

    /// Findings, each with its place.
    pub fn findings(&self) -> &[Finding] {
        &self.parts.findings
    }

    /// The body of the answer. Operator detail and source stay behind.
    pub fn problem(&self, request: RequestId) -> Problem {
        let Parts { code, detail, hint, retry_after_s, findings, .. } = &*self.parts;
        Problem {
            code: *code,
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.clone(),
            hint: Some(hint.clone().unwrap_or_else(|| code.remedy().to_owned())),
            request_id: request,
            retry_after_s: *retry_after_s,
            findings: findings.clone(),
        }
    }

    /// Everything the operator may see, in one line: operator detail and the chain of causes.
    pub fn operator_line(&self) -> String {
        let mut line = self.operator().unwrap_or_default().to_owned();
        let mut cause = self.source();
        while let Some(error) = cause {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.parts.code, self.parts.detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { code, detail, operator, source, findings, .. } = &*self.parts;
        f.debug_struct("Error")
            .field("code", code)
            .field("detail", detail)
            .field("operator", operator)
            .field("source", source)
            .field("findings", findings)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.parts.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.title())
    }
}

/// The command that lists things of this kind.
pub fn lister(noun: &str) -> Option<&'static str> {
    Some(match noun {
        "tenant" => "tenantry tenant list",
        "workflow" => "tenantry workflow list",
        "revision" => "tenantry workflow revisions NAME",
        "run" => "tenantry run list",
        "event" => "tenantry event list",
        "dead letter" | "job" => "tenantry dead list",
        "channel" => "tenantry channel list",
        "secret" => "tenantry secret list",
        "variable" => "tenantry var list",
        "key" => "tenantry key list",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_holds_nothing_that_is_for_the_operator() {
        let error = Error::new(ErrorCode::StoreBusy, "the store of acme did not answer")
            .with_operator("/var/lib/tenantry/secret-path")
            .with_source(std::io::Error::other("disk on fire"))
            .with_retry_after(3);
        let body = serde_json::to_string(&error.problem(RequestId::new(1))).expect("problem is JSON");
        assert!(!body.contains("secret-path") && !body.contains("disk on fire"), "{body}");
        assert!(body.contains("\"retry_after_s\":3") && body.contains("store-busy"), "{body}");
        assert_eq!(error.operator_line(), "/var/lib/tenantry/secret-path: disk on fire");
    }

    #[test]
    fn a_result_stays_small() {
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn an_error_without_a_hint_answers_with_the_remedy_of_its_code() {
        let problem = Error::from(ErrorCode::Draining).problem(RequestId::new(1));
        assert_eq!(problem.hint.as_deref(), Some(ErrorCode::Draining.remedy()));
    }
}
