//! The items of a `foreach`: which begin, whether the step has ended, and how their rows are numbered.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::definition::Foreach;
use crate::transition::StepEvent;

/// How far the items of a step are. Small on purpose: what an item's end costs does not grow with their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Items {
    /// All of them.
    pub total: u32,
    /// Those that were handed to the action stage; they begin in their order.
    pub started: u32,
    /// Those that have ended, however.
    pub ended: u32,
    /// Those that have failed or were interrupted.
    pub failed: u32,
}

/// What to do with the items of a step now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemPlan {
    /// The items that are handed to the action stage.
    pub start: Range<u32>,
    /// How the step ends, if it does: `Succeed` or `Fail`. Items that were not begun are skipped with it.
    pub end: Option<StepEvent>,
}

/// Decides what the items of a step do next. Call it when the step begins and whenever an item has ended.
pub fn items(foreach: &Foreach, items: Items) -> ItemPlan {
    let Items { total, started, ended, failed } = items;
    let under_way = started.saturating_sub(ended);
    let room = foreach.max_parallel.saturating_sub(under_way);
    let stopped = foreach.fail_fast && failed > 0;
    let begin = if stopped { 0 } else { room.min(total.saturating_sub(started)) };
    let over = under_way == 0 && begin == 0;
    let event = if failed > 0 { StepEvent::Fail } else { StepEvent::Succeed };
    ItemPlan { start: started..started + begin, end: over.then_some(event) }
}

/// A row of a run: a step, or one item of a step.
///
/// Rows are numbered so that a step has its own position, and the items of all steps follow behind the last step:
/// item `i` of step `s` of `n` steps has the number `(i + 1) * n + s`. The number alone says what the row is, whoever
/// holds it: jobs, attempts, log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The step's position.
    pub step: usize,
    /// The item's, from 0.
    pub item: Option<u32>,
}

impl Slot {
    /// The row of a step.
    pub const fn step(step: usize) -> Self {
        Self { step, item: None }
    }

    /// What a row is, in a workflow of so many steps.
    pub fn of(index: u32, steps: usize) -> Self {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX).max(1);
        let step = usize::try_from(index % steps).unwrap_or(usize::MAX);
        Self { step, item: (index / steps).checked_sub(1) }
    }

    /// The row's number, in a workflow of so many steps.
    pub fn index(self, steps: usize) -> u32 {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let before = self.item.map_or(0, |item| item.saturating_add(1).saturating_mul(number(steps)));
        before.saturating_add(number(self.step))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expression::ValueTemplate;

    fn foreach(max_parallel: u32, fail_fast: bool) -> Foreach {
        Foreach { items: ValueTemplate::constant(serde_json::Value::Null), max_parallel, fail_fast }
    }

    #[test]
    fn nothing_to_do_is_done_at_once() {
        let plan = items(&foreach(3, true), Items::default());
        assert_eq!(plan, ItemPlan { start: 0..0, end: Some(StepEvent::Succeed) });
    }

    #[test]
    fn after_a_failure_no_item_begins_unless_it_is_told_to_go_on() {
        let state = Items { total: 9, started: 3, ended: 1, failed: 1 };
        assert_eq!(items(&foreach(3, true), state), ItemPlan { start: 3..3, end: None });
        assert_eq!(items(&foreach(3, false), state), ItemPlan { start: 3..4, end: None });
        let last = Items { total: 9, started: 3, ended: 3, failed: 1 };
        assert_eq!(items(&foreach(3, true), last), ItemPlan { start: 3..3, end: Some(StepEvent::Fail) });
    }

    proptest! {
        #[test]
        fn every_item_begins_once_and_the_step_ends(
            total in 0_u32..60,
            max_parallel in 1_u32..8,
            fail_fast: bool,
            outcomes in proptest::collection::vec(0_u8..10, 60),
        ) {
            let foreach = foreach(max_parallel, fail_fast);
            let mut state = Items { total, ..Items::default() };
            loop {
                let plan = items(&foreach, state);
                prop_assert_eq!(&plan, &items(&foreach, state), "not the same twice");
                prop_assert_eq!(plan.start.start, state.started, "an item is lost or begins twice");
                state.started = plan.start.end;
                prop_assert!(state.started <= total && state.started - state.ended <= max_parallel);
                if let Some(end) = plan.end {
                    prop_assert_eq!(state.started, state.ended);
                    prop_assert_eq!(end == StepEvent::Fail, state.failed > 0);
                    prop_assert!(state.ended == total || (fail_fast && state.failed > 0));
                    break;
                }
                prop_assert!(state.ended < state.started, "stuck");
                state.failed += u32::from(outcomes[state.ended as usize] == 0);
                state.ended += 1;
            }
        }

        #[test]
        fn a_row_is_known_by_its_number(steps in 1_usize..500, step in 0_usize..500, item in proptest::option::of(0_u32..1_000)) {
            let slot = Slot { step: step % steps, item };
            prop_assert_eq!(Slot::of(slot.index(steps), steps), slot);
            prop_assert_eq!(item.is_none(), (slot.index(steps) as usize) < steps);
        }
    }
}
