use proptest::prelude::*;

use super::*;

fn rate(limit: u32, per_ms: u64, burst: u32) -> Throttle {
    Throttle { limit, per_ms, burst, key: None }
}

#[test]
fn a_group_lets_in_as_many_as_its_limit_and_nobody_past_those_who_wait() {
    use OnConflict as O;
    for on_conflict in O::ALL {
        assert_eq!(enter(*on_conflict, 2, 1, 0), Entry::Go);
    }
    assert_eq!(enter(O::Queue, 2, 2, 0), Entry::Wait);
    assert_eq!(enter(O::Queue, 2, 1, 1), Entry::Wait, "the one that waits came earlier");
    assert_eq!(enter(O::Queue, 2, 2, MAX_WAITING_RUNS), Entry::Refuse);
    assert_eq!(enter(O::Skip, 2, 2, 0), Entry::Skip);
    assert_eq!(enter(O::CancelRunning, 2, 2, 0), Entry::CancelOthers);
}

#[test]
fn a_throttle_refuses_what_would_wait_too_long() {
    let slow = rate(1, 1_000, 1);
    let mut arrival = None;
    let mut begun = 0;
    while let Some(slot) = throttle(&slow, arrival, 0) {
        assert_eq!(slot.begin_at, begun * 1_000);
        arrival = Some(slot.arrival_us);
        begun += 1;
    }
    assert_eq!(begun, i64::from(MAX_WAITING_RUNS));
    // When the first of them has begun, there is room for one.
    assert!(throttle(&slow, arrival, 1_000).is_some());
}

#[test]
fn a_burst_begins_at_once_after_a_quiet_time() {
    let throttled = rate(60, 60_000, 3);
    let mut arrival = None;
    let mut begun = Vec::new();
    for _ in 0..5 {
        let slot = throttle(&throttled, arrival, 10_000).unwrap();
        arrival = Some(slot.arrival_us);
        begun.push(slot.begin_at);
    }
    assert_eq!(begun, [10_000, 10_000, 10_000, 11_000, 12_000]);
}

#[test]
fn a_debounce_waits_for_quiet_but_not_for_ever() {
    let patient = Debounce { key: None, for_ms: 10, max_wait_ms: None };
    assert_eq!(debounce(&patient, 0, 95), 105);
    let impatient = Debounce { key: None, for_ms: 10, max_wait_ms: Some(100) };
    assert_eq!(debounce(&impatient, 0, 50), 60);
    assert_eq!(debounce(&impatient, 0, 95), 100);
}

#[test]
fn a_batch_is_full_by_count_or_by_bytes() {
    let batch = Batch { size: 3, within_ms: 1, key: None };
    let open = |count, bytes| Some(Gathered { count, bytes });
    assert_eq!(place(&batch, None, 1), Placed { opens_next: false, fills: false });
    assert_eq!(place(&batch, open(2, 2), 1), Placed { opens_next: false, fills: true });
    assert_eq!(place(&batch, open(1, MAX_BATCH_BYTES - 1), 2), Placed { opens_next: true, fills: false });
    assert_eq!(place(&batch, open(1, 1), MAX_BATCH_BYTES - 1), Placed { opens_next: false, fills: true });
    assert_eq!(place(&batch, None, MAX_BATCH_BYTES * 2), Placed { opens_next: false, fills: true });
}

#[test]
fn the_run_of_a_batch_has_the_keys_of_its_first_event() {
    let text = "name: w\non: { event: a }\nbatch: { size: 9, within: 1s, key: \"${{ event.body.a }}\" }\n\
                throttle: { limit: 1, per: 1s, key: \"${{ event.body.a }}\" }\n\
                concurrency: { group: \"${{ event.items[1].body.a }}/${{ event.name }}\" }\nsteps: [{ run: echo }]\n";
    let workflow = crate::check("w.yaml", text, crate::Format::Yaml).workflow.unwrap();
    let single = |a: &str| serde_json::json!({ "name": "row", "body": { "a": a }, "items": null });
    let first = single("x");
    let context = Context { event: &first, ..Context::default() };
    assert_eq!(workflow.pace.gather_key(&context).unwrap().as_deref(), Some("x"));
    let items = [single("x"), single("y")];
    let batch = serde_json::json!({ "name": "row", "body": { "items": items }, "items": items });
    let keys = workflow.pace.keys(&Context { event: &batch, ..Context::default() }).unwrap();
    assert_eq!((keys.throttle.as_deref(), keys.group.as_deref()), (Some("x"), Some("y/row")));
}

#[test]
fn a_key_is_cut_at_a_character() {
    assert_eq!(shortened("é".repeat(600)).len(), MAX_KEY_BYTES);
    assert_eq!(shortened("x".to_owned()), "x");
}

proptest! {
    /// However events come, runs begin in their order, never before them, and never more than the bound within any
    /// `per`; and nothing waits longer than the rate makes necessary.
    #[test]
    fn a_throttle_keeps_its_rate(
        limit in 1_u32..50,
        per_ms in 1_u64..5_000,
        burst in 1_u32..10,
        gaps in prop::collection::vec(0_i64..400, 1..300),
    ) {
        let throttled = rate(limit, per_ms, burst.min(limit));
        let (mut now, mut arrival) = (1_000_000, None);
        let mut begins: Vec<i64> = Vec::new();
        for gap in gaps {
            now += gap;
            let Some(slot) = throttle(&throttled, arrival, now) else { continue };
            prop_assert!(slot.begin_at >= now);
            prop_assert!(begins.last().is_none_or(|last| *last <= slot.begin_at));
            arrival = Some(slot.arrival_us);
            begins.push(slot.begin_at);
        }
        let per = i64::try_from(per_ms).unwrap();
        let most = usize::try_from(limit + throttled.burst - 1).unwrap();
        for (index, first) in begins.iter().enumerate() {
            // Begins are rounded up to whole milliseconds, so a window is one shorter to be exact.
            let within = begins.get(index..).unwrap().iter().take_while(|at| **at < first + per - 1).count();
            prop_assert!(within <= most, "{within} of {most} within {per} ms");
        }
    }

    /// A simulated group: whatever comes and ends, at most `limit` go on, whoever waits longest goes first, and
    /// nobody waits while there is room.
    #[test]
    fn a_group_keeps_its_limit_and_its_order(
        limit in 1_u32..5,
        moves in prop::collection::vec(any::<bool>(), 1..200),
    ) {
        let (mut going, mut waiting, mut began, mut next) = (Vec::new(), Vec::new(), Vec::new(), 0_u32);
        for comes in moves {
            if comes {
                match enter(OnConflict::Queue, limit, going.len() as u32, waiting.len() as u32) {
                    Entry::Go => { going.push(next); began.push(next); }
                    Entry::Wait => waiting.push(next),
                    other => prop_assert!(false, "{other:?}"),
                }
                next += 1;
            } else if !going.is_empty() {
                going.remove(0);
                while !waiting.is_empty() && (going.len() as u32) < limit {
                    let first = waiting.remove(0);
                    going.push(first);
                    began.push(first);
                }
            }
            prop_assert!(going.len() as u32 <= limit);
            prop_assert!(waiting.is_empty() || going.len() as u32 == limit);
        }
        prop_assert!(began.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
