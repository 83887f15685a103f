//! The notation: nicknames, five or six fields, the special words of the two day fields.

use super::error::CronError;
use super::field::{DAY_OF_MONTH, DAY_OF_WEEK, Field, HOUR, MINUTE, MONTH, Piece, SECOND, digits};
use super::{Cron, Days};
use crate::limits::MAX_CRON_CHARS;
use crate::suggest::closest;

/// What stands for a whole expression.
const NICKNAMES: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

pub(super) fn read(text: &str) -> Result<Cron, CronError> {
    if text.len() > MAX_CRON_CHARS {
        return Err(CronError::new(0, format!("a cron expression has at most {MAX_CRON_CHARS} characters")));
    }
    let pieces = pieces(text);
    let Some(first) = pieces.first().copied() else {
        return Err(CronError::new(0, "the cron expression is empty").help("such as `0 9 * * mon-fri`"));
    };
    if first.text.starts_with('@') {
        return nickname(first, &pieces);
    }
    if first.text.contains('=') {
        let help = "the zone of a schedule is its key `timezone`";
        return Err(first.error("a cron expression sets no variables").help(help));
    }
    let cron = fields(text, &pieces)?;
    if cron.fits_no_day() {
        let day = pieces.get(pieces.len() - 3).copied().unwrap_or(first);
        let message = "this day never comes: no such date in these months";
        return Err(day.error(message).help("the last day of any month is `L`"));
    }
    Ok(cron)
}

/// The fields, which are what stands between spaces.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let blank = |letter: char| letter == ' ' || letter == '\t';
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, letter) in text.char_indices().filter(|(_, letter)| blank(*letter)) {
        if at > start {
            pieces.extend(text.get(start..at).map(|piece| Piece { text: piece, offset: start }));
        }
        start = at + letter.len_utf8();
    }
    if start < text.len() {
        pieces.extend(text.get(start..).map(|piece| Piece { text: piece, offset: start }));
    }
    pieces
}

fn nickname(name: Piece<'_>, pieces: &[Piece<'_>]) -> Result<Cron, CronError> {
    if let Some(more) = pieces.get(1) {
        return Err(more.error(format!("nothing can follow `{}`", name.shown())));
    }
    let lower = name.text.to_ascii_lowercase();
    if lower == "@reboot" {
        let help = "a run that the daemon's start missed is caught up: see `catchup`";
        return Err(name.error("`@reboot` is no time").help(help));
    }
    let Some((nickname, meant)) = NICKNAMES.iter().find(|(nickname, _)| *nickname == lower) else {
        let known = NICKNAMES.iter().map(|(nickname, _)| *nickname);
        let help = closest(&lower, known.clone()).map_or_else(
            || format!("known: {}", known.collect::<Vec<_>>().join(", ")),
            |nickname| format!("did you mean `{nickname}`?"),
        );
        return Err(name.error(format!("`{}` is not known", name.shown())).help(help));
    };
    Ok(Cron { text: (*nickname).into(), ..fields(meant, &self::pieces(meant))? })
}

fn fields(text: &str, pieces: &[Piece<'_>]) -> Result<Cron, CronError> {
    let (seconds, rest) = match pieces {
        [_, _, _, _, _] => (None, pieces),
        [seconds, rest @ ..] if rest.len() == 5 => (Some(*seconds), rest),
        _ => {
            let at = pieces.get(6).map_or(text.len(), |piece| piece.offset);
            let message = format!("a cron expression has 5 fields, or 6 with seconds, not {}", pieces.len());
            let help = "minute, hour, day of month, month, day of week";
            return Err(CronError::new(at, message).help(help));
        }
    };
    let &[minutes, hours, month_days, months, week_days] = rest else {
        return Err(CronError::new(0, "a cron expression has 5 fields"));
    };
    let mut days = Days::default();
    read_days_of_month(month_days, &mut days)?;
    read_days_of_week(week_days, &mut days)?;
    let texts: Vec<_> = pieces.iter().map(|piece| piece.text).collect();
    Ok(Cron {
        text: texts.join(" ").into(),
        seconds: seconds.map_or(Ok(1), |seconds| set(&SECOND, seconds))?,
        minutes: set(&MINUTE, minutes)?,
        hours: set(&HOUR, hours)?,
        months: set(&MONTH, months)?,
        days,
    })
}

fn set(field: &Field, piece: Piece<'_>) -> Result<u64, CronError> {
    if piece.text == "?" {
        return Err(piece.error(format!("`?` has no meaning for the {}", field.noun)).help("write `*`"));
    }
    let mut set = 0;
    for item in piece.split(',') {
        set |= field.item(item)?;
    }
    Ok(set)
}

fn read_days_of_month(piece: Piece<'_>, days: &mut Days) -> Result<(), CronError> {
    days.any_of_month = piece.text.starts_with('*') || piece.text == "?";
    if piece.text == "?" {
        days.of_month = DAY_OF_MONTH.item(Piece { text: "*", offset: piece.offset })?;
        return Ok(());
    }
    for item in piece.split(',') {
        if item.text.eq_ignore_ascii_case("l") {
            days.last = true;
        } else if item.text.len() > 1 && item.text.ends_with(['w', 'W']) {
            let help = "choose the day in a step's `if`, or list the days";
            return Err(item.error("`W`, the nearest working day, is not supported").help(help));
        } else if item.text.starts_with(['l', 'L']) {
            return Err(item.error("`L` stands alone: the last day of the month"));
        } else {
            days.of_month |= DAY_OF_MONTH.item(item)?;
        }
    }
    Ok(())
}

fn read_days_of_week(piece: Piece<'_>, days: &mut Days) -> Result<(), CronError> {
    days.any_of_week = piece.text.starts_with('*') || piece.text == "?";
    if piece.text == "?" {
        days.of_week = DAY_OF_WEEK.item(Piece { text: "*", offset: piece.offset })?;
        return Ok(());
    }
    for item in piece.split(',') {
        if let Some((day, number)) = item.split_once('#') {
            let bit = 1 << (DAY_OF_WEEK.value(day)? % 7);
            let place = digits(number.text).filter(|number| (1..=5).contains(number));
            let nth = place.and_then(|place| days.nth.get_mut(place as usize - 1));
            let Some(nth) = nth else {
                let message = format!("`{}` after `#` is not a number from 1 to 5", number.shown());
                let help = "`fri#2` is the second Friday, `friL` the last";
                return Err(number.error(message).help(help));
            };
            *nth |= bit;
        } else if let Some(day) = item.text.strip_suffix(['l', 'L']) {
            let day = Piece { text: day, offset: item.offset };
            if day.text.is_empty() {
                let help = "write `6` for Saturdays, `6L` for the last one of the month";
                return Err(item.error("`L` needs a day of the week before it").help(help));
            }
            days.last_week |= 1 << (DAY_OF_WEEK.value(day)? % 7);
        } else {
            days.of_week |= DAY_OF_WEEK.item(item)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
