//! Durations as people write them: `30s`, `5m`, `1h30m`, `72h`, `30d`, `250ms`.

use crate::limits::MAX_DURATION_MS;

/// Units with their length in milliseconds, longest first.
const UNITS: &[(&str, u64)] =
    &[("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form number, unit, number, unit…
    #[error("`{0}` is not a duration; write a number and a unit, such as 30s, 5m, 1h30m, 72h or 30d")]
    Malformed(String),
    /// A unit that does not exist, is repeated, or follows a shorter one.
    #[error("`{0}` is not a duration; units go from long to short: w, d, h, m, s, ms")]
    Unit(String),
    /// Longer than the language knows.
    #[error("`{0}` is longer than 366 days")]
    TooLong(String),
}

/// Milliseconds of a duration text.
pub fn parse_ms(text: &str) -> Result<u64, DurationError> {
    let malformed = || DurationError::Malformed(text.chars().take(40).collect());
    let mut rest = text;
    let mut total = 0_u64;
    let mut smallest = UNITS.len();
    if rest.is_empty() {
        return Err(malformed());
    }
    let mut first = true;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() || unit.is_empty() {
            return Err(malformed());
        }
        let number: u64 =
            number.parse().map_err(|_| DurationError::TooLong(text.chars().take(40).collect()))?;
        let index = UNITS
            .iter()
            .position(|(name, _)| *name == unit)
            .filter(|index| first || *index > smallest)
            .ok_or_else(|| DurationError::Unit(text.chars().take(40).collect()))?;
        let length = UNITS.get(index).map_or(0, |(_, length)| *length);
        total = total.saturating_add(number.saturating_mul(length));
        smallest = index;
        first = false;
        rest = tail;
    }
    if total > MAX_DURATION_MS {
        return Err(DurationError::TooLong(text.chars().take(40).collect()));
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_ones() {
        for (text, ms) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("72h", 259_200_000),
            ("30d", 2_592_000_000),
            ("250ms", 250),
            ("1w2d3h4m5s6ms", 788_645_006),
            ("0s", 0),
        ] {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn bad_ones() {
        for text in [
            "",
            "5",
            "s",
            "5 m",
            "5x",
            "5m5m",
            "5s1h",
            "-1s",
            "1.5h",
            "５s",
            "1H",
            "99999999999999999999s",
            "367d",
        ] {
            assert!(parse_ms(text).is_err(), "{text}");
        }
    }
}
