//! Why a command did not do what it was asked for: what happened, on what, and what to try next.
//!
//! **Invariant:** every failure has a name that `tenantry explain` knows, and an exit code from [`Exit`].

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use tenantry_protocol::client::ClientError;
use tenantry_protocol::error::{ErrorCode, Finding, Problem, Severity};
use tenantry_protocol::printable::{printable, printable_lines};

use crate::exit::Exit;
use crate::socket;
use crate::table::{Tone, push_toned};

/// How a command ends.
pub(crate) type Ended = Result<Exit, Failure>;

/// The failures that only the client knows; the others are [`ErrorCode`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    /// The command line asks for something that does not go together.
    Usage,
    /// A file could not be read or written.
    File,
    /// A person did not say yes.
    NotConfirmed,
    /// The login file of the client may be read by others.
    LoginExposed,
    /// The daemon that was started did not come up.
    DaemonFailed,
    /// The demo did not go as told.
    DemoFailed,
    /// A check of `tenantry doctor` or of the audit log did not hold.
    CheckFailed,
    /// Standard output was closed by its reader. Never shown.
    Closed,
}

impl Local {
    /// Every one that can be shown.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Usage,
        Self::File,
        Self::NotConfirmed,
        Self::LoginExposed,
        Self::DaemonFailed,
        Self::DemoFailed,
        Self::CheckFailed,
    ];

    /// Its name, like that of an [`ErrorCode`].
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::File => "file-failed",
            Self::NotConfirmed => "not-confirmed",
            Self::LoginExposed => "login-exposed",
            Self::DaemonFailed => "daemon-failed",
            Self::DemoFailed => "demo-failed",
            Self::CheckFailed => "check-failed",
            Self::Closed => "closed",
        }
    }

    /// What happened, in one sentence that names no instance.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Usage => "the command line asks for something that does not go together",
            Self::File => "a file could not be read or written",
            Self::NotConfirmed => "a command that destroys something was not confirmed",
            Self::LoginExposed => "the file with your login may be read by others, so it is not used",
            Self::DaemonFailed => "the daemon that was started did not come up",
            Self::DemoFailed => "the demo did not go as told",
            Self::CheckFailed => "a check did not hold",
            Self::Closed => "the reader of the output went away",
        }
    }

    /// What the person who sees it can do.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::Usage => "see `--help` of the command",
            Self::File => "check that the path is right and that you may read and write it",
            Self::NotConfirmed => "answer `yes`, or give --yes in a script",
            Self::LoginExposed => "`chmod 600` the file, or delete it and log in again",
            Self::DaemonFailed => "read its telemetry; `tenantry up --foreground` shows it on the terminal",
            Self::DemoFailed => {
                "the failed checks say what was expected; the telemetry of the daemon is shown with them"
            }
            Self::CheckFailed => "each check that does not hold is listed with what to do",
            Self::Closed => "nothing",
        }
    }

    const fn exit(self) -> Exit {
        match self {
            Self::Usage | Self::NotConfirmed => Exit::Usage,
            Self::LoginExposed => Exit::Auth,
            Self::File | Self::DaemonFailed | Self::DemoFailed | Self::CheckFailed => Exit::Failed,
            Self::Closed => Exit::Ok,
        }
    }
}

/// The name of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// One that the protocol knows.
    Wire(ErrorCode),
    /// One that only the client knows.
    Local(Local),
}

