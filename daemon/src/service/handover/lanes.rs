//! Which job is next: deficit round robin over tenants, with a ceiling a tenant and a bound on memory.
//!
//! Pure bookkeeping: no clock, no tasks, no store. A tenant that floods fills its own lane only; when a lane or
//! the memory is full, further jobs stay on disk and the lane is *behind* until a refill has caught up. While a
//! lane is behind, new jobs go to disk as well, so that a tenant's jobs keep their order.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;

/// Jobs that one refill claims at the most: other closures and other files wait meanwhile.
const REFILL: usize = 128;

/// What bounds the lanes of one stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaneLimits {
    /// Jobs in memory over all tenants, reserved slots included.
    pub(super) jobs: usize,
    /// Bytes in memory over all tenants.
    pub(super) bytes: usize,
    /// Jobs that one tenant may have in handlers at the same time.
    pub(super) ceiling: usize,
}

impl LaneLimits {
    /// One tenant takes at most a quarter of the memory, so that a flood leaves room for the others.
    const fn share(&self) -> usize {
        let quarter = self.jobs / 4;
        if quarter == 0 { 1 } else { quarter }
    }

    /// A lane that is behind is refilled when it holds no more than this.
    const fn refill_below(&self) -> usize {
        self.share() / 4
    }
}

struct Lane<J> {
    jobs: VecDeque<(J, usize)>,
    reserved: usize,
    in_flight: usize,
    weight: u32,
    credit: u32,
    in_ring: bool,
    /// Due jobs of this tenant may lie on disk.
    behind: bool,
    /// A refill is under way.
    refilling: bool,
}

impl<J> Lane<J> {
    /// Jobs in memory that no handler has, those included whose commit is under way.
    fn waiting(&self) -> usize {
        self.jobs.len() + self.reserved
    }
}

/// The lanes of one stage.
pub(super) struct Lanes<K, J> {
    limits: LaneLimits,
    by_tenant: HashMap<K, Lane<J>>,
    ring: VecDeque<K>,
    jobs: usize,
    bytes: usize,
    /// When jobs that wait on disk become due.
    due: BTreeSet<(i64, K)>,
}

impl<K: Copy + Eq + Ord + Hash, J> Lanes<K, J> {
    pub(super) fn new(limits: LaneLimits) -> Self {
        Self {
            limits,
            by_tenant: HashMap::new(),
            ring: VecDeque::new(),
            jobs: 0,
            bytes: 0,
            due: BTreeSet::new(),
        }
    }

    fn lane(&mut self, tenant: K) -> &mut Lane<J> {
        self.by_tenant.entry(tenant).or_insert_with(|| Lane {
            jobs: VecDeque::new(),
            reserved: 0,
            in_flight: 0,
            weight: 1,
            credit: 0,
            in_ring: false,
            behind: false,
            refilling: false,
        })
    }

    pub(super) fn set_weight(&mut self, tenant: K, weight: u32) {
        self.lane(tenant).weight = weight.max(1);
    }

    /// Whether no job of the tenant waits, in memory or, as far as is known, on disk.
    pub(super) fn is_empty(&self, tenant: K) -> bool {
        self.by_tenant.get(&tenant).is_none_or(|lane| lane.waiting() == 0 && !lane.behind)
    }

    /// Whether a job of the tenant would be begun at once, were it not for the other tenants.
    pub(super) fn has_room(&self, tenant: K) -> bool {
        let room = |lane: &Lane<J>| !lane.behind && lane.waiting() + lane.in_flight < self.limits.ceiling;
        self.by_tenant.get(&tenant).is_none_or(room)
    }

    /// Reserves memory for one job. Without it the job stays on disk and the lane is behind.
    pub(super) fn reserve(&mut self, tenant: K, bytes: usize) -> bool {
        let share = self.limits.share();
        let full = self.jobs >= self.limits.jobs || self.bytes.saturating_add(bytes) > self.limits.bytes;
        let lane = self.lane(tenant);
        if full || lane.behind || lane.waiting() >= share {
            lane.behind = true;
            return false;
        }
        lane.reserved += 1;
        self.jobs += 1;
        self.bytes += bytes;
        true
    }

