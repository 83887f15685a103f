//! What the dashboard knows and shows, as plain data.
//!
//! **Invariant:** nothing in here draws, waits, reads a clock or calls the daemon; time comes with each message. So
//! every state can be made in a test by a list of messages. Go next to [`update`].

pub mod cursor;
pub mod dead;
pub mod filter;
pub mod keys;
pub mod refresh;
pub mod run;
pub mod runs;
pub mod tenants;
#[cfg(test)]
mod tests;
pub mod update;

use jiff::tz::TimeZone;
use tenantry_protocol::health::Status;
use tenantry_protocol::id::RunId;

use crate::keymap::Context;
use crate::message::{Access, LinkState, Trouble};
use cursor::Cursor;
use dead::DeadLetters;
use filter::Filter;
use refresh::Refresh;
use run::OpenRun;
use runs::{RunRow, Runs};
use tenants::Tenants;

/// Of how many tenants runs are read at the most; the feed brings those of the others as they happen.
pub const RUN_TENANTS: usize = 16;

/// Which pane of the overview has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverviewPane {
    /// The tenants.
    Tenants,
    /// The latest runs.
    #[default]
    Runs,
}

/// What lies over the panes, if anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: keys go to the panes.
    #[default]
    Panes,
    /// The list of keys.
    Help {
        /// Its first visible row.
        top: usize,
    },
    /// A filter is typed for the pane that has the keys.
    Entry {
        /// What it was before, for when the person cancels.
        before: Filter,
    },
    /// A tenant is chosen.
    Chooser(Chooser),
}

/// The list of tenants to choose from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chooser {
    /// What was typed to find it.
    pub filter: Filter,
    /// The selected row; `None` is the row for all tenants.
    pub cursor: Cursor<Option<String>>,
}

/// Everything that is known and shown.
#[derive(Clone, Debug)]
pub struct Model {
    /// When the last message came; unix milliseconds.
    pub now: i64,
    /// In which zone times are shown.
    pub zone: TimeZone,
    /// Whether the daemon is reached.
    pub link: LinkState,
    /// Who this client is; absent before the first connection.
    pub access: Option<Access>,
    /// The host's own state; absent where the client may not see it.
    pub host: Option<Box<Status>>,
    /// The tenants.
    pub tenants: Tenants,
    /// Their latest runs.
    pub runs: Runs,
    /// The dead letters, if they are shown.
    pub dead: Option<DeadLetters>,
    /// The run that was opened; over everything else.
    pub run: Option<OpenRun>,
    /// The pane of the overview that has the keys.
    pub pane: OverviewPane,
    /// What lies over the panes.
    pub mode: Mode,
    /// The one tenant whose things are shown; absent for all.
    pub scope: Option<String>,
    /// What went wrong last, until the next key.
    pub notice: Option<Trouble>,
    /// Feed items that were lost on the way since the start.
    pub lost_items: u64,
    /// When the link was live last; until then an idle feed vouched for what is shown.
    live_until: Option<i64>,
    stats_refresh: Refresh,
    runs_refresh: Refresh,
}

impl Model {
    /// Nothing is known yet.
    pub fn new(now: i64, zone: TimeZone, scope: Option<String>) -> Self {
        Self {
            now,
            zone,
            link: LinkState::Connecting,
            access: None,
            host: None,
            tenants: Tenants::default(),
            runs: Runs::default(),
            dead: None,
            run: None,
            pane: OverviewPane::default(),
            mode: Mode::default(),
            scope,
            notice: None,
            lost_items: 0,
            live_until: None,
            stats_refresh: Refresh::default(),
            runs_refresh: Refresh::default(),
        }
    }

    /// Where the keys go.
    pub const fn context(&self) -> Context {
        match self.mode {
            Mode::Help { .. } => Context::Help,
            Mode::Entry { .. } => Context::Entry,
            Mode::Chooser(_) => Context::Chooser,
            Mode::Panes => self.context_below(),
        }
    }

    /// Where the keys go when nothing lies over the panes.
    pub const fn context_below(&self) -> Context {
        match (&self.run, &self.dead) {
            (Some(_), _) => Context::Run,
            (None, Some(_)) => Context::Dead,
            (None, None) => Context::Overview,
        }
    }

    /// The filter of the list that has the keys; a run has none.
    pub const fn filter(&self) -> Option<&Filter> {
        match (&self.run, &self.dead, self.pane) {
            (Some(_), ..) => None,
            (None, Some(dead), _) => Some(&dead.filter),
            (None, None, OverviewPane::Tenants) => Some(&self.tenants.filter),
            (None, None, OverviewPane::Runs) => Some(&self.runs.filter),
        }
    }

    /// As [`Model::filter`], to be changed.
    pub const fn filter_mut(&mut self) -> Option<&mut Filter> {
        match (&self.run, &mut self.dead, self.pane) {
            (Some(_), ..) => None,
            (None, Some(dead), _) => Some(&mut dead.filter),
            (None, None, OverviewPane::Tenants) => Some(&mut self.tenants.filter),
            (None, None, OverviewPane::Runs) => Some(&mut self.runs.filter),
        }
    }

    /// The runs to show, newest first.
    pub fn visible_runs(&self) -> Vec<&RunRow> {
        self.runs.visible(self.scope.as_deref(), |id| self.tenants.name(id))
    }

    /// The ids of [`Model::visible_runs`].
    pub fn visible_run_ids(&self) -> Vec<RunId> {
        self.visible_runs().iter().map(|row| row.id).collect()
    }

    /// The rows of the tenant chooser; `None` stands for all tenants.
    pub fn choices(&self, chooser: &Chooser) -> Vec<Option<String>> {
        let names = self.tenants.all().iter().map(|row| row.name.as_str());
        let found = names.filter(|name| chooser.filter.shows(&[name])).map(|name| Some(name.to_owned()));
        let all = (chooser.filter.is_empty() && self.sees_host()).then_some(None);
        all.into_iter().chain(found).collect()
    }

    /// Whether this client sees every tenant.
    pub fn sees_host(&self) -> bool {
        self.access.as_ref().is_some_and(|access| access.tenant.is_none())
    }

    /// How old the shown counters are, if they are not up to date; milliseconds.
    pub fn stale_ms(&self) -> Option<i64> {
        let since = match self.link {
            LinkState::Live => self.stats_refresh.stale_since(),
            LinkState::Connecting | LinkState::Lost { .. } => {
                self.stats_refresh.stale_since().or(self.live_until)
            }
        };
        since.map(|since| self.now.saturating_sub(since).max(0))
    }

    /// When the model wants to be woken without anything having happened; `None` for never. Unix milliseconds.
    ///
    /// A dashboard that nobody touches, on a daemon that does nothing, wakes up for nothing.
    pub fn wake_at(&self) -> Option<i64> {
        let second = self.now + 1_000;
        match &self.link {
            LinkState::Connecting => None,
            LinkState::Lost { .. } => Some(second),
            LinkState::Live => {
                let run = self.run.as_ref();
                let reads = [
                    self.stats_refresh.due(self.now),
                    self.runs_refresh.due(self.now),
                    self.dead.as_ref().and_then(|dead| dead.refresh.due(self.now)),
                    run.and_then(|run| run.refresh.due(self.now)),
                    // A duration that grows is on screen.
                    run.filter(|run| run.view.is_some() && run.is_running()).map(|_| second),
                    // The age of the data is on screen.
                    self.stale_ms().map(|_| second),
                ];
                reads.into_iter().flatten().min()
            }
        }
    }
}
