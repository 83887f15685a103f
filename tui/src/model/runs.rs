//! The latest runs of the tenants, newest first: read once, then kept up to date by the feed.

use std::collections::BTreeMap;

use tenantry_protocol::id::{RunId, TenantId};
use tenantry_protocol::run::RunView;
use tenantry_protocol::state::RunState;

use super::cursor::Cursor;
use super::filter::Filter;

/// How many runs are kept; the oldest go first.
pub const RUNS_KEPT: usize = 500;

/// A run as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The workflow's name.
    pub workflow: String,
    /// Where it stands.
    pub state: RunState,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was created; unix milliseconds.
    pub created_at: i64,
    /// When its last step ended; unix milliseconds.
    pub ended_at: Option<i64>,
    /// The number of the feed item that told this; 0 if it was read.
    told: u64,
}

/// A run's change as the feed tells it.
pub struct RunChange<'a> {
    /// Its id.
    pub id: RunId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The workflow's name.
    pub workflow: &'a str,
    /// Where it stands now.
    pub state: RunState,
    /// Why it failed.
    pub error: Option<&'a str>,
    /// When; unix milliseconds.
    pub at: i64,
}

/// What is known about the latest runs.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    rows: BTreeMap<RunId, RunRow>,
    /// Feed items so far.
    told: u64,
    /// The selected row.
    pub cursor: Cursor<RunId>,
    /// Which rows are shown.
    pub filter: Filter,
}

impl Runs {
    /// How many changes the feed has told; goes with a read, so that its answer does not undo later ones.
    pub const fn told(&self) -> u64 {
        self.told
    }

    /// Takes a change from the feed.
    pub fn apply(&mut self, change: &RunChange<'_>) {
        self.told += 1;
        let created_at = self.rows.get(&change.id).map_or_else(|| time_of(change.id), |row| row.created_at);
        let row = RunRow {
            id: change.id,
            tenant: change.tenant,
            workflow: change.workflow.to_owned(),
            state: change.state,
            error: change.error.map(str::to_owned),
            created_at,
            ended_at: change.state.is_terminal().then_some(change.at),
            told: self.told,
        };
        self.rows.insert(change.id, row);
        self.trim();
    }

    /// Takes what was read when the feed had told `asked` changes.
    pub fn merge(&mut self, asked: u64, tenant: TenantId, views: Vec<RunView>) {
        for view in views {
            if self.rows.get(&view.id).is_some_and(|row| row.told > asked) {
                continue;
            }
            let row = RunRow {
                id: view.id,
                tenant,
                workflow: view.workflow,
                state: view.state,
                error: view.error,
                created_at: view.created_at,
                ended_at: view.ended_at,
                told: 0,
            };
            self.rows.insert(row.id, row);
        }
        self.trim();
    }

    /// Drops the runs of tenants that are no more.
    pub fn keep_tenants(&mut self, exists: impl Fn(TenantId) -> bool) {
        self.rows.retain(|_, row| exists(row.tenant));
    }

    /// The rows to show, newest first.
    pub fn visible<'a>(
        &'a self,
        scope: Option<&str>,
        name: impl Fn(TenantId) -> Option<&'a str>,
    ) -> Vec<&'a RunRow> {
        let rows = self.rows.values().rev().filter(|row| {
            if scope.is_none() && self.filter.is_empty() {
                return true;
            }
            let tenant = name(row.tenant);
            let id = row.id.to_string();
            let texts = [tenant.unwrap_or_default(), &row.workflow, row.state.as_str(), &id];
            let error = row.error.as_deref().unwrap_or_default();
            scope.is_none_or(|scope| tenant == Some(scope))
                && self.filter.shows(&[texts[0], texts[1], texts[2], texts[3], error])
        });
        rows.collect()
    }

    /// How many runs are kept.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn trim(&mut self) {
        while self.rows.len() > RUNS_KEPT {
            self.rows.pop_first();
        }
    }
}

/// The time in an id (UUIDv7: its first 48 bits); unix milliseconds.
fn time_of(id: RunId) -> i64 {
    id.as_bytes()[..6].iter().fold(0, |ms, byte| ms << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: RunId, state: RunState) -> RunChange<'static> {
        RunChange { id, tenant: TenantId::from_bytes([1; 16]), workflow: "w", state, error: None, at: 9_000 }
    }

    #[test]
    fn the_feed_is_newer_than_a_read_that_began_before() {
        let mut runs = Runs::default();
        let id = RunId::new(5_000);
        runs.apply(&change(id, RunState::Running));
        let asked = runs.told();
        runs.apply(&change(id, RunState::Succeeded));
        let mut read = crate::fixtures::run_view(id, "w", RunState::Running);
        runs.merge(asked, TenantId::from_bytes([1; 16]), vec![read.clone()]);
        assert_eq!(runs.rows[&id].state, RunState::Succeeded);
        read.state = RunState::Failed;
        runs.merge(runs.told(), TenantId::from_bytes([1; 16]), vec![read]);
        assert_eq!(runs.rows[&id].state, RunState::Failed);
    }

    #[test]
    fn the_newest_are_kept() {
        let mut runs = Runs::default();
        for ms in 0..=RUNS_KEPT as i64 {
            runs.apply(&change(RunId::new(ms), RunState::Queued));
        }
        assert_eq!(runs.len(), RUNS_KEPT);
        let rows = runs.visible(None, |_| None);
        assert_eq!(rows.first().map(|row| row.created_at), Some(RUNS_KEPT as i64));
        assert_eq!(rows.last().map(|row| row.created_at), Some(1));
    }
}