    /// Gives a reserved slot back unused.
    pub(super) fn unreserve(&mut self, tenant: K, bytes: usize) {
        let lane = self.lane(tenant);
        lane.reserved = lane.reserved.saturating_sub(1);
        self.jobs = self.jobs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Puts a job into its reserved slot.
    pub(super) fn push(&mut self, tenant: K, job: J, bytes: usize) {
        let lane = self.lane(tenant);
        lane.reserved = lane.reserved.saturating_sub(1);
        lane.jobs.push_back((job, bytes));
        if !lane.in_ring {
            lane.in_ring = true;
            self.ring.push_back(tenant);
        }
    }

    /// How many jobs a refill of this tenant may claim; the slots are reserved.
    pub(super) fn reserve_refill(&mut self, tenant: K) -> usize {
        let room = self.limits.jobs.saturating_sub(self.jobs);
        let room = if self.bytes >= self.limits.bytes { 0 } else { room };
        let share = self.limits.share();
        let lane = self.lane(tenant);
        let count = share.saturating_sub(lane.waiting()).min(room).min(REFILL);
        lane.reserved += count;
        lane.refilling = true;
        self.jobs += count;
        count
    }

    /// Adds the bytes of a job that a refill claimed.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Ends a refill; `caught_up` when nothing due is left on disk.
    pub(super) fn refilled(&mut self, tenant: K, caught_up: bool) {
        let lane = self.lane(tenant);
        lane.refilling = false;
        lane.behind |= !caught_up;
    }

    /// Says that due jobs of this tenant may lie on disk.
    pub(super) fn set_behind(&mut self, tenant: K) {
        self.lane(tenant).behind = true;
    }

    /// Within the transaction that claimed the last due job: what is inserted after it may go through memory.
    pub(super) fn caught_up(&mut self, tenant: K) {
        self.lane(tenant).behind = false;
    }

    /// Says that a job on disk becomes due at this time.
    pub(super) fn due_at(&mut self, tenant: K, at: i64) {
        self.due.insert((at, tenant));
    }

    /// The earliest time at which a job on disk becomes due.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The tenants that want a refill now.
    pub(super) fn wanting(&mut self, now: i64) -> Vec<K> {
        while let Some((at, tenant)) = self.due.first().copied() {
            if at > now {
                break;
            }
            self.due.pop_first();
            self.set_behind(tenant);
        }
        if self.jobs >= self.limits.jobs {
            return Vec::new();
        }
        let below = self.limits.refill_below();
        let wants = |lane: &Lane<J>| lane.behind && !lane.refilling && lane.waiting() <= below;
        self.by_tenant.iter().filter(|(_, lane)| wants(lane)).map(|(tenant, _)| *tenant).collect()
    }

    /// The next job by turns, and whether its lane now wants a refill.
    pub(super) fn take(&mut self) -> Option<(K, J, bool)> {
        let ceiling = self.limits.ceiling;
        let below = self.limits.refill_below();
        for _ in 0..self.ring.len() {
            let tenant = *self.ring.front()?;
            let lane = self.by_tenant.get_mut(&tenant)?;
            if lane.in_flight >= ceiling {
                self.ring.rotate_left(1);
                continue;
            }
            let Some((job, bytes)) = lane.jobs.pop_front() else {
                lane.in_ring = false;
                self.ring.pop_front();
                continue;
            };
            if lane.credit == 0 {
                lane.credit = lane.weight;
            }
            lane.credit -= 1;
            lane.in_flight += 1;
            let wants_refill = lane.behind && !lane.refilling && lane.waiting() <= below;
            if lane.jobs.is_empty() {
                lane.credit = 0;
                lane.in_ring = false;
                self.ring.pop_front();
            } else if lane.credit == 0 {
                self.ring.rotate_left(1);
            }
            self.jobs = self.jobs.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(bytes);
            return Some((tenant, job, wants_refill));
        }
        None
    }

    /// A handler of this tenant has ended. True if a job of the tenant waits that the ceiling held back.
    pub(super) fn done(&mut self, tenant: K) -> bool {
        let ceiling = self.limits.ceiling;
        let lane = self.lane(tenant);
        let held_back = lane.in_flight >= ceiling && !lane.jobs.is_empty();
        lane.in_flight = lane.in_flight.saturating_sub(1);
        held_back
    }

    /// Forgets a tenant that is no longer served; its jobs in memory are dropped, their leases lapse.
    pub(super) fn forget(&mut self, tenant: K) {
        if let Some(lane) = self.by_tenant.remove(&tenant) {
            self.jobs = self.jobs.saturating_sub(lane.waiting());
            self.bytes = self.bytes.saturating_sub(lane.jobs.iter().map(|(_, bytes)| bytes).sum());
        }
        self.ring.retain(|other| *other != tenant);
        self.due.retain(|(_, other)| *other != tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: LaneLimits = LaneLimits { jobs: 40, bytes: 1_000, ceiling: 3 };

    fn lanes() -> Lanes<u8, u32> {
        Lanes::new(LIMITS)
    }

    fn fill(lanes: &mut Lanes<u8, u32>, tenant: u8, jobs: std::ops::Range<u32>) {
        for job in jobs {
            assert!(lanes.reserve(tenant, 1));
            lanes.push(tenant, job, 1);
        }
    }

    #[test]
    fn tenants_take_turns_and_weights_lengthen_a_turn() {
        let mut lanes = lanes();
        lanes.set_weight(2, 2);
        fill(&mut lanes, 1, 0..3);
        fill(&mut lanes, 2, 10..13);
        let order: Vec<_> = std::iter::from_fn(|| lanes.take()).map(|(_, job, _)| job).collect();
        assert_eq!(order, [0, 10, 11, 1, 12, 2]);
    }

    #[test]
    fn the_ceiling_holds_a_tenant_back_until_one_of_its_handlers_ends() {
        let mut lanes = lanes();
        fill(&mut lanes, 1, 0..5);
        assert_eq!(std::iter::from_fn(|| lanes.take()).count(), LIMITS.ceiling);
        assert!(lanes.done(1), "a job was held back");
        assert_eq!(lanes.take().map(|(_, job, _)| job), Some(3));
    }

    #[test]
    fn a_full_lane_is_behind_until_a_refill_has_caught_up() {
        let mut lanes = lanes();
        fill(&mut lanes, 1, 0..10);
        assert!(!lanes.reserve(1, 1), "a quarter of the memory is one tenant's share");
        assert!(lanes.reserve(2, 1), "another tenant is not touched by it");
        for _ in 0..9 {
            lanes.take();
            lanes.done(1);
        }
        assert!(!lanes.reserve(1, 1), "while behind, new jobs queue up on disk");
        assert_eq!(lanes.wanting(0), [1]);
        assert_eq!(lanes.reserve_refill(1), 9);
        assert!(lanes.wanting(0).is_empty(), "one refill at a time");
        lanes.push(1, 99, 1);
        for _ in 0..8 {
            lanes.unreserve(1, 0);
        }
        lanes.caught_up(1);
        lanes.refilled(1, true);
        assert!(lanes.reserve(1, 1));
    }

    #[test]
    fn a_refill_is_bounded_however_much_memory_is_free() {
        let mut lanes = Lanes::<u8, u32>::new(LaneLimits { jobs: 100_000, ..LIMITS });
        lanes.set_behind(1);
        assert_eq!(lanes.reserve_refill(1), REFILL);
    }

    #[test]
    fn delayed_jobs_ask_for_a_refill_when_they_are_due() {
        let mut lanes = lanes();
        lanes.due_at(4, 100);
        assert_eq!(lanes.next_due(), Some(100));
        assert!(lanes.wanting(99).is_empty());
        assert_eq!(lanes.wanting(100), [4]);
        assert_eq!(lanes.next_due(), None);
    }

    #[test]
    fn a_tenant_has_room_while_its_handlers_are_not_all_taken() {
        let mut lanes = lanes();
        assert!(lanes.is_empty(1) && lanes.has_room(1));
        assert!(lanes.reserve(1, 1));
        assert!(!lanes.is_empty(1), "its commit is under way");
        lanes.push(1, 0, 1);
        lanes.take();
        assert!(lanes.is_empty(1) && lanes.has_room(1));
        fill(&mut lanes, 1, 1..3);
        assert!(!lanes.has_room(1) && lanes.has_room(2));
        let mut lanes = self::lanes();
        lanes.set_behind(1);
        assert!(!lanes.is_empty(1) && !lanes.has_room(1), "what lies on disk is ahead");
    }

    #[test]
    fn bytes_bound_the_memory_too() {
        let mut lanes = lanes();
        assert!(lanes.reserve(1, 900));
        assert!(!lanes.reserve(2, 200));
        lanes.unreserve(1, 900);
        assert!(lanes.reserve(3, 200));
    }

    proptest! {
        #[test]
        fn no_job_is_lost_and_each_tenant_keeps_its_order(
            script in prop::collection::vec((0u8..4, any::<bool>()), 0..200),
        ) {
            let mut lanes = Lanes::new(LaneLimits { jobs: 1_000, bytes: 100_000, ceiling: 1_000 });
            let (mut pushed, mut taken) = (Vec::new(), Vec::new());
            for (number, (tenant, push)) in script.into_iter().enumerate() {
                if push {
                    if lanes.reserve(tenant, 1) {
                        lanes.push(tenant, number, 1);
                        pushed.push((tenant, number));
                    }
                } else if let Some((tenant, job, _)) = lanes.take() {
                    taken.push((tenant, job));
                }
            }
            taken.extend(std::iter::from_fn(|| lanes.take()).map(|(tenant, job, _)| (tenant, job)));
            for tenant in 0..4 {
                let of = |list: &[(u8, usize)]| {
                    list.iter().filter(|(t, _)| *t == tenant).map(|(_, j)| *j).collect::<Vec<_>>()
                };
                prop_assert_eq!(of(&pushed), of(&taken));
            }
            prop_assert_eq!((lanes.jobs, lanes.bytes), (0, 0));
        }
    }
}
