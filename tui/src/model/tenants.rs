//! The tenants with their counters and queues.

use std::collections::HashMap;

use tenantry_protocol::feed::Change;
use tenantry_protocol::id::TenantId;
use tenantry_protocol::state::{StageName, TenantState};
use tenantry_protocol::tenant::{Counters, QueueView, TenantStats};

use super::cursor::Cursor;
use super::filter::Filter;

/// What is known about the tenants.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    /// By name.
    rows: Vec<TenantStats>,
    /// Where each stands in `rows`.
    places: HashMap<TenantId, usize>,
    /// The selected row.
    pub cursor: Cursor<TenantId>,
    /// Which rows are shown.
    pub filter: Filter,
}

impl Tenants {
    /// Replaces everything by what was read.
    pub fn replace(&mut self, rows: Vec<TenantStats>) {
        self.rows = rows;
        self.rows.sort_by(|a, b| a.name.cmp(&b.name));
        self.index();
    }

    /// Takes a change from the feed. Whether the list itself must be read again.
    pub fn apply(&mut self, tenant: Option<TenantId>, change: &Change) -> bool {
        let Change::Tenant { name, state, degraded } = change else { return false };
        let row = self.rows.iter_mut().find(|row| Some(row.tenant) == tenant || row.name == *name);
        match (row, state) {
            (Some(row), Some(state)) => {
                row.state = *state;
                row.degraded = *degraded;
            }
            (Some(row), None) => {
                let gone = row.tenant;
                self.rows.retain(|row| row.tenant != gone);
                self.index();
            }
            (None, _) => {}
        }
        true
    }

    /// Every tenant, by name.
    pub fn all(&self) -> &[TenantStats] {
        &self.rows
    }

    /// The name of a tenant.
    pub fn name(&self, id: TenantId) -> Option<&str> {
        self.places.get(&id).and_then(|place| self.rows.get(*place)).map(|row| row.name.as_str())
    }

    fn index(&mut self) {
        self.places = self.rows.iter().enumerate().map(|(place, row)| (row.tenant, place)).collect();
    }

    /// The rows to show: those of the scope that pass the filter.
    pub fn visible<'a>(&'a self, scope: Option<&'a str>) -> Vec<&'a TenantStats> {
        let scoped = self.scoped(scope);
        scoped.filter(|row| self.filter.shows(&[&row.name, condition(row)])).collect()
    }

    /// The rows of the scope.
    pub fn scoped<'a>(&'a self, scope: Option<&'a str>) -> impl Iterator<Item = &'a TenantStats> {
        self.rows.iter().filter(move |row| scope.is_none_or(|scope| row.name == scope))
    }

    /// The queues of all tenants of the scope added up, in the order of the stages.
    pub fn queues(&self, scope: Option<&str>) -> Vec<QueueView> {
        let total = |stage: StageName| {
            let none = QueueView { stage, ready: 0, leased: 0, dead: 0, oldest_ms: 0 };
            let queues = self.scoped(scope).flat_map(|row| &row.queues).filter(|queue| queue.stage == stage);
            queues.fold(none, |sum, queue| QueueView {
                stage,
                ready: sum.ready.saturating_add(queue.ready),
                leased: sum.leased.saturating_add(queue.leased),
                dead: sum.dead.saturating_add(queue.dead),
                oldest_ms: sum.oldest_ms.max(queue.oldest_ms),
            })
        };
        StageName::ALL.iter().map(|stage| total(*stage)).collect()
    }

    /// The counters of all tenants of the scope added up.
    pub fn counters(&self, scope: Option<&str>) -> Counters {
        self.scoped(scope).fold(Counters::default(), |sum, row| Counters {
            events_accepted: sum.events_accepted.saturating_add(row.counters.events_accepted),
            events_refused: sum.events_refused.saturating_add(row.counters.events_refused),
            events_duplicate: sum.events_duplicate.saturating_add(row.counters.events_duplicate),
            runs_started: sum.runs_started.saturating_add(row.counters.runs_started),
            runs_succeeded: sum.runs_succeeded.saturating_add(row.counters.runs_succeeded),
            runs_failed: sum.runs_failed.saturating_add(row.counters.runs_failed),
            runs_cancelled: sum.runs_cancelled.saturating_add(row.counters.runs_cancelled),
            attempts: sum.attempts.saturating_add(row.counters.attempts),
            notifications_delivered: sum
                .notifications_delivered
                .saturating_add(row.counters.notifications_delivered),
            dead_letters: sum.dead_letters.saturating_add(row.counters.dead_letters),
        })
    }
}

/// The one word for how a tenant is: `degraded` wins over `active` only.
pub fn condition(row: &TenantStats) -> &'static str {
    match row.state {
        TenantState::Active if row.degraded => "degraded",
        state => state.as_str(),
    }
}

/// Jobs of one stage of a tenant that are not settled: waiting and being handled.
pub fn depth(row: &TenantStats, stage: StageName) -> u64 {
    let queues = row.queues.iter().filter(|queue| queue.stage == stage);
    queues.fold(0, |sum, queue| sum.saturating_add(queue.ready).saturating_add(queue.leased))
}

/// Dead letters that a tenant has at present.
pub fn dead(row: &TenantStats) -> u64 {
    row.queues.iter().fold(0, |sum, queue| sum.saturating_add(queue.dead))
}
