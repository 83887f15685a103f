use jiff::civil::DateTime;

use super::*;

/// The next times of an expression after the beginning of 2026, which was a Thursday.
fn next(text: &str, count: usize) -> Vec<String> {
    let cron = read(text).unwrap();
    let mut from: DateTime = "2026-01-01T00:00:00".parse().unwrap();
    (0..count)
        .map(|_| {
            let found = cron.next_local(from).unwrap();
            from = found.checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
            found.strftime("%m-%d %a %H:%M:%S").to_string()
        })
        .collect()
}

#[test]
fn expressions_mean_these_times() {
    for (text, times) in [
        ("15 2 * * *", &["01-01 Thu 02:15:00", "01-02 Fri 02:15:00"][..]),
        ("* * * * *", &["01-01 Thu 00:00:00", "01-01 Thu 00:01:00"]),
        (
            "*/20 * * * * *",
            &["01-01 Thu 00:00:00", "01-01 Thu 00:00:20", "01-01 Thu 00:00:40", "01-01 Thu 00:01:00"],
        ),
        (
            "5/25 * * * *",
            &["01-01 Thu 00:05:00", "01-01 Thu 00:30:00", "01-01 Thu 00:55:00", "01-01 Thu 01:05:00"],
        ),
        ("0 9-17/4 * * mon-fri", &["01-01 Thu 09:00:00", "01-01 Thu 13:00:00", "01-01 Thu 17:00:00"]),
        (
            "0 0 * * FRI-sun",
            &["01-02 Fri 00:00:00", "01-03 Sat 00:00:00", "01-04 Sun 00:00:00", "01-09 Fri 00:00:00"],
        ),
        ("0 0 * * 7", &["01-04 Sun 00:00:00"]),
        ("0 0 * * 0", &["01-04 Sun 00:00:00"]),
        ("0 0 1 jan,jul *", &["01-01 Thu 00:00:00", "07-01 Wed 00:00:00"]),
        ("0 0 L * *", &["01-31 Sat 00:00:00", "02-28 Sat 00:00:00", "03-31 Tue 00:00:00"]),
        ("0 0 15,l * ?", &["01-15 Thu 00:00:00", "01-31 Sat 00:00:00"]),
        ("0 0 ? * 5L", &["01-30 Fri 00:00:00", "02-27 Fri 00:00:00", "03-27 Fri 00:00:00"]),
        ("0 0 * * friL,mon#1", &["01-05 Mon 00:00:00", "01-30 Fri 00:00:00", "02-02 Mon 00:00:00"]),
        ("0 0 * * 5#2", &["01-09 Fri 00:00:00", "02-13 Fri 00:00:00"]),
        ("0 0 * * 4#5", &["01-29 Thu 00:00:00", "04-30 Thu 00:00:00"]),
        ("@hourly", &["01-01 Thu 00:00:00", "01-01 Thu 01:00:00"]),
        ("@daily", &["01-01 Thu 00:00:00", "01-02 Fri 00:00:00"]),
        ("@weekly", &["01-04 Sun 00:00:00", "01-11 Sun 00:00:00"]),
        ("@Monthly", &["01-01 Thu 00:00:00", "02-01 Sun 00:00:00"]),
        ("@yearly", &["01-01 Thu 00:00:00", "01-01 Fri 00:00:00"]),
    ] {
        assert_eq!(next(text, times.len()), times, "{text}");
    }
}

#[test]
fn two_day_fields_mean_either_unless_one_begins_with_a_star() {
    // Every 13th and every Friday.
    assert_eq!(next("0 0 13 * fri", 3), ["01-02 Fri 00:00:00", "01-09 Fri 00:00:00", "01-13 Tue 00:00:00"]);
    // Odd days that are Mondays: `*/2` begins with a star.
    assert_eq!(next("0 0 */2 * mon", 3), ["01-05 Mon 00:00:00", "01-19 Mon 00:00:00", "02-09 Mon 00:00:00"]);
    assert_eq!(next("0 0 13 * *", 2), ["01-13 Tue 00:00:00", "02-13 Fri 00:00:00"]);
    assert_eq!(next("0 0 ? * fri", 2), ["01-02 Fri 00:00:00", "01-09 Fri 00:00:00"]);
}

#[test]
fn the_rarest_dates_are_found() {
    let cron = read("0 0 29 2 ?").unwrap();
    let found = cron.next_local("2096-03-01T00:00:00".parse().unwrap()).unwrap();
    assert_eq!(found.to_string(), "2104-02-29T00:00:00");
    let fifth = read("0 0 ? 2 thu#5").unwrap();
    let found = fifth.next_local("2080-03-01T00:00:00".parse().unwrap()).unwrap();
    assert_eq!(found.to_string(), "2120-02-29T00:00:00");
    assert_eq!(cron.next_local(DateTime::MAX), None);
}

