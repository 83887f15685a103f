//! What a job of the trigger queue says on disk: an event came in, a run may begin, a run shall be cancelled, gathered
//! events are due.

use serde::{Deserialize, Serialize};
use tenantry_protocol::id::EventId;

use crate::error::{Error, Result};

/// Something for the trigger stage to do. `event` alone is an event at the door; the other kinds name their run in the
/// job's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerJob {
    /// The layout of this payload.
    pub v: u32,
    /// The event that came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// The events that are due, by the id of their gathering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gathering: Option<EventId>,
    /// What becomes of the run that the row names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// The time at which the run may begin, where its throttle has given it one; unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<i64>,
}

/// What becomes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// It has waited, and may begin.
    Begin,
    /// Another one takes its place.
    Cancel,
}

impl TriggerJob {
    /// An event came in.
    pub const fn event(event: EventId) -> Self {
        Self { v: 1, event: Some(event), gathering: None, turn: None, slot: None }
    }

    /// Gathered events are due.
    pub const fn gathering(gathering: EventId) -> Self {
        Self { v: 1, event: None, gathering: Some(gathering), turn: None, slot: None }
    }

    /// It is the turn of a run.
    pub const fn turn(turn: Turn) -> Self {
        Self { v: 1, event: None, gathering: None, turn: Some(turn), slot: None }
    }

    /// A run may begin at that time; unix milliseconds.
    pub const fn begin_at(slot: i64) -> Self {
        Self { slot: Some(slot), ..Self::turn(Turn::Begin) }
    }

    /// Reads a stored payload.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        serde_json::from_slice(payload).map_err(|error| Error::internal(format!("trigger payload: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_as_they_always_were() {
        let event = EventId::from_bytes([1; 16]);
        let text = |job: TriggerJob| serde_json::to_string(&job).unwrap();
        assert_eq!(text(TriggerJob::event(event)), format!("{{\"v\":1,\"event\":\"{event}\"}}"));
        assert_eq!(text(TriggerJob::turn(Turn::Begin)), "{\"v\":1,\"turn\":\"begin\"}");
        for job in [TriggerJob::event(event), TriggerJob::gathering(event), TriggerJob::turn(Turn::Cancel)] {
            assert_eq!(TriggerJob::decode(text(job).as_bytes()).unwrap(), job);
        }
        assert!(TriggerJob::decode(b"{}").is_err());
    }
}
