//! Jobs and dead letters as clients see them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{JobId, RunId};
use crate::state::{JobState, StageName};

/// A job as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// The stage whose queue it is in.
    pub stage: StageName,
    /// Where it stands.
    pub state: JobState,
    /// The run it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Claims so far.
    pub attempt: u32,
    /// When it is due; unix milliseconds.
    pub available_at: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Since when a leased job is worked on; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased_at: Option<i64>,
    /// When its lease lapses, after which somebody else may take it; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<i64>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it asks for, in words: `webhook stripe`, `step charge`, `channel ops`.
    pub subject: String,
    /// Its payload; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// Which dead letters are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DeadQuery {
    /// Only those of this stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// As in every list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// As in every list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}
