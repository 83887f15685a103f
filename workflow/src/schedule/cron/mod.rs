//! A cron expression: which local times are meant.
//!
//! Five fields (minute, hour, day of month, month, day of week) or six with seconds in front; names, ranges, steps,
//! lists; `L` and `#` for days; `@daily` and its kin. Days follow Vixie cron: if neither day field begins with `*`
//! (or is `?`), a day that fits either is meant, otherwise one that fits both.
//!
//! **Invariant:** a [`Cron`] that [`Cron::parse`] returned fits at least one day. Go next to `reader` for the
//! notation and to `search` for the next local time.

mod error;
mod field;
mod reader;
mod search;

pub use error::CronError;

/// Which local times are meant. Bit n of a set stands for n.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// As it was written, without space around it and with single spaces between the fields.
    text: Box<str>,
    seconds: u64,
    minutes: u64,
    hours: u64,
    months: u64,
    days: Days,
}

/// Which days are meant, of those months.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Days {
    of_month: u64,
    /// Bit 0: the last day of the month.
    last: bool,
    /// Sunday is 0.
    of_week: u64,
    /// The last such day of a month.
    last_week: u64,
    /// The first, second… such day of a month.
    nth: [u64; 5],
    /// Whether the field of that name begins with `*` or is `?`.
    any_of_month: bool,
    any_of_week: bool,
}

/// All 24 hours.
const EVERY_HOUR: u64 = (1 << 24) - 1;

impl Cron {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        reader::read(text)
    }

    /// The expression, with single spaces between its fields.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it means real hours, not local times; see [`crate::schedule`].
    pub(super) const fn is_every_hour(&self) -> bool {
        self.hours == EVERY_HOUR
    }
}
