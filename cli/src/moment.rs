//! Times and durations as people read and write them. The only room of the client that reads the clock.

use std::time::Duration;

use jiff::Timestamp;

/// How times are written into tables: relative for a person, RFC 3339 for a pipe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    now: i64,
    relative: bool,
}

impl Clock {
    pub(crate) const fn new(now: i64, relative: bool) -> Self {
        Self { now, relative }
    }

    /// A time in unix milliseconds.
    pub(crate) fn at(self, unix_ms: i64) -> String {
        if !self.relative {
            return rfc3339(unix_ms);
        }
        let distance = self.now.saturating_sub(unix_ms);
        match distance {
            -999..1_000 => "now".to_owned(),
            1_000.. => format!("{} ago", coarse(distance)),
            _ => format!("in {}", coarse(distance.saturating_neg())),
        }
    }

    /// A time that may not have come.
    pub(crate) fn at_if(self, unix_ms: Option<i64>) -> String {
        unix_ms.map_or_else(|| "-".to_owned(), |unix_ms| self.at(unix_ms))
    }

    /// From one time to another, or to now.
    pub(crate) fn span(self, from: i64, to: Option<i64>) -> String {
        milliseconds(to.unwrap_or(self.now).saturating_sub(from))
    }
}

/// Now, in unix milliseconds.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A time in UTC with milliseconds.
pub(crate) fn rfc3339(unix_ms: i64) -> String {
    Timestamp::from_millisecond(unix_ms)
        .map_or_else(|_| unix_ms.to_string(), |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// A time as RFC 3339 writes it, in unix milliseconds.
pub(crate) fn parse(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// The time of day in UTC with milliseconds, for log lines.
pub(crate) fn time_of_day(unix_ms: i64) -> String {
    Timestamp::from_millisecond(unix_ms)
        .map_or_else(|_| unix_ms.to_string(), |at| at.strftime("%H:%M:%S%.3f").to_string())
}

/// A duration in the unit that leaves the fewest digits: `12 ms`, `3.4 s`, `5m 10s`, `2h 5m`.
pub(crate) fn milliseconds(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{}m {}s", ms / 60_000, ms % 60_000 / 1_000),
        3_600_000..86_400_000 => format!("{}h {}m", ms / 3_600_000, ms % 3_600_000 / 60_000),
        _ => format!("{}d {}h", ms / 86_400_000, ms % 86_400_000 / 3_600_000),
    }
}

/// A distance in one unit.
fn coarse(ms: i64) -> String {
    match ms {
        ..60_000 => format!("{}s", ms / 1_000),
        60_000..3_600_000 => format!("{}m", ms / 60_000),
        3_600_000..172_800_000 => format!("{}h", ms / 3_600_000),
        _ => format!("{}d", ms / 86_400_000),
    }
}

/// A number of bytes: `512 B`, `64.0 KiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1_024 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1_024.0 {
            break;
        }
        value /= 1_024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// Reads `500ms`, `30s`, `5m`, `2h`, `1d`; a bare number means seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let parsed = scale.zip(number.parse::<u64>().ok()).and_then(|(scale, number)| number.checked_mul(scale));
    parsed
        .filter(|ms| *ms > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| "expected a duration such as 500ms, 30s, 5m or 2h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_for_people_and_absolute_for_pipes() {
        let people = Clock::new(1_000_000, true);
        assert_eq!(people.at(1_000_000 - 90_000), "1m ago");
        assert_eq!(people.at(1_000_000 + 5_000), "in 5s");
        assert_eq!(people.at(1_000_000), "now");
        assert_eq!(people.at_if(None), "-");
        assert_eq!(Clock::new(0, false).at(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(
            rfc3339(i64::MAX),
            i64::MAX.to_string(),
            "a time outside of the calendar is shown, not lost"
        );
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        for at in [i64::MIN, i64::MAX] {
            assert!(!Clock::new(0, true).at(at).is_empty());
            assert!(!Clock::new(i64::MAX, true).span(at, Some(i64::MIN)).is_empty());
        }
    }

    #[test]
    fn durations_read_as_they_are_written() {
        assert_eq!(milliseconds(12), "12 ms");
        assert_eq!(milliseconds(3_456), "3.4 s");
        assert_eq!(milliseconds(310_000), "5m 10s");
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_hours(2)));
        for bad in ["", "s", "0s", "-1s", "1w", "1.5s", "99999999999999999999d", "é"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(65_536), "64.0 KiB");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
    }
}
