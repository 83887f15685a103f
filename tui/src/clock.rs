//! The one place that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now; unix milliseconds.
pub fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
