//! When a run begins, beside others: groups, throttles, debounces and batches, decided and nothing else.
//!
//! Pure: what is known goes in, what shall be written comes out, so that a year of events is a property test. The
//! daemon keeps what is known in the tenant's file and writes the decision in the same transaction.
//! Go next to [`crate::Pace`] for what a workflow says about it.

use serde_json::Value;

use crate::context::Context;
use crate::definition::{Batch, Debounce, OnConflict, Pace, Throttle};
use crate::expression::{ExpressionError, Template};
use crate::limits::{MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_THROTTLE_DELAY_MS, MAX_WAITING_RUNS};

/// The texts that a workflow's keys have for the event of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Of `concurrency`, if there is one.
    pub group: Option<String>,
    /// Of `throttle`, if there is one.
    pub throttle: Option<String>,
}

impl Pace {
    /// Evaluates the keys of a run. Without a text of its own, a key is empty: all runs together. For the run of a
    /// batch, `event` is here as the first of its events was, with all of them as `items`.
    pub fn keys(&self, context: &Context<'_>) -> Result<Keys, ExpressionError> {
        let group = self.concurrency.as_ref().map(|concurrency| concurrency.group.as_ref());
        let throttle = self.throttle.as_ref().map(|throttle| throttle.key.as_ref());
        let reads = group.flatten().is_some() || throttle.flatten().is_some();
        let first = if reads && self.batch.is_some() { first_of_batch(context.event) } else { None };
        let context = Context { event: first.as_ref().unwrap_or(context.event), ..*context };
        Ok(Keys {
            group: group.map(|template| key(template, &context)).transpose()?,
            throttle: throttle.map(|template| key(template, &context)).transpose()?,
        })
    }

    /// Evaluates the key of `debounce` or `batch` for an event that comes; `None` if it need not wait for others.
    pub fn gather_key(&self, context: &Context<'_>) -> Result<Option<String>, ExpressionError> {
        let template = match (&self.debounce, &self.batch) {
            (Some(debounce), _) => debounce.key.as_ref(),
            (None, Some(batch)) => batch.key.as_ref(),
            (None, None) => return Ok(None),
        };
        key(template, context).map(Some)
    }
}

fn key(template: Option<&Template>, context: &Context<'_>) -> Result<String, ExpressionError> {
    template.map_or_else(|| Ok(String::new()), |template| template.text(context).map(shortened))
}

/// The first event of a batch, with all of them as its `items`; `None` if the event is not that of a batch.
fn first_of_batch(event: &Value) -> Option<Value> {
    let items = event.get("items")?;
    let mut first = items.as_array()?.first()?.as_object()?.clone();
    first.insert("items".to_owned(), items.clone());
    Some(Value::Object(first))
}

/// A key is compared and shown; what is longer than a name is cut at a character.
fn shortened(mut text: String) -> String {
    if text.len() > MAX_KEY_BYTES {
        let end = (0..=MAX_KEY_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
    }
    text
}

/// What happens to a run at the door of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It begins.
    Go,
    /// It waits for a place.
    Wait,
    /// Whoever is in the group is cancelled; it waits until the last of them has ended.
    CancelOthers,
    /// It is cancelled: the group is full, and its workflow says so.
    Skip,
    /// It is cancelled: too many wait already.
    Refuse,
}

/// Decides at the door of a group in which so many runs go on and so many wait.
pub const fn enter(on_conflict: OnConflict, limit: u32, going: u32, waiting: u32) -> Entry {
    // Whoever waits came earlier, so a free place is theirs.
    if going < limit && waiting == 0 {
        return Entry::Go;
    }
    match on_conflict {
        OnConflict::Skip => Entry::Skip,
        OnConflict::CancelRunning => Entry::CancelOthers,
        OnConflict::Queue if waiting >= MAX_WAITING_RUNS => Entry::Refuse,
        OnConflict::Queue => Entry::Wait,
    }
}

/// When a throttled run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Unix milliseconds; now, or later.
    pub begin_at: i64,
    /// What is kept for the next one: its theoretical arrival, unix microseconds.
    pub arrival_us: i64,
}

/// Takes the next slot of a throttle. `None` if too many wait for theirs already, or would wait too long.
pub fn throttle(throttle: &Throttle, arrival_us: Option<i64>, now_ms: i64) -> Option<Slot> {
    let slot = next_slot(throttle, arrival_us, now_ms);
    let ahead_us = slot.begin_at.saturating_sub(now_ms).saturating_mul(1_000);
    let longest = i64::try_from(MAX_THROTTLE_DELAY_MS).unwrap_or(i64::MAX).saturating_mul(1_000);
    let too_many = ahead_us / interval_us(throttle) >= i64::from(MAX_WAITING_RUNS);
    (!too_many && ahead_us <= longest).then_some(slot)
}

/// The next slot of a throttle by the generic cell rate algorithm (ITU-T I.371): runs begin `per / limit` apart, and
/// `burst` of them may begin at once after a quiet time. So at most `limit + burst - 1` begin within any `per`.
pub fn next_slot(throttle: &Throttle, arrival_us: Option<i64>, now_ms: i64) -> Slot {
    let now = now_ms.saturating_mul(1_000);
    let apart = interval_us(throttle);
    let arrival = arrival_us.unwrap_or(now).max(now);
    let lead = apart.saturating_mul(i64::from(throttle.burst.saturating_sub(1)));
    let begin = now.max(arrival.saturating_sub(lead));
    // Never early: a begin within a millisecond is put to its end.
    let begin_at = begin.saturating_add(999).div_euclid(1_000);
    Slot { begin_at, arrival_us: arrival.saturating_add(apart) }
}

/// The time between two runs of a throttle, in milliseconds, rounded down.
pub fn interval_ms(throttle: &Throttle) -> i64 {
    interval_us(throttle) / 1_000
}

/// The time between two runs of a throttle, in microseconds.
fn interval_us(throttle: &Throttle) -> i64 {
    let per = i64::try_from(throttle.per_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
    let limit = i64::from(throttle.limit.max(1));
    (per.saturating_add(limit - 1) / limit).max(1)
}

/// When the last of the events of a debounce starts its run, if no other comes; unix milliseconds.
pub fn debounce(debounce: &Debounce, first_ms: i64, now_ms: i64) -> i64 {
    let quiet = now_ms.saturating_add_unsigned(debounce.for_ms);
    debounce.max_wait_ms.map_or(quiet, |most| quiet.min(first_ms.saturating_add_unsigned(most)))
}

/// What a batch holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Events.
    pub count: u32,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// Where an event of a batch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Whether the open batch is full without it and it opens the next one.
    pub opens_next: bool,
    /// Whether the batch that it is in is full with it.
    pub fills: bool,
}

/// Puts one more event into the open batch, if there is one, or into the next.
pub const fn place(batch: &Batch, open: Option<Gathered>, bytes: u64) -> Placed {
    let (count, held, opens_next) = match open {
        Some(open) if open.bytes.saturating_add(bytes) <= MAX_BATCH_BYTES => (open.count, open.bytes, false),
        Some(_) => (0, 0, true),
        None => (0, 0, false),
    };
    Placed { opens_next, fills: count + 1 >= batch.size || held.saturating_add(bytes) >= MAX_BATCH_BYTES }
}

#[cfg(test)]
mod tests;
