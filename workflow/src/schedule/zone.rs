//! Time zones by their IANA names.
//!
//! The machine's database comes first, because the distribution keeps it current; the one that is compiled in
//! serves where there is none, or where a name is missing from it. So `check` works on a bare container.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::limits::MAX_ZONE_CHARS;
use crate::suggest::closest;

/// A time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    name: Box<str>,
    rules: TimeZone,
}

/// A name that is no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no time zone")]
pub struct ZoneError {
    /// What was asked for, cut to a length that can be shown.
    pub name: String,
    /// What may be meant.
    pub help: String,
}

impl Zone {
    /// Universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".into(), rules: TimeZone::UTC }
    }

    /// The zone of that name, such as `Europe/Berlin`.
    pub fn parse(name: &str) -> Result<Self, ZoneError> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
        let plain = (1..=MAX_ZONE_CHARS).contains(&name.len()) && name.bytes().all(letter);
        let found = if plain { find(name) } else { None };
        // `Etc/Unknown` is a placeholder of the library and no zone.
        let Some(rules) = found.filter(|rules| !rules.is_unknown()) else {
            return Err(ZoneError { name: name.chars().take(60).collect(), help: help(name) });
        };
        let name = rules.iana_name().unwrap_or(name).into();
        Ok(Self { name, rules })
    }

    /// Its name, as the database writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// The first instant at which clocks there show a local time, or have passed over it; unix milliseconds.
    pub(crate) fn first_instant(&self, local: jiff::civil::DateTime) -> Option<i64> {
        super::fires::first_instant(&self.rules, local).map(jiff::Timestamp::as_millisecond)
    }

    /// An instant as people there write it, with the offset: `2026-10-25T02:30:00+02:00`. Empty for an instant
    /// beyond the calendar.
    pub fn local_text(&self, instant: i64) -> String {
        let Ok(instant) = jiff::Timestamp::from_millisecond(instant) else { return String::new() };
        instant.display_with_offset(self.rules.to_offset(instant)).to_string()
    }
}

fn find(name: &str) -> Option<TimeZone> {
    jiff::tz::db().get(name).or_else(|_| TimeZoneDatabase::bundled().get(name)).ok()
}

fn help(name: &str) -> String {
    let bundled = TimeZoneDatabase::bundled();
    let known: Vec<_> = bundled.available().map(|zone| zone.as_str().to_owned()).collect();
    let spelled = closest(name, known.iter().map(String::as_str));
    // `Berlin` is a distance of seven letters away from its zone, and yet clear.
    let city = name.rsplit('/').next().unwrap_or(name).replace(' ', "_");
    let of_city =
        |zone: &&String| zone.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&city));
    match known.iter().find(of_city).map(String::as_str).or(spelled) {
        Some(zone) => format!("did you mean `{zone}`?"),
        None => "use a name of the IANA database, such as Europe/Berlin, America/New_York or UTC".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_and_written_as_the_database_writes_them() {
        assert_eq!(Zone::parse("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(Zone::parse("UTC").unwrap().name(), "UTC");
        assert_eq!(Zone::parse("utc").unwrap(), Zone::utc());
    }

    #[test]
    fn the_database_that_is_compiled_in_knows_what_a_bare_machine_does_not() {
        let bundled = TimeZoneDatabase::bundled();
        for name in ["Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca", "US/Eastern"]
        {
            assert!(bundled.get(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_is_no_zone_is_refused_with_what_may_be_meant() {
        for (name, help) in [
            ("Europe/Berln", "did you mean `Europe/Berlin`?"),
            ("Berlin", "did you mean `Europe/Berlin`?"),
            ("New York", "did you mean `America/New_York`?"),
            (
                "MESZ-Sommer",
                "use a name of the IANA database, such as Europe/Berlin, America/New_York or UTC",
            ),
        ] {
            assert_eq!(Zone::parse(name).unwrap_err().help, help, "{name}");
        }
        for name in
            ["", "../../etc/passwd", "/etc/localtime", "Etc/Unknown", "é", "a\0b", &"x".repeat(10_000)]
        {
            assert!(Zone::parse(name).is_err(), "{name}");
        }
    }
}
