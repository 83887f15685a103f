//! Audit records as clients see them. The log's maths is RFC 6962.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Severity;

/// One record of the append-only audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AuditView {
    /// Its place in the log, from 0.
    pub seq: u64,
    /// Unix milliseconds.
    pub at: i64,
    /// Who acted: `host:uid-0`, `key:pri_…`, `system:trigger`.
    pub actor: String,
    /// What was done: `noun.verb`.
    pub verb: String,
    /// On what.
    pub resource: String,
    /// `ok` or an error code.
    pub outcome: String,
    /// Joins it with the answer and the telemetry.
    pub request_id: String,
    /// What else is to know; never a secret.
    pub detail: Value,
    /// The leaf's hash, hexadecimal.
    pub leaf: String,
}

/// Which audit records are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuditQuery {
    /// Only records whose verb starts with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// Only records on this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// As in every list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// As in every list; newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AuditVerified {
    /// Whether every record and every checkpoint holds.
    pub ok: bool,
    /// Records checked.
    pub records: u64,
    /// Checkpoints checked.
    pub checkpoints: u64,
    /// The root over all records, base64.
    pub root: String,
    /// The newest checkpoint, a C2SP signed note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// What does not hold.
    pub faults: Vec<AuditFault>,
}

/// One thing that a verification found wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AuditFault {
    /// The record or checkpoint size it is about.
    pub at: u64,
    /// Always `error`.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
}
