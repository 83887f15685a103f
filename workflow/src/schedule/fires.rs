//! Local times into instants, across every change of the clocks; see [`crate::schedule`] for what is meant.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;

/// No zone ever moved its clocks by more, so what is further away is not touched by a change.
const LARGEST_CHANGE: SignedDuration = SignedDuration::from_hours(50);
/// A second, the unit of local times.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The first fire after an instant.
pub(super) fn next(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    if cron.is_every_hour() { next_real(cron, zone, after) } else { next_named(cron, zone, after) }
}

/// For local times that are named: each fires once, at its first instant, or at the end of the gap that skips it.
/// That mapping never runs backwards, so the first local time whose instant lies ahead is the next one.
fn next_named(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let mut from = whole(zone.to_datetime(after));
    // Ends: `from` grows, and local times whose instant is not ahead lie within one gap or repetition.
    loop {
        let local = cron.next_local(from)?;
        let instant = first_instant(zone, local)?;
        if instant > after {
            return Some(instant);
        }
        from = local.checked_add(SECOND).ok()?;
    }
}

/// The first instant at which clocks show a local time, or at which they have passed over it.
pub(super) fn first_instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(local).ok()
        }
        AmbiguousOffset::Gap { after, .. } => {
            // Read with the offset behind the gap, the time lies just before it.
            let before_gap = after.to_timestamp(local).ok()?;
            zone.following(before_gap)
                .find(|change| change.offset() == after)
                .map(|change| change.timestamp())
        }
    }
}

/// For every hour: whatever instant shows a time that is meant. Looks at one stretch of constant offset after
/// the other.
fn next_real(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let mut start = after;
    let mut from = whole(zone.to_datetime(after)).checked_add(SECOND).ok()?;
    loop {
        let local = cron.next_local(from)?;
        let change = zone.following(start).next().map(|change| change.timestamp());
        let instant = zone.to_offset(start).to_timestamp(local).ok()?;
        match change {
            Some(change) if instant >= change => {
                // Far ahead, the changes in between cannot matter.
                let near = instant.checked_sub(LARGEST_CHANGE).unwrap_or(change);
                start = change.max(near);
                from = whole(zone.to_datetime(start));
            }
            _ => return Some(instant),
        }
    }
}

fn whole(local: DateTime) -> DateTime {
    local.with().subsec_nanosecond(0).build().unwrap_or(local)
}
