//! The dead letters of the tenants that are shown: what waits for a person.

use tenantry_protocol::id::{JobId, TenantId};
use tenantry_protocol::queue::JobView;

use super::cursor::Cursor;
use super::filter::Filter;
use super::refresh::Refresh;

/// A dead letter and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRow {
    /// Whose it is.
    pub tenant: TenantId,
    /// The job.
    pub job: JobView,
}

/// The open list of dead letters.
#[derive(Clone, Debug, Default)]
pub struct DeadLetters {
    rows: Vec<DeadRow>,
    /// The selected row.
    pub cursor: Cursor<JobId>,
    /// Which rows are shown.
    pub filter: Filter,
    /// When to read them again.
    pub refresh: Refresh,
}

impl DeadLetters {
    /// Replaces everything by what was read; the newest stand first.
    pub fn replace(&mut self, lists: Vec<(TenantId, Vec<JobView>)>) {
        let rows = lists
            .into_iter()
            .flat_map(|(tenant, jobs)| jobs.into_iter().map(move |job| DeadRow { tenant, job }));
        self.rows = rows.collect();
        self.rows.sort_by_key(|row| std::cmp::Reverse(row.job.id));
    }

    /// All of them.
    pub fn all(&self) -> &[DeadRow] {
        &self.rows
    }

    /// The rows to show, newest first.
    pub fn visible<'a>(&'a self, name: impl Fn(TenantId) -> Option<&'a str>) -> Vec<&'a DeadRow> {
        let rows = self.rows.iter().filter(|row| {
            let error = row.job.error.as_deref().unwrap_or_default();
            let tenant = name(row.tenant).unwrap_or_default();
            self.filter.shows(&[tenant, row.job.stage.as_str(), &row.job.subject, error])
        });
        rows.collect()
    }
}
