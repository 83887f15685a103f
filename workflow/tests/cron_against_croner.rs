//! Ten simulated years against an independent implementation, the `croner` crate: every expression of a list, in
//! every zone of a list, must fire at the same instants.
//!
//! Where the two mean different things on purpose, the difference is a test of its own.
#![expect(clippy::unwrap_used, reason = "an expression that cannot be read fails the test")]

use std::sync::Arc;

use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use tenantry_workflow::schedule::{Cron, Schedule, When, Zone};
use tenantry_workflow::{Catchup, Overlap};

const FROM: &str = "2016-01-01T00:00:00Z";
const UNTIL: &str = "2026-01-01T00:00:00Z";

fn ours(expression: &str, zone: &str, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let schedule = Schedule {
        when: When::Cron(Arc::new(Cron::parse(expression).unwrap())),
        zone: Zone::parse(zone).unwrap(),
        catchup: Catchup::None,
        catchup_window_ms: 0,
        overlap: Overlap::Skip,
        jitter_ms: 0,
    };
    let fires = schedule.fires_between(from.as_millisecond(), until.as_millisecond());
    fires.map(|fire| Timestamp::from_millisecond(fire).unwrap()).collect()
}

fn theirs(expression: &str, zone: &str, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let cron = CronParser::builder().seconds(Seconds::Optional).build().parse(expression).unwrap();
    let mut at = Zoned::new(from, TimeZone::get(zone).unwrap());
    let mut fires = Vec::new();
    while let Ok(next) = cron.find_next_occurrence(&at, false) {
        if next.timestamp() > until {
            break;
        }
        fires.push(next.timestamp());
        at = next;
    }
    fires
}

const ZONES: &[&str] = &[
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "Europe/Dublin",
    "UTC",
];

/// Ours, and theirs where it is written in another way.
const EXPRESSIONS: &[(&str, &str)] = &[
    ("15 2 * * *", ""),
    ("30 2 * * *", ""),
    ("0 0 * * *", ""),
    ("0 9 * * mon-fri", ""),
    ("5,35 4,5 * * *", ""),
    ("0 0 1 * *", ""),
    ("0 12 13 * fri", ""),
    ("0 0 L * *", ""),
    ("0 6 29 2 *", ""),
    ("30 4 * * 5L", "30 4 * * 5#L"),
    ("30 4 * * mon#1,thu#3", ""),
    ("0 0 1 1,4,7,10 *", ""),
    ("30 15 7 10-20/3 6 ?", ""),
    ("@weekly", ""),
    ("@yearly", ""),
    ("0 8-18/2 * jan-mar tue,thu", ""),
];

#[test]
fn ten_years_are_the_same() {
    let (from, until) = (FROM.parse().unwrap(), UNTIL.parse().unwrap());
    let mut compared = 0;
    for zone in ZONES {
        for (expression, other) in EXPRESSIONS {
            let other = if other.is_empty() { expression } else { other };
            let (ours, theirs) = (ours(expression, zone, from, until), theirs(other, zone, from, until));
            let first = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
            assert_eq!(first, None, "{expression} in {zone}");
            assert_eq!(ours.len(), theirs.len(), "{expression} in {zone}");
            compared += ours.len();
        }
    }
    assert!(compared > 200_000, "only {compared} fires were compared");
}

/// Every hour and oftener, around each change of the clocks: the bulk of ten years in between is the same fire again
/// and again.
#[test]
fn the_hours_around_every_change_are_the_same() {
    let until: Timestamp = UNTIL.parse().unwrap();
    let mut compared = 0;
    for zone in ZONES {
        let rules = TimeZone::get(zone).unwrap();
        let from: Timestamp = FROM.parse().unwrap();
        for change in rules.following(from).take_while(|change| change.timestamp() < until) {
            let day = SignedDuration::from_hours(26);
            let (from, until) = (change.timestamp() - day, change.timestamp() + day);
            for expression in ["*/10 * * * *", "* * * * *", "*/15 */1 * * *", "*/7 * * * sun"] {
                let (ours, theirs) =
                    (ours(expression, zone, from, until), theirs(expression, zone, from, until));
                assert_eq!(ours, theirs, "{expression} in {zone} around {}", change.timestamp());
                compared += ours.len();
            }
        }
    }
    assert!(compared > 100_000, "only {compared} fires were compared");
}

/// What is meant otherwise, on purpose. A star in the minutes makes an expression an interval for croner, as for
/// Vixie cron; for us only every hour does. croner passes over what a gap skips then. It also does
/// if the hour behind the gap has fires of its own, or if the gap is a whole day.
#[test]
fn the_differences_are_these() {
    let cases = [
        ("*/15 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"),
        ("*/15 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"),
        ("0 */2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T06:00:00Z"),
        ("5,35 1,2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"),
        ("0 9 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z"),
    ];
    let shown = |fires: Vec<Timestamp>| fires.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = cases
        .iter()
        .map(|(expression, zone, from, until)| {
            let (from, until) = (from.parse().unwrap(), until.parse().unwrap());
            let (ours, theirs) = (ours(expression, zone, from, until), theirs(expression, zone, from, until));
            format!("{expression} in {zone}\n  ours   {}\n  theirs {}", shown(ours), shown(theirs))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
