//! Which refused calls become audit records of their own, and which are only counted. Pure: the time is handed in.
//!
//! In a window of a minute the first refusals of a principal at an operation are records; the others are counted, and
//! the count is one record once the window is over. **Invariant:** no loop of refused calls grows a log, or this room,
//! beyond its limits. Go next to `service::refusals` for what is written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenantry_protocol::id::TenantId;
use tenantry_protocol::path::Operation;

/// Principals and operations that are told apart at the same time; what is beyond is counted by tenant.
pub const KEY_LIMIT: usize = 4_096;
/// How long a window lasts, in milliseconds.
const WINDOW_MS: i64 = 60_000;

/// Who was refused what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The tenant whose principal called; `None` for the host's.
    pub tenant: Option<TenantId>,
    /// As audit records name it.
    pub actor: String,
    /// What it called.
    pub operation: Operation,
}

/// What becomes of one refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is a record of its own.
    Record,
    /// It is counted.
    Counted,
}

/// Refusals that were counted and not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// Whose log tells of them.
    pub tenant: Option<TenantId>,
    /// Who was refused what; `None` where there were too many to tell apart.
    pub caller: Option<Caller>,
    /// How many.
    pub count: u64,
}

struct Window {
    since: i64,
    told: u32,
    untold: u64,
}

#[derive(Default)]
struct Tables {
    windows: HashMap<Caller, Window>,
    /// Bounded by the number of tenants.
    beyond: HashMap<Option<TenantId>, u64>,
}

/// The refusals of the last minute.
pub struct Refusals {
    per_minute: u32,
    key_limit: usize,
    tables: Mutex<Tables>,
}

impl Refusals {
    /// So many refusals a minute of one caller are records of their own.
    pub fn new(per_minute: u32, key_limit: usize) -> Self {
        Self { per_minute, key_limit, tables: Mutex::default() }
    }

    /// Notes one refusal.
    pub fn note(&self, caller: Caller, now: i64) -> Noted {
        let mut guard = self.lock();
        let tables = &mut *guard;
        let full = tables.windows.len() >= self.key_limit;
        let window = match tables.windows.entry(caller) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) if full => {
                let tenant = entry.into_key().tenant;
                *tables.beyond.entry(tenant).or_default() += 1;
                return Noted::Counted;
            }
            Entry::Vacant(entry) => entry.insert(Window { since: now, told: 0, untold: 0 }),
        };
        // A window with something to tell stays open until it was told.
        if is_over(window, now) && window.untold == 0 {
            *window = Window { since: now, told: 0, untold: 0 };
        }
        if window.told < self.per_minute {
            window.told += 1;
            return Noted::Record;
        }
        window.untold += 1;
        Noted::Counted
    }

    /// Closes the windows that are over, or all with `i64::MAX`; answers what they have to tell.
    pub fn close(&self, now: i64) -> Vec<Untold> {
        let mut tables = self.lock();
        let mut untold = Vec::new();
        let over = tables.windows.extract_if(|_, window| is_over(window, now));
        untold.extend(over.filter(|(_, window)| window.untold > 0).map(|(caller, window)| Untold {
            tenant: caller.tenant,
            caller: Some(caller),
            count: window.untold,
        }));
        let beyond = tables.beyond.drain();
        untold.extend(beyond.map(|(tenant, count)| Untold { tenant, caller: None, count }));
        untold
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // A panic while the lock was held cannot leave the tables half changed.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_over(window: &Window, now: i64) -> bool {
    now.saturating_sub(window.since) >= WINDOW_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(actor: &str, operation: Operation) -> Caller {
        Caller { tenant: Some(TenantId::from_bytes([1; 16])), actor: actor.to_owned(), operation }
    }

    #[test]
    fn a_loop_of_refusals_is_a_few_records_and_one_count() {
        let refusals = Refusals::new(3, 10);
        let who = caller("key:a", Operation::RunCancel);
        let noted: Vec<_> = (0..100).map(|at| refusals.note(who.clone(), at)).collect();
        assert_eq!(noted.iter().filter(|noted| **noted == Noted::Record).count(), 3);
        assert_eq!(noted[3..], vec![Noted::Counted; 97]);
        assert_eq!(refusals.close(59_999), [], "the window is not over");
        let other = caller("key:a", Operation::RunGet);
        assert_eq!(refusals.note(other, 0), Noted::Record, "another operation has its own window");
        assert_eq!(
            refusals.note(who.clone(), 70_000),
            Noted::Counted,
            "nothing is forgotten before it was told"
        );
        let told = Untold { tenant: who.tenant, caller: Some(who.clone()), count: 98 };
        assert_eq!(refusals.close(70_000), [told]);
        assert_eq!(refusals.note(who, 70_001), Noted::Record, "a new window");
    }

    #[test]
    fn a_quiet_window_ends_by_itself() {
        let refusals = Refusals::new(1, 10);
        let who = caller("key:a", Operation::RunCancel);
        assert_eq!(refusals.note(who.clone(), 0), Noted::Record);
        assert_eq!(refusals.note(who, 60_000), Noted::Record);
        assert_eq!(refusals.close(i64::MAX), []);
        assert!(refusals.lock().windows.is_empty());
    }

    #[test]
    fn made_up_principals_do_not_grow_the_room() {
        let refusals = Refusals::new(1, 10);
        for number in 0..1_000 {
            refusals.note(caller(&format!("key:{number}"), Operation::RunCancel), 0);
        }
        assert_eq!(refusals.lock().windows.len(), 10);
        let beyond = Untold { tenant: Some(TenantId::from_bytes([1; 16])), caller: None, count: 990 };
        assert_eq!(refusals.close(0), [beyond]);
    }
}
