//! Numbers, times and states as a person reads them, short enough for a column.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::style::Style;
use tenantry_protocol::state::{RunState, StepState};

use super::theme::Theme;

/// A count in at most five characters: `999`, `12.3k`, `4.5M`.
pub fn count(n: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    for (size, unit) in UNITS {
        if n >= size {
            let tenths = n / (size / 10);
            return if tenths < 1_000 {
                format!("{}.{}{unit}", tenths / 10, tenths % 10)
            } else {
                format!("{}{unit}", tenths / 10)
            };
        }
    }
    n.to_string()
}

/// A length of time in at most six characters: `0ms`, `3.2s`, `4m05s`, `3h12m`, `5d03h`.
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let (s, m, h, d) = (ms / 1_000, ms / 60_000, ms / 3_600_000, ms / 86_400_000);
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{s}.{}s", ms % 1_000 / 100),
        60_000..3_600_000 => format!("{m}m{:02}s", s % 60),
        3_600_000..86_400_000 => format!("{h}h{:02}m", m % 60),
        86_400_000..8_640_000_000 => format!("{d}d{:02}h", h % 24),
        _ => format!("{d}d"),
    }
}

/// A length of time in whole seconds, for what is counted down or up on the screen.
pub fn seconds(ms: i64) -> String {
    let s = ms.max(0) / 1_000;
    if s < 60 { format!("{s} s") } else { duration(ms) }
}

/// A number of bytes: `812 B`, `38.4 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let found = UNITS.iter().find(|(size, _)| n >= *size);
    found.map_or_else(|| format!("{n} B"), |(size, unit)| format!("{:.1} {unit}", n as f64 / *size as f64))
}

/// The time of day if it is today, else the day.
pub fn moment(at: i64, now: i64, zone: &TimeZone) -> String {
    let zoned = |ms: i64| Timestamp::from_millisecond(ms).ok().map(|at| at.to_zoned(zone.clone()));
    match (zoned(at), zoned(now)) {
        (Some(at), Some(now)) if at.date() == now.date() => at.strftime("%H:%M:%S").to_string(),
        (Some(at), _) => at.strftime("%b %d").to_string(),
        (None, _) => "-".to_owned(),
    }
}

/// The style of a run's state.
pub const fn run_style(state: RunState, theme: &Theme) -> Style {
    match state {
        RunState::Queued => theme.dim,
        RunState::Running => theme.busy,
        RunState::Succeeded => theme.good,
        RunState::Failed | RunState::TimedOut => theme.bad,
        RunState::Cancelled => theme.warn,
    }
}

/// The style of a step's state.
pub const fn step_style(state: StepState, theme: &Theme) -> Style {
    match state {
        StepState::Pending | StepState::Skipped => theme.dim,
        StepState::Running => theme.busy,
        StepState::Succeeded => theme.good,
        StepState::Failed | StepState::Interrupted => theme.bad,
        StepState::Retrying | StepState::Cancelled => theme.warn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_stay_short_and_readable() {
        let counts = [0, 999, 1_000, 12_345, 123_456, 99_999_999].map(count);
        assert_eq!(counts, ["0", "999", "1.0k", "12.3k", "123k", "99.9M"]);
        let spans = [-5, 0, 999, 3_249, 61_000, 3_720_000, 90_000_000].map(duration);
        assert_eq!(spans, ["0ms", "0ms", "999ms", "3.2s", "1m01s", "1h02m", "1d01h"]);
        assert_eq!([0, 1_023, 40_265_318].map(bytes), ["0 B", "1023 B", "38.4 MiB"]);
    }

    #[test]
    fn a_moment_of_another_day_says_the_day() {
        let day = 86_400_000;
        assert_eq!(moment(3_661_000, 4_000_000, &TimeZone::UTC), "01:01:01");
        assert_eq!(moment(3_661_000, day + 1, &TimeZone::UTC), "Jan 01");
        assert_eq!(moment(i64::MAX, 0, &TimeZone::UTC), "-");
    }

    proptest! {
        #[test]
        fn nothing_overflows_its_column(n in any::<u64>(), ms in any::<i64>()) {
            prop_assert!(count(n % 1_000_000_000_000_000).len() <= 5);
            prop_assert!(duration(ms % 8_640_000_000_000).len() <= 6);
            prop_assert!(!moment(ms, n as i64, &TimeZone::UTC).is_empty());
        }
    }
}
