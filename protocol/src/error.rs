//! What can go wrong, as a closed list of codes, and the body in which the API says so (RFC 9457).
//!
//! Every error a person can meet has a code here, and every code has a cause, a remedy, a status and an exit
//! code. Never put anything secret or anything of another tenant into a message.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::RequestId;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal, $title:literal, $remedy:literal;)+) => {
        /// A stable name for one kind of failure. Shown by every client; explained by `tenantry explain CODE`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum ErrorCode { $($(#[$doc])* #[doc = $title] #[serde(rename = $word)] $name),+ }

        impl ErrorCode {
            /// Every code, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The wire name, `noun-problem`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// The HTTP status it is answered with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),+ }
            }

            /// What happened, in one sentence that names no instance.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            /// What the person who sees it can do.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy),+ }
            }
        }
    };
}

codes! {
    BadRequest = "bad-request", 400, "the request is malformed",
        "compare the request with /v1/openapi.json; the message names the field";
    BadIdentifier = "bad-identifier", 400, "an id or a name in the request is malformed",
        "ids look like run_0199…, names are lower-case letters, digits and dashes, at most 63; `list` of the noun, such as `tenantry run list`, shows them";
    InvalidWorkflow = "invalid-workflow", 422, "the workflow has findings",
        "run `tenantry workflow check FILE`; every finding names its line and column";
    InvalidInput = "invalid-input", 422, "an input of the run is missing or of the wrong type",
        "`tenantry workflow show NAME` lists the inputs with their types";
    AuthRequired = "auth-required", 401, "the request carries no valid token",
        "log in: `tenantry login`, or `tenantry login --key-file FILE`";
    TokenExpired = "token-expired", 401, "the token has expired",
        "log in again; clients refresh their tokens by themselves";
    TokenRevoked = "token-revoked", 401, "the session of this token was revoked",
        "log in again with a valid key";
    LoginRefused = "login-refused", 401, "the key is not valid",
        "ask an admin of the tenant for a new key: `tenantry key create`";
    PermissionDenied = "permission-denied", 403, "the role does not include the permission",
        "ask an admin of the tenant for a role that includes it";
    SignatureInvalid = "signature-invalid", 401, "the webhook's signature does not match",
        "check that sender and tenant use the same secret and that nothing rewrites the body on the way";
    SignatureStale = "signature-stale", 401, "the webhook's timestamp is outside of the replay window",
        "check the sender's clock, or widen `verify.tolerance`";
    NotFound = "not-found", 404, "there is no such thing here",
        "list what there is, such as with `tenantry workflow list`; a foreign tenant's things answer the same";
    HookNotFound = "hook-not-found", 404, "no enabled workflow listens on this webhook path",
        "`tenantry workflow list` shows the webhook URLs of a tenant";
    MethodNotAllowed = "method-not-allowed", 405, "this path does not take the method",
        "see /v1/openapi.json";
    Conflict = "conflict", 409, "the thing exists already or has changed in the meantime",
        "look at what is there, such as with `tenantry workflow list`, and decide";
    StateConflict = "state-conflict", 409, "the thing's state does not allow this",
        "look at its present state first";
    TenantSuspended = "tenant-suspended", 409, "the tenant is suspended",
        "`tenantry tenant resume NAME`";
    TenantQuarantined = "tenant-quarantined", 503, "the tenant's file is damaged and was set aside",
        "put a repaired file or a copy in its place (docs/operations.md), then `tenantry tenant restore NAME`";
    TenantDegraded = "tenant-degraded", 503, "the tenant's store is not able to write at present",
        "check the disk (space, permissions, health); the daemon tries again by itself";
    BodyTooLarge = "body-too-large", 413, "the body is larger than the limit",
        "send less, or raise the limit in tenantry.toml";
    UnsupportedMedia = "unsupported-media", 415, "the content type is not accepted here",
        "send application/json";
    RateLimited = "rate-limited", 429, "too many requests",
        "wait as long as Retry-After says";
    QueueFull = "queue-full", 429, "the tenant's queue is at its quota",
        "wait as long as Retry-After says; `tenantry queue list` shows what is waiting";
    WaitingFull = "waiting-full", 503, "too many senders wait for the results of their webhooks",
        "wait as long as Retry-After says, or answer with `respond: ack`";
    SecretMissing = "secret-missing", 422, "a secret that the workflow names does not exist",
        "`tenantry secret set NAME` and retry";
    ExpressionFailed = "expression-failed", 422, "an expression could not be evaluated",
        "the message points at the expression; `tenantry workflow check` finds many of these early";
    EgressDenied = "egress-denied", 422, "the address is not reachable for tenants",
        "private and host addresses are refused; add an allow-list entry to the tenant if it is meant";
    ActionFailed = "action-failed", 422, "the step's action failed",
        "read the step's log lines: `tenantry run logs RUN`";
    ActionTimeout = "action-timeout", 504, "the step ran into its time limit",
        "raise `timeout`, or make the step faster";
    RunnerUnavailable = "runner-unavailable", 503, "the runner process is not available",
        "the daemon restarts it; see `tenantry status`";
    Interrupted = "interrupted", 409, "an at-most-once step was cut off by a restart and is not repeated",
        "look at what it did outside, then retry the run by hand";
    StoreFull = "store-full", 507, "the disk is full",
        "free space on the volume of the data folder; nothing that was acknowledged is lost";
    StoreReadOnly = "store-read-only", 503, "the data folder cannot be written",
        "give the daemon's user write permission on the data folder";
    StoreCorrupt = "store-corrupt", 503, "a database file is damaged",
        "restore it from a backup; the damaged file is never deleted";
    StoreNewer = "store-newer", 503, "a database file was written by a newer release",
        "install that release, or restore the snapshot made before its migration";
    StoreForeign = "store-foreign", 503, "a file in the data folder is not a database of tenantry",
        "move the file away";
    StoreBusy = "store-busy", 503, "the store did not answer in time",
        "try again; if it lasts, check the disk";
    DataFolderLocked = "data-folder-locked", 409, "another daemon uses this data folder",
        "stop it, or start this one with another --data folder";
    DataFolderInvalid = "data-folder-invalid", 422, "the data folder cannot be made or is no folder",
        "name a folder that may be there: `tenantry daemon --data FOLDER`, or `paths.data` in tenantry.toml";
    ConfigInvalid = "config-invalid", 422, "the configuration is invalid",
        "the message names the key; `config/tenantry.toml` documents them all";
    DaemonUnreachable = "daemon-unreachable", 503, "no daemon answers on the socket",
        "start one: `tenantry up`, or `systemctl start tenantry`";
    SocketForbidden = "socket-forbidden", 403, "the socket may not be opened by this user",
        "add the user to the group tenantry and log in again";
    VersionMismatch = "version-mismatch", 409, "client and daemon do not speak the same version",
        "install the same release on both sides";
    Draining = "draining", 503, "the daemon is stopping",
        "try again in a moment";
    Timeout = "timeout", 504, "it did not happen in the time given",
        "wait longer with --timeout, or look at what it waits for";
    Internal = "internal", 500, "the daemon made a mistake",
        "report it with the request id; the telemetry has the detail";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for ErrorCode {
    type Err = crate::state::UnknownWord;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(crate::state::UnknownWord)
    }
}