impl Code {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Wire(code) => code.as_str(),
            Self::Local(local) => local.as_str(),
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Wire(code) => code.title(),
            Self::Local(local) => local.title(),
        }
    }

    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::Wire(code) => code.remedy(),
            Self::Local(local) => local.remedy(),
        }
    }

    pub(crate) const fn exit(self) -> Exit {
        match self {
            Self::Wire(code) => Exit::of(code),
            Self::Local(local) => local.exit(),
        }
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Its name.
    pub(crate) code: Code,
    /// What happened, on what.
    pub(crate) message: String,
    /// What to try; the code's remedy if nothing better is known.
    pub(crate) hint: Option<String>,
    /// What is wrong in a text, with its places.
    findings: Vec<Finding>,
    /// The daemon's own words, if it answered.
    problem: Option<Box<Problem>>,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::of(Code::Wire(code), message.into())
    }

    pub(crate) fn local(code: Local, message: impl Into<String>) -> Self {
        Self::of(Code::Local(code), message.into())
    }

    const fn of(code: Code, message: String) -> Self {
        Self { code, message, hint: None, findings: Vec::new(), problem: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::local(Local::Usage, message)
    }

    /// A file that could not be read or written: `verb` is `read`, `write`, …
    pub(crate) fn file(verb: &str, path: &Path, error: &io::Error) -> Self {
        Self::local(Local::File, format!("cannot {verb} {}: {error}", path.display()))
    }

    /// The same with what it is about in front.
    #[must_use]
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The same with a better hint.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with what is wrong in a text.
    #[must_use]
    pub(crate) fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// Takes up the findings of another failure of the same kind.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.message = format!("{}; {}", self.message, other.message);
    }

    /// How the process ends.
    pub(crate) const fn exit(&self) -> Exit {
        self.code.exit()
    }

    /// Whether it is one that the daemon or the protocol names so.
    pub(crate) fn is(&self, code: ErrorCode) -> bool {
        self.code == Code::Wire(code)
    }

    /// Whether there is nothing to say about it.
    pub(crate) fn is_silent(&self) -> bool {
        self.code == Code::Local(Local::Closed)
    }

    /// As text for a person, several lines.
    pub(crate) fn text(&self, colour: bool) -> String {
        let mut out = String::new();
        push_toned(&mut out, &format!("error[{}]", self.code.as_str()), Tone::Bad, colour);
        out.push_str(": ");
        out.push_str(&printable_lines(&self.message));
        out.push('\n');
        for finding in &self.findings {
            out.push_str(&finding_text(finding, colour));
        }
        push_toned(&mut out, "  try", Tone::Dim, colour);
        out.push_str(": ");
        out.push_str(&printable(self.hint()));
        out.push('\n');
        if let Some(problem) = self.problem.as_ref().filter(|problem| problem.status >= 500) {
            push_toned(&mut out, "  request", Tone::Dim, colour);
            writeln!(out, ": {}", problem.request_id).ok();
        }
        out
    }

    /// As one JSON document; the daemon's own where it answered.
    pub(crate) fn json(&self) -> Value {
        if let Some(problem) = &self.problem {
            return serde_json::to_value(problem).unwrap_or_default();
        }
        json!({
            "code": self.code.as_str(),
            "title": self.code.title(),
            "detail": self.message,
            "hint": self.hint(),
            "findings": self.findings,
        })
    }

    fn hint(&self) -> &str {
        self.hint.as_deref().unwrap_or_else(|| self.code.remedy())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let mut failure = Self::new(error.code(), error.to_string());
        match error {
            ClientError::Problem(problem) => {
                failure.hint.clone_from(&problem.hint);
                failure.findings.clone_from(&problem.findings);
                failure.problem = Some(problem);
            }
            ClientError::Unreachable(path) | ClientError::Forbidden(path) => {
                let diagnosis = socket::diagnose(&path);
                failure.message = diagnosis.message;
                failure.hint = Some(diagnosis.hint);
            }
            ClientError::Broken(_) => {
                failure.hint =
                    Some("look at what happened before you repeat it: `tenantry status`".to_owned());
            }
            ClientError::Timeout(_) | ClientError::Protocol(_) => {}
        }
        failure
    }
}

/// A finding as text: place, message, snippet, suggestion.
pub(crate) fn finding_text(finding: &Finding, colour: bool) -> String {
    let tone = match finding.severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warn,
    };
    let mut out = String::new();
    push_toned(&mut out, &format!("{}[{}]", finding.severity, printable(&finding.code)), tone, colour);
    out.push_str(": ");
    out.push_str(&printable_lines(&finding.message));
    if !finding.file.is_empty() {
        out.push_str("\n  --> ");
        out.push_str(&printable(&finding.file));
    }
    if finding.line > 0 {
        write!(out, ":{}:{}", finding.line, finding.column).ok();
    }
    out.push('\n');
    if let Some(snippet) = &finding.snippet {
        let snippet = printable_lines(snippet);
        // A rendered snippet repeats message and place above its lines.
        let lines: Vec<&str> = snippet.lines().collect();
        let head = lines.iter().position(|line| line.trim_start().starts_with("-->")).map_or(0, |at| at + 1);
        for line in &lines[head..] {
            out.push_str("  ");
            out.push_str(line);
            out.push('\n');
        }
    }
    if let Some(suggestion) = &finding.suggestion {
        push_toned(&mut out, "  try", Tone::Dim, colour);
        writeln!(out, ": {}", printable(suggestion)).ok();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_protocol::id::RequestId;

    fn problem() -> Failure {
        let code = ErrorCode::InvalidWorkflow;
        let finding = Finding {
            code: "unknown-key".to_owned(),
            severity: Severity::Error,
            file: "x.yaml".to_owned(),
            line: 3,
            column: 5,
            message: "unknown key `stpes`\u{1b}[2J".to_owned(),
            suggestion: Some("did you mean `steps`?".to_owned()),
            snippet: Some("3 | stpes:\n  | ^^^^^".to_owned()),
        };
        ClientError::Problem(Box::new(Problem {
            code,
            title: code.title().to_owned(),
            status: code.status(),
            detail: "x.yaml has 1 finding\u{7}".to_owned(),
            hint: None,
            request_id: RequestId::from_bytes([1; 16]),
            retry_after_s: None,
            findings: vec![finding],
        }))
        .into()
    }

    #[test]
    fn a_failure_says_what_where_and_what_next_and_obeys_no_escape() {
        insta::assert_snapshot!(problem().text(false));
        assert_eq!(problem().exit(), Exit::Failed);
    }

    #[test]
    fn what_stands_in_no_file_has_no_place() {
        let message = "input `who` is required".to_owned();
        let finding = Finding::unplaced(Severity::Error, "input-missing", "", message, None);
        assert_eq!(finding_text(&finding, false), "error[input-missing]: input `who` is required\n");
    }

    #[test]
    fn machines_get_the_daemons_own_document() {
        assert_eq!(problem().json()["findings"][0]["line"], 3);
        assert_eq!(Failure::usage("no").json()["code"], "usage");
    }

    #[test]
    fn local_failures_have_names_of_their_own() {
        for local in Local::ALL {
            assert!(local.as_str().parse::<ErrorCode>().is_err(), "{} is taken", local.as_str());
            assert!(local.exit() != Exit::Ok);
        }
    }
}
