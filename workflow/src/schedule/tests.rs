use jiff::Timestamp;
use proptest::prelude::*;

use super::due::{Due, Missed, ON_TIME_MS, due};
use super::*;

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn text(instant: i64) -> String {
    Timestamp::from_millisecond(instant).unwrap().to_string()
}

fn cron(expression: &str, zone: &str) -> Schedule {
    Schedule {
        when: When::Cron(Arc::new(Cron::parse(expression).unwrap())),
        zone: Zone::parse(zone).unwrap(),
        catchup: Catchup::Latest,
        catchup_window_ms: 86_400_000,
        overlap: Overlap::Skip,
        jitter_ms: 0,
    }
}

/// Zone, expression, from, and the local times of the next fires: clock changes of ten zones.
#[rustfmt::skip]
const CHANGES: &[(&str, &str, &str, &[&str])] = &[
    // Forward at 02:00: what is skipped fires once, when the gap ends.
    ("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z",
        &["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
    ("Europe/Berlin", "*/15 2 * * *", "2026-03-28T12:00:00Z",
        &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00", "2026-03-30T02:15:00+02:00"]),
    ("Europe/Berlin", "0 2,3 * * *", "2026-03-28T12:00:00Z",
        &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]),
    ("Europe/Berlin", "30 * * * *", "2026-03-29T00:00:00Z",
        &["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-29T04:30:00+02:00"]),
    // Back at 03:00: what is repeated fires the first time; every hour is every real hour.
    ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z",
        &["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]),
    ("Europe/Berlin", "30 2 * * *", "2026-10-25T01:10:00Z", &["2026-10-26T02:30:00+01:00"]),
    ("Europe/Berlin", "30 * * * *", "2026-10-24T23:45:00Z",
        &["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"]),
    ("Europe/Berlin", "0 0 * * *", "2026-10-24T12:00:00Z",
        &["2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"]),
    ("America/New_York", "30 2 * * *", "2026-03-07T12:00:00Z",
        &["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]),
    ("America/New_York", "30 1 * * *", "2026-10-31T12:00:00Z",
        &["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]),
    ("America/New_York", "*/30 * * * *", "2026-11-01T05:15:00Z",
        &["2026-11-01T01:30:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T01:30:00-05:00",
          "2026-11-01T02:00:00-05:00"]),
    // Changes at midnight, until 2019: the day begins at 01:00.
    ("America/Sao_Paulo", "0 0 * * *", "2018-11-03T12:00:00Z",
        &["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"]),
    ("America/Sao_Paulo", "30 23 * * *", "2019-02-16T12:00:00Z",
        &["2019-02-16T23:30:00-02:00", "2019-02-17T23:30:00-03:00"]),
    ("America/Sao_Paulo", "@hourly", "2019-02-17T01:30:00Z",
        &["2019-02-16T23:00:00-03:00", "2019-02-17T00:00:00-03:00"]),
    // Half an hour.
    ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00:00Z",
        &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"]),
    ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00:00Z",
        &["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"]),
    ("Australia/Lord_Howe", "*/15 * * * *", "2026-04-04T14:40:00Z",
        &["2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30", "2026-04-05T01:45:00+10:30",
          "2026-04-05T02:00:00+10:30"]),
    // Back for Ramadan, forward after it.
    ("Africa/Casablanca", "30 2 * * *", "2025-02-22T12:00:00Z",
        &["2025-02-23T02:30:00+01:00", "2025-02-24T02:30:00+00:00"]),
    ("Africa/Casablanca", "30 2 * * *", "2025-04-05T12:00:00Z",
        &["2025-04-06T03:00:00+01:00", "2025-04-07T02:30:00+01:00"]),
    // A day that was skipped as a whole: 30 December 2011.
    ("Pacific/Apia", "0 9 * * *", "2011-12-29T00:00:00Z",
        &["2011-12-29T09:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"]),
    ("Pacific/Apia", "0 9 30 12 *", "2011-12-29T00:00:00Z",
        &["2011-12-31T00:00:00+14:00", "2012-12-30T09:00:00+14:00"]),
    ("Pacific/Apia", "0 * * * *", "2011-12-30T08:30:00Z",
        &["2011-12-29T23:00:00-10:00", "2011-12-31T00:00:00+14:00"]),
    // No changes, and no whole hours.
    ("Asia/Kolkata", "30 2 * * *", "2026-03-28T12:00:00Z",
        &["2026-03-29T02:30:00+05:30", "2026-03-30T02:30:00+05:30"]),
    ("Asia/Kathmandu", "@daily", "2026-03-28T12:00:00Z", &["2026-03-29T00:00:00+05:45"]),
    // Winter is the exception of the law there, summer the standard.
    ("Europe/Dublin", "30 1 * * *", "2026-03-28T12:00:00Z",
        &["2026-03-29T02:00:00+01:00", "2026-03-30T01:30:00+01:00"]),
    // Midnight is skipped.
    ("Africa/Cairo", "0 0 * * fri", "2026-04-23T12:00:00Z", &["2026-04-24T01:00:00+03:00"]),
    ("UTC", "30 2 * * *", "2026-03-28T12:00:00Z", &["2026-03-29T02:30:00Z", "2026-03-30T02:30:00Z"]),
];

#[test]
fn clocks_are_changed_as_the_policy_says() {
    for (zone, expression, from, wanted) in CHANGES {
        let schedule = cron(expression, zone);
        let mut after = at(from);
        for local in *wanted {
            let fire = schedule.next_after(after).unwrap();
            assert_eq!(text(fire), text(at(local)), "{zone}: {expression} after {}", text(after));
            after = fire;
        }
    }
}

#[test]
fn single_instants_fire_once() {
    let instant = at("2026-12-24T18:00:00+01:00");
    let schedule = Schedule { when: When::At { instant, text: "x".into() }, ..cron("@daily", "UTC") };
    assert_eq!(schedule.next_after(instant - 1), Some(instant));
    assert_eq!(schedule.next_after(instant), None);
    assert_eq!(schedule.fires_between(0, i64::MAX).collect::<Vec<_>>(), [instant]);
    assert_eq!(due(&schedule, b"w", instant - 5, instant - 1).next, Some(instant));
    let done = due(&schedule, b"w", instant - 5, instant + 10);
    assert_eq!((done.start, done.next, done.cursor), (vec![instant], None, instant));
}

#[test]
fn the_next_fires_of_several_schedules_are_in_order() {
    let schedules = [cron("0 9 * * *", "UTC"), cron("0 9,10 * * *", "Europe/Berlin")];
    let fires = next_fires(&schedules, at("2026-07-01T00:00:00Z"), 5);
    let shown: Vec<_> = fires.iter().map(|fire| format!("{} {}", text(fire.at), fire.entry)).collect();
    assert_eq!(
        shown,
        [
            "2026-07-01T07:00:00Z 1",
            "2026-07-01T08:00:00Z 1",
            "2026-07-01T09:00:00Z 0",
            "2026-07-02T07:00:00Z 1",
            "2026-07-02T08:00:00Z 1"
        ]
    );
    assert!(next_fires(&[], 0, 10).is_empty());
}

#[test]
fn a_local_text_has_the_offset_of_its_instant() {
    let berlin = Zone::parse("Europe/Berlin").unwrap();
    assert_eq!(berlin.local_text(at("2026-10-25T00:30:00Z")), "2026-10-25T02:30:00+02:00");
    assert_eq!(berlin.local_text(at("2026-10-25T01:30:00Z")), "2026-10-25T02:30:00+01:00");
    assert_eq!(berlin.local_text(i64::MAX), "");
}

fn with(catchup: Catchup, window_ms: u64) -> Schedule {
    Schedule { catchup, catchup_window_ms: window_ms, ..cron("0 * * * *", "UTC") }
}

const HOUR: i64 = 3_600_000;

#[test]
fn what_is_on_time_starts_whatever_the_policy() {
    let noon = at("2026-07-01T12:00:00Z");
    for catchup in Catchup::ALL {
        let schedule = with(*catchup, 86_400_000);
        for late in [0, 1, ON_TIME_MS] {
            let wanted = Due { start: vec![noon], missed: None, cursor: noon, next: Some(noon + HOUR) };
            assert_eq!(due(&schedule, b"w", noon - 1_000, noon + late), wanted, "{catchup:?} {late}");
        }
        let early = due(&schedule, b"w", noon - 1_000, noon - 1);
        let wanted = Due { start: vec![], missed: None, cursor: noon - 1_000, next: Some(noon) };
        assert_eq!(early, wanted);
    }
}

#[test]
fn after_a_pause_the_policy_decides() {
    let (nine, now) = (at("2026-07-01T09:00:00Z"), at("2026-07-01T12:30:00Z"));
    let noon = at("2026-07-01T12:00:00Z");
    let missed = |count: u32, first: i64, last: i64| Some(Missed { count, first, last });
    let next = Some(noon + HOUR);
    let look = |catchup, window| due(&with(catchup, window), b"w", nine, now);
    let eleven = noon - HOUR;
    assert_eq!(
        look(Catchup::None, 86_400_000),
        Due { start: vec![], missed: missed(3, nine + HOUR, noon), cursor: noon, next }
    );
    assert_eq!(
        look(Catchup::Latest, 86_400_000),
        Due { start: vec![noon], missed: missed(2, nine + HOUR, eleven), cursor: noon, next }
    );
    assert_eq!(
        look(Catchup::All, 86_400_000),
        Due { start: vec![nine + HOUR, eleven, noon], missed: None, cursor: noon, next }
    );
    // A window of two hours reaches back to 10:30.
    assert_eq!(
        look(Catchup::All, 7_200_000),
        Due { start: vec![eleven, noon], missed: missed(1, nine + HOUR, nine + HOUR), cursor: noon, next }
    );
    assert_eq!(
        look(Catchup::Latest, 600_000),
        Due { start: vec![], missed: missed(3, nine + HOUR, noon), cursor: noon, next }
    );
    // One that is on time is the latest.
    assert_eq!(
        due(&with(Catchup::Latest, 86_400_000), b"w", nine, noon + 5_000),
        Due { start: vec![noon], missed: missed(2, nine + HOUR, eleven), cursor: noon, next }
    );
}

#[test]
fn many_fires_are_taken_in_portions() {
    let schedule = Schedule { catchup: Catchup::All, ..cron("* * * * *", "UTC") };
    let (start, now) = (at("2026-07-01T00:00:00Z"), at("2026-07-01T05:00:30Z"));
    let (mut cursor, mut started, mut looks) = (start, Vec::new(), 0);
    loop {
        let look = due(&schedule, b"w", cursor, now);
        assert!(look.start.len() <= crate::limits::MAX_FIRES_AT_ONCE);
        assert_eq!(look.missed, None);
        started.extend(look.start);
        cursor = look.cursor;
        looks += 1;
        match look.next {
            Some(next) if next <= now => assert_eq!(next, now),
            next => break assert_eq!(next, Some(at("2026-07-01T05:01:00Z"))),
        }
    }
    assert_eq!(started, schedule.fires_between(start, now).collect::<Vec<_>>());
    assert!(looks >= 5);
}

#[test]
fn a_year_of_seconds_costs_little_and_is_counted_up_to_a_limit() {
    let schedule = cron("* * * * * *", "Europe/Berlin");
    let (start, now) = (at("2025-07-01T00:00:00Z"), at("2026-07-01T00:00:00.500Z"));
    let look = due(&schedule, b"w", start, now);
    assert_eq!(look.start.len(), 60);
    let missed = look.missed.unwrap();
    assert_eq!(missed.count, crate::limits::MAX_MISSED_COUNTED);
    assert_eq!(text(missed.first), "2025-07-01T00:00:01Z");
    assert_eq!(text(missed.last), "2026-06-30T23:59:00Z");
}

#[test]
fn a_clock_that_was_set_back_does_not_silence_a_schedule() {
    let noon = at("2026-07-01T12:00:00Z");
    let look = due(&with(Catchup::Latest, 0), b"w", noon + 1_000 * HOUR, noon - 1);
    assert_eq!(look, Due { start: vec![], missed: None, cursor: noon - 1, next: Some(noon) });
}

#[test]
fn jitter_delays_and_keeps_the_order() {
    let schedule = Schedule { jitter_ms: 10_800_000, catchup: Catchup::None, ..cron("0 * * * *", "UTC") };
    let start = at("2026-07-01T00:00:00Z");
    let (mut cursor, mut now, mut started) = (start, start, Vec::new());
    while now < start + 48 * HOUR {
        let look = due(&schedule, b"w", cursor, now);
        assert_eq!(look.missed, None, "at {}", text(now));
        for fire in &look.start {
            assert!(now >= fire + i64::try_from(schedule.jitter(b"w", *fire)).unwrap());
        }
        started.extend(look.start);
        cursor = look.cursor;
        now = look.next.unwrap().max(now + 1);
    }
    let all: Vec<_> = schedule.fires_between(start, start + 44 * HOUR).collect();
    assert_eq!(started[..all.len()], all);
}

/// Expressions that mean something, and mostly something rare.
fn expression() -> impl Strategy<Value = String> {
    let item = |least: u32, most: u32| {
        prop_oneof![
            3 => Just("*".to_owned()),
            3 => (least..=most).prop_map(|one| one.to_string()),
            1 => (least..=most, least..=most).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (2..=(most - least)).prop_map(|step| format!("*/{step}")),
            1 => (least..=most, least..=most).prop_map(|(a, b)| format!("{a},{b}")),
        ]
    };
    let month_day = prop_oneof![4 => item(1, 28), 1 => Just("L".to_owned()), 1 => Just("29,31".to_owned())];
    let week_day = prop_oneof![
        4 => item(0, 6),
        1 => (0_u32..7, 1_u32..=5).prop_map(|(day, place)| format!("{day}#{place}")),
        1 => (0_u32..7).prop_map(|day| format!("{day}L")),
    ];
    (item(0, 59), item(0, 59), item(0, 23), month_day, item(1, 12), week_day, any::<bool>()).prop_map(
        |(second, minute, hour, month_day, month, week_day, six)| {
            let second = if six { format!("{second} ") } else { String::new() };
            format!("{second}{minute} {hour} {month_day} {month} {week_day}")
        },
    )
}

fn zone() -> impl Strategy<Value = &'static str> {
    let mut zones: Vec<_> = CHANGES.iter().map(|(zone, ..)| *zone).collect();
    zones.dedup();
    prop::sample::select(zones)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_next_fire_lies_ahead_and_nothing_lies_before_it(
        text in expression(), zone in zone(), after in 1_200_000_000_000_i64..1_900_000_000_000,
    ) {
        prop_assume!(Cron::parse(&text).is_ok());
        let schedule = cron(&text, zone);
        let Some(next) = schedule.next_after(after) else { return Ok(()) };
        prop_assert!(next > after);
        prop_assert_eq!(next % 1_000, 0);
        // Whatever instant before it is asked for, it is the answer.
        let between = after + (next - after) / 2;
        prop_assert_eq!(schedule.next_after(between), Some(next));
        prop_assert_eq!(schedule.next_after(next - 1), Some(next));
    }

    #[test]
    fn fires_between_can_be_cut_anywhere(
        text in expression(), zone in zone(), from in 1_200_000_000_000_i64..1_900_000_000_000,
        first in 0_i64..200_000_000, second in 0_i64..200_000_000,
    ) {
        prop_assume!(Cron::parse(&text).is_ok());
        let schedule = cron(&text, zone);
        let (middle, until) = (from + first, from + first + second);
        let whole: Vec<_> = schedule.fires_between(from, until).take(3_000).collect();
        let parts: Vec<_> =
            schedule.fires_between(from, middle).chain(schedule.fires_between(middle, until)).take(3_000).collect();
        prop_assert_eq!(&whole, &parts);
        prop_assert!(whole.is_sorted_by(|one, other| one < other));
        if whole.len() < 3_000 {
            prop_assert_eq!(schedule.last_between(from, until), whole.last().copied());
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}", zone in "\\PC{0,20}") {
        if let Err(error) = Cron::parse(&text) {
            prop_assert!(error.offset <= text.len());
            prop_assert!(error.column(&text) <= text.chars().count() + 1);
        }
        drop(Zone::parse(&zone));
    }

    #[test]
    fn no_near_expression_panics(text in "[-*/,?#LW@0-9a-z ]{0,30}", after in any::<i64>()) {
        if let Ok(cron) = Cron::parse(&text) {
            prop_assert!(Cron::parse(cron.as_str()).is_ok_and(|again| again == cron));
            let schedule = Schedule { when: When::Cron(Arc::new(cron)), ..self::cron("@daily", "Europe/Berlin") };
            let next = schedule.next_after(after);
            prop_assert!(next.is_none_or(|next| next > after));
            drop(due(&schedule, b"w", after, after.saturating_add(100_000_000)));
        }
    }
}