/// The body of every error answer, `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The stable code.
    pub code: ErrorCode,
    /// [`ErrorCode::title`].
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What happened, on what.
    pub detail: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Joins answer, telemetry and audit record.
    pub request_id: RequestId,
    /// Seconds after which trying again makes sense; repeats the Retry-After header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// Findings of a workflow or inputs of a run, one an entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// One thing that is wrong in a text, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// A stable name of the kind of finding, such as `unknown-key`.
    pub code: String,
    /// Whether the text is refused because of it.
    pub severity: Severity,
    /// The file, or `-` for standard input; empty where what is wrong stands in no file.
    pub file: String,
    /// Counted from 1; 0 where there is no place.
    pub line: u32,
    /// Counted from 1 in characters; 0 where there is no place.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// The lines around the place, rendered for a terminal without colour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
}

impl Finding {
    /// A finding about a file as a whole, or about what stands in none.
    pub fn unplaced(
        severity: Severity,
        code: &str,
        file: &str,
        message: String,
        suggestion: Option<String>,
    ) -> Self {
        let (code, file) = (code.to_owned(), file.to_owned());
        Self { code, severity, file, line: 0, column: 0, message, suggestion, snippet: None }
    }
}

crate::state::words! {
    /// How much a finding weighs.
    Severity {
        /// The text is refused.
        Error = "error",
        /// The text is accepted; the person should look.
        Warning = "warning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_round_trips_and_tells_what_to_do() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert!(!code.remedy().is_empty() && !code.title().is_empty(), "{code} has no words");
            assert!((400..600).contains(&code.status()), "{code} has no error status");
        }
    }
}
