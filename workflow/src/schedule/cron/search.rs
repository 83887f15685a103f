//! The next local time that an expression means. Days are walked, times of day are found by bits.

use jiff::civil::{Date, DateTime, Time, Weekday};

use super::{Cron, Days};
use crate::limits::MAX_CRON_YEARS;

impl Cron {
    /// The first local time that is meant, from this one on, in whole seconds. `None` if there is none within
    /// [`MAX_CRON_YEARS`], or before the calendar ends.
    pub(crate) fn next_local(&self, from: DateTime) -> Option<DateTime> {
        let last_year = from.year().saturating_add(MAX_CRON_YEARS);
        let mut date = from.date();
        let mut start = (number(from.hour()), number(from.minute()), number(from.second()));
        while date.year() <= last_year {
            if self.months & bit(date.month()) == 0 {
                date = date.last_of_month().tomorrow().ok()?;
                start = (0, 0, 0);
                continue;
            }
            if self.days.contain(date)
                && let Some(time) = self.next_time(start)
            {
                return Some(date.to_datetime(time));
            }
            date = date.tomorrow().ok()?;
            start = (0, 0, 0);
        }
        None
    }

    /// Whether no date at all is meant, such as the 30th of February.
    pub(super) fn fits_no_day(&self) -> bool {
        // Every combination of date, weekday and leap year comes within 40 years; see MAX_CRON_YEARS.
        self.next_local(DateTime::constant(2000, 1, 1, 0, 0, 0, 0)).is_none()
    }

    /// The first time of day that is meant, from (hour, minute, second) on.
    fn next_time(&self, (hour, minute, second): (u32, u32, u32)) -> Option<Time> {
        let first_second = next_bit(self.seconds, 0)?;
        let first_minute = next_bit(self.minutes, 0)?;
        let within = next_bit(self.hours, hour).filter(|found| *found == hour).and_then(|_| {
            let this = next_bit(self.minutes, minute).filter(|found| *found == minute);
            let this = this.and_then(|_| next_bit(self.seconds, second)).map(|second| (hour, minute, second));
            this.or_else(|| next_bit(self.minutes, minute + 1).map(|minute| (hour, minute, first_second)))
        });
        let (hour, minute, second) = match within {
            Some(time) => time,
            None => (next_bit(self.hours, hour + 1)?, first_minute, first_second),
        };
        let [hour, minute, second] =
            [hour, minute, second].map(|part| i8::try_from(part).unwrap_or_default());
        Time::new(hour, minute, second, 0).ok()
    }
}

impl Days {
    fn contain(&self, date: Date) -> bool {
        let of_month =
            self.of_month & bit(date.day()) != 0 || (self.last && date.day() == date.days_in_month());
        let of_week = self.contain_weekday(date);
        if self.any_of_month || self.any_of_week { of_month && of_week } else { of_month || of_week }
    }

    fn contain_weekday(&self, date: Date) -> bool {
        let weekday = bit(Weekday::to_sunday_zero_offset(date.weekday()));
        let place = usize::try_from((date.day() - 1) / 7).unwrap_or_default();
        let nth = self.nth.get(place).is_some_and(|days| days & weekday != 0);
        let last = date.day() + 7 > date.days_in_month();
        self.of_week & weekday != 0 || nth || (last && self.last_week & weekday != 0)
    }
}

fn number(part: i8) -> u32 {
    u32::try_from(part).unwrap_or_default()
}

fn bit(part: i8) -> u64 {
    1_u64.checked_shl(number(part)).unwrap_or_default()
}

/// The lowest member of a set that is not below `from`.
fn next_bit(set: u64, from: u32) -> Option<u32> {
    let rest = set.checked_shr(from).filter(|rest| *rest != 0)?;
    Some(from + rest.trailing_zeros())
}
