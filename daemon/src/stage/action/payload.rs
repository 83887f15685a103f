//! What a job of the action queue says on disk.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Asks for one step of the run that the job's row names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepJob {
    /// The layout of this payload.
    pub v: u32,
    /// The step's position.
    pub step: u32,
}

impl StepJob {
    /// A payload of this release.
    pub const fn new(step: u32) -> Self {
        Self { v: 1, step }
    }

    /// Reads a stored payload.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        serde_json::from_slice(payload).map_err(|error| Error::internal(format!("action payload: {error}")))
    }
}
