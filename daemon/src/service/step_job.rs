//! What a job of the action queue says on disk.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenantry_protocol::id::RunId;
use tenantry_protocol::state::RunState;

use crate::error::{Error, Result};

/// Asks for one step of the run that the job's row names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepJob {
    /// The layout of this payload.
    pub v: u32,
    /// The row of the step, as `tenantry_workflow::plan::Slot` numbers it.
    pub step: u32,
    /// The item that the row is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Box<Value>>,
    /// The step has been put aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Box<Parked>>,
    /// No step is asked for: the run is to be stopped, because the run that started it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
}

/// A step that was put aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Parked {
    /// In which attempt.
    pub attempt: u32,
    /// Since when; unix milliseconds.
    pub since: i64,
    /// Until when at most; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<i64>,
    /// The run that it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came: Option<Came>,
}

/// What a step was put aside for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// An event, as expressions see it.
    Event(Value),
    /// A person's decision.
    Decision {
        /// Whether it may go on.
        approved: bool,
        /// Who decided, by the name people know.
        by: String,
        /// Why.
        comment: Option<String>,
        /// Unix milliseconds.
        at: i64,
    },
    /// The end of the run that it has started.
    End {
        /// The run.
        run: RunId,
        /// How it ended.
        state: RunState,
        /// Why it did not succeed.
        error: Option<String>,
        /// What it has left behind.
        outputs: Option<Map<String, Value>>,
    },
}

impl StepJob {
    /// A payload of this release, for a step.
    pub const fn new(step: u32) -> Self {
        Self { v: 1, step, item: None, parked: None, stop: false }
    }

    /// A payload of this release, for an item of a step.
    pub fn of_item(step: u32, item: Value) -> Self {
        Self { item: Some(Box::new(item)), ..Self::new(step) }
    }

    /// A payload of this release that stops its run.
    pub fn stop_run() -> Self {
        Self { stop: true, ..Self::new(0) }
    }

    /// Whether it is put aside and nothing has come yet: a job that waits for the world, and not for a handler. It
    /// does not count against the tenant's quota.
    pub fn is_aside(&self) -> bool {
        self.parked.as_deref().is_some_and(|parked| parked.came.is_none())
    }

    /// The same of a stored payload. One that cannot be read is not put aside.
    pub fn is_aside_in(payload: &[u8]) -> bool {
        Self::decode(payload).is_ok_and(|job| job.is_aside())
    }

    /// Reads a stored payload.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        serde_json::from_slice(payload).map_err(|error| Error::internal(format!("action payload: {error}")))
    }

    /// The payload as it is stored.
    pub fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::internal(format!("action payload: {error}")))
    }
}
