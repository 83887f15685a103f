//! What becomes of a fire that is due, given what the workflow's schedules have started before. Pure.

use tenantry_protocol::id::RunId;
use tenantry_workflow::Overlap;

/// Fires of a workflow that may wait for their turn.
pub(super) const HELD_LIMIT: u32 = 100;

/// What stands in the way of a fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// Nothing.
    No,
    /// The event before is on its way.
    Pending,
    /// The run before has not ended.
    Running(RunId),
    /// The run before ends early, and tidies up.
    Stopping,
}

/// What becomes of a fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It becomes an event.
    Start,
    /// It starts none.
    Skip,
    /// It waits until nothing stands in its way.
    Hold,
    /// It takes the place of those that wait, which start none; what stands in its way is cancelled.
    HoldAlone,
    /// There is no room: it is not decided now.
    Later,
}

/// Decides. `redeemed` is a fire that came late and belongs to a schedule that makes up for all of them: who wants all
/// that was missed does not want them to skip each other. `held` fires wait already.
pub(super) const fn fate(overlap: Overlap, redeemed: bool, held: u32, busy: Busy) -> Fate {
    if matches!(overlap, Overlap::Allow) || (held == 0 && matches!(busy, Busy::No)) {
        return Fate::Start;
    }
    let full = held >= HELD_LIMIT;
    match overlap {
        Overlap::Allow => Fate::Start,
        Overlap::CancelRunning => Fate::HoldAlone,
        Overlap::Skip | Overlap::Queue if redeemed && full => Fate::Later,
        Overlap::Skip | Overlap::Queue if redeemed => Fate::Hold,
        Overlap::Skip => Fate::Skip,
        Overlap::Queue if full => Fate::Skip,
        Overlap::Queue => Fate::Hold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_beside_everything_that_stands_in_the_way() {
        let run = Busy::Running(RunId::new(1));
        let ways = [
            (0, Busy::No),
            (0, Busy::Pending),
            (0, run),
            (0, Busy::Stopping),
            (1, Busy::No),
            (HELD_LIMIT, run),
        ];
        let table = [
            (Overlap::Allow, false, [Fate::Start; 6]),
            (Overlap::Allow, true, [Fate::Start; 6]),
            (Overlap::Skip, false, [Fate::Start, Fate::Skip, Fate::Skip, Fate::Skip, Fate::Skip, Fate::Skip]),
            (Overlap::Skip, true, [Fate::Start, Fate::Hold, Fate::Hold, Fate::Hold, Fate::Hold, Fate::Later]),
            (
                Overlap::Queue,
                false,
                [Fate::Start, Fate::Hold, Fate::Hold, Fate::Hold, Fate::Hold, Fate::Skip],
            ),
            (
                Overlap::Queue,
                true,
                [Fate::Start, Fate::Hold, Fate::Hold, Fate::Hold, Fate::Hold, Fate::Later],
            ),
            (
                Overlap::CancelRunning,
                false,
                [
                    Fate::Start,
                    Fate::HoldAlone,
                    Fate::HoldAlone,
                    Fate::HoldAlone,
                    Fate::HoldAlone,
                    Fate::HoldAlone,
                ],
            ),
        ];
        for (overlap, redeemed, wanted) in table {
            let decided = ways.map(|(held, busy)| fate(overlap, redeemed, held, busy));
            assert_eq!(decided, wanted, "{overlap:?}, redeemed: {redeemed}");
        }
    }
}