/// Column, message, help.
fn refusal(text: &str) -> (usize, String, String) {
    let error = read(text).expect_err(text);
    (error.column(text), error.message.clone(), error.help.clone().unwrap_or_default())
}

/// Expression, column, message, help.
const MISTAKES: &[(&str, usize, &str, &str)] = &[
    ("", 1, "the cron expression is empty", "such as `0 9 * * mon-fri`"),
    ("   ", 1, "the cron expression is empty", "such as `0 9 * * mon-fri`"),
    (
        "* * * *",
        8,
        "a cron expression has 5 fields, or 6 with seconds, not 4",
        "minute, hour, day of month, month, day of week",
    ),
    (
        "0 0 0 1 1 * 2027",
        13,
        "a cron expression has 5 fields, or 6 with seconds, not 7",
        "minute, hour, day of month, month, day of week",
    ),
    ("60 * * * *", 1, "the minute goes from 0 to 59, so `60` does not exist", ""),
    ("0 24 * * *", 3, "the hour goes from 0 to 23, so `24` does not exist", ""),
    ("0  0  0 * *", 7, "the day of month goes from 1 to 31, so `0` does not exist", ""),
    ("0 0 1 13 *", 7, "the month goes from 1 to 12, so `13` does not exist", ""),
    ("0 0 * * 8", 9, "the day of week goes from 0 to 7, so `8` does not exist", ""),
    ("0 0 * * mon,tues", 13, "`tues` is no day of week", "did you mean `tue`?"),
    ("0 0 * juin *", 7, "`juin` is no month", "did you mean `jun`?"),
    ("0 9,,17 * * *", 5, "a value is missing in the field of the hour", ""),
    ("0 9- * * *", 5, "a value is missing in the field of the hour", ""),
    ("0 22-2 * * *", 3, "the range `22-2` runs backwards", "write two ranges: `22-23,0-2`"),
    ("0 0 * * fri-mon", 9, "the range `fri-mon` runs backwards", "write two ranges: `5-6,0-1`"),
    ("*/0 * * * *", 3, "a step cannot be 0", "leave it out, or write how many are passed over"),
    ("*/x * * * *", 3, "a step is a whole number, not `x`", ""),
    (
        "*/90 * * * *",
        3,
        "a step of 90 leads out of 0 to 59, so it is never taken",
        "a step stays within its field; it starts anew in each one",
    ),
    ("/5 * * * *", 1, "a range is missing in the field of the minute", ""),
    ("? * * * *", 1, "`?` has no meaning for the minute", "write `*`"),
    (
        "0 0 15W * *",
        5,
        "`W`, the nearest working day, is not supported",
        "choose the day in a step's `if`, or list the days",
    ),
    ("0 0 L-3 * *", 5, "`L` stands alone: the last day of the month", ""),
    (
        "0 0 * * L",
        9,
        "`L` needs a day of the week before it",
        "write `6` for Saturdays, `6L` for the last one of the month",
    ),
    (
        "0 0 * * fri#6",
        13,
        "`6` after `#` is not a number from 1 to 5",
        "`fri#2` is the second Friday, `friL` the last",
    ),
    (
        "0 0 30 2 *",
        5,
        "this day never comes: no such date in these months",
        "the last day of any month is `L`",
    ),
    (
        "0 0 31 4,6,9,11 *",
        5,
        "this day never comes: no such date in these months",
        "the last day of any month is `L`",
    ),
    ("@dayly", 1, "`@dayly` is not known", "did you mean `@daily`?"),
    (
        "@reboot",
        1,
        "`@reboot` is no time",
        "a run that the daemon's start missed is caught up: see `catchup`",
    ),
    ("@daily 5", 8, "nothing can follow `@daily`", ""),
    (
        "CRON_TZ=Asia/Tokyo 0 9 * * *",
        1,
        "a cron expression sets no variables",
        "the zone of a schedule is its key `timezone`",
    ),
    ("0 9 * * \u{fc}", 9, "`\u{fc}` is no day of week", "the day of week goes from 0 to 7"),
    ("\u{fc} 24 * * *", 1, "`\u{fc}` is no minute", "the minute goes from 0 to 59"),
];

#[test]
fn mistakes_are_pointed_at() {
    for (text, column, message, help) in MISTAKES {
        assert_eq!(refusal(text), (*column, (*message).to_owned(), (*help).to_owned()), "{text}");
    }
    let long = "1,".repeat(200);
    assert!(refusal(&long).1.contains("at most 256"));
}

#[test]
fn the_text_is_kept_without_stray_spaces() {
    assert_eq!(read("  0\t9  * * mon ").unwrap().as_str(), "0 9 * * mon");
    assert_eq!(read("@Daily").unwrap().as_str(), "@daily");
}
