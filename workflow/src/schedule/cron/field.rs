//! One field: lists of single values, ranges and steps, by number or name.

use super::error::CronError;

/// What a field counts.
pub(super) struct Field {
    /// In messages.
    pub(super) noun: &'static str,
    pub(super) least: u32,
    pub(super) most: u32,
    /// Three letters each, for the values from `least` on.
    pub(super) names: &'static [&'static str],
}

pub(super) const SECOND: Field = Field { noun: "second", least: 0, most: 59, names: &[] };
pub(super) const MINUTE: Field = Field { noun: "minute", least: 0, most: 59, names: &[] };
pub(super) const HOUR: Field = Field { noun: "hour", least: 0, most: 23, names: &[] };
pub(super) const DAY_OF_MONTH: Field = Field { noun: "day of month", least: 1, most: 31, names: &[] };
pub(super) const MONTH: Field = Field {
    noun: "month",
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// Sunday is 0, and 7 too.
pub(super) const DAY_OF_WEEK: Field = Field {
    noun: "day of week",
    least: 0,
    most: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// A piece of an expression and where it begins in it.
#[derive(Clone, Copy)]
pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    pub(super) offset: usize,
}

impl Piece<'_> {
    /// The pieces between the separators.
    pub(super) fn split(self, separator: char) -> impl Iterator<Item = Self> {
        let mut offset = self.offset;
        self.text.split(separator).map(move |text| {
            let piece = Piece { text, offset };
            offset += text.len() + separator.len_utf8();
            piece
        })
    }

    /// The pieces before and after the first separator.
    pub(super) fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        let offset = self.offset + before.len() + separator.len_utf8();
        Some((Piece { text: before, offset: self.offset }, Piece { text: after, offset }))
    }

    pub(super) fn shown(self) -> String {
        self.text.chars().take(20).collect()
    }

    pub(super) fn error(self, message: impl Into<String>) -> CronError {
        CronError::new(self.offset, message)
    }
}

impl Field {
    /// The set that one item of the list means.
    pub(super) fn item(&self, item: Piece<'_>) -> Result<u64, CronError> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        if range.text.is_empty() {
            let message = if item.text.is_empty() { "a value is missing" } else { "a range is missing" };
            return Err(range.error(format!("{message} in the field of the {}", self.noun)));
        }
        // 7 is Sunday's second name and no eighth day of a whole week.
        let last = if self.most == 7 { 6 } else { self.most };
        let (from, to) = if range.text == "*" {
            (self.least, last)
        } else if let Some((from, to)) = range.split_once('-') {
            self.range(range, from, to)?
        } else {
            let from = self.value(range)?;
            (from, if step.is_some() { last.max(from) } else { from })
        };
        let step = step.map_or(Ok(1), |step| stride(step, from, to))?;
        let mut set = 0;
        for value in (from..=to).step_by(step) {
            set |= 1 << if self.most == 7 { value % 7 } else { value };
        }
        Ok(set)
    }

    fn range(&self, range: Piece<'_>, from: Piece<'_>, to: Piece<'_>) -> Result<(u32, u32), CronError> {
        let (first, mut last) = (self.value(from)?, self.value(to)?);
        // `fri-sun`: a week may end with its Sunday.
        if self.most == 7 && last == 0 && first > 0 {
            last = 7;
        }
        if first > last {
            let end = if self.most == 7 { 6 } else { self.most };
            let help = format!("write two ranges: `{first}-{end},{}-{last}`", self.least);
            let message = format!("the range `{}` runs backwards", range.shown());
            return Err(range.error(message).help(help));
        }
        Ok((first, last))
    }

    /// A number or a name.
    pub(super) fn value(&self, value: Piece<'_>) -> Result<u32, CronError> {
        let lower = value.text.to_ascii_lowercase();
        if let Some(place) = self.names.iter().position(|name| *name == lower) {
            return Ok(self.least + place as u32);
        }
        let within = format!("the {} goes from {} to {}", self.noun, self.least, self.most);
        match digits(value.text) {
            Some(number) if (self.least..=self.most).contains(&number) => Ok(number),
            Some(_) => Err(value.error(format!("{within}, so `{}` does not exist", value.shown()))),
            None if value.text.is_empty() => {
                Err(value.error(format!("a value is missing in the field of the {}", self.noun)))
            }
            None => {
                let error = value.error(format!("`{}` is no {}", value.shown(), self.noun));
                let known = crate::suggest::closest(&lower, self.names.iter().copied());
                Err(error.help(known.map_or(within, |name| format!("did you mean `{name}`?"))))
            }
        }
    }
}

/// How far a step goes.
fn stride(step: Piece<'_>, from: u32, to: u32) -> Result<usize, CronError> {
    let number = digits(step.text)
        .ok_or_else(|| step.error(format!("a step is a whole number, not `{}`", step.shown())))?;
    if number == 0 {
        return Err(step.error("a step cannot be 0").help("leave it out, or write how many are passed over"));
    }
    // A step that is never taken is a misunderstanding: `*/90` is not every 90 minutes.
    if number > to - from && to > from {
        let message = format!("a step of {number} leads out of {from} to {to}, so it is never taken");
        let help = "a step stays within its field; it starts anew in each one".to_owned();
        return Err(step.error(message).help(help));
    }
    usize::try_from(number).map_err(|_| step.error("the step is too large"))
}

/// A number of at most nine digits, and nothing else.
pub(super) fn digits(text: &str) -> Option<u32> {
    let plain = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
