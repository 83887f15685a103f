//! When to draw: not more often than the eye and the line can take, at once after a key, never without a change.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two frames when data changes: ten a second.
pub const DATA_INTERVAL: Duration = Duration::from_millis(100);
/// The shortest time between two frames when a person types.
pub const KEY_INTERVAL: Duration = Duration::from_millis(30);
/// A frame that took this many times its share of the interval makes the next ones rarer: the line is slow.
const SLOW_FACTOR: u32 = 4;

/// Decides when the next frame is drawn.
#[derive(Debug)]
pub struct Pace {
    changed: bool,
    drawn_at: Option<Instant>,
    next_at: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

impl Pace {
    /// The first frame is due at once.
    pub const fn new() -> Self {
        Self { changed: true, drawn_at: None, next_at: None }
    }

    /// Something changed.
    pub const fn change(&mut self) {
        self.changed = true;
    }

    /// A person changed something and is waiting.
    pub fn hasten(&mut self) {
        self.changed = true;
        let soon = self.drawn_at.map(|at| at + KEY_INTERVAL);
        self.next_at = self.next_at.min(soon);
    }

    /// When to draw; `None` while nothing has changed.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        self.changed.then(|| self.next_at.unwrap_or(now))
    }

    /// A frame was drawn.
    pub fn drawn(&mut self, began: Instant, ended: Instant) {
        self.changed = false;
        self.drawn_at = Some(ended);
        let cost = ended.saturating_duration_since(began);
        self.next_at = Some(ended + DATA_INTERVAL.max(cost * SLOW_FACTOR));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_without_a_change() {
        let start = Instant::now();
        let mut pace = Pace::new();
        assert_eq!(pace.due(start), Some(start));
        pace.drawn(start, start);
        assert_eq!(pace.due(start), None);
    }

    #[test]
    fn data_waits_and_a_person_does_not() {
        let start = Instant::now();
        let mut pace = Pace::new();
        pace.drawn(start, start);
        pace.change();
        assert_eq!(pace.due(start), Some(start + DATA_INTERVAL));
        pace.hasten();
        assert_eq!(pace.due(start), Some(start + KEY_INTERVAL));
    }

    #[test]
    fn a_slow_line_gets_fewer_frames() {
        let start = Instant::now();
        let mut pace = Pace::new();
        let slow = Duration::from_millis(100);
        pace.drawn(start, start + slow);
        pace.change();
        assert_eq!(pace.due(start), Some(start + slow * 5));
    }
}
