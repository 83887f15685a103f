//! What reaches the model and what it asks for: messages in, effects out, one channel, one order.
//!
//! In the dashboard a *message* is anything that reaches the model, an *intent* is what a key means, an *effect* is a
//! request that the model makes. Nothing here decides. Go next to [`crate::model::update`].

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::feed::FeedItem;
use tenantry_protocol::health::Status;
use tenantry_protocol::id::{RunId, TenantId};
use tenantry_protocol::permission::Role;
use tenantry_protocol::queue::JobView;
use tenantry_protocol::run::{LogLine, RunView};
use tenantry_protocol::tenant::TenantStats;

/// Anything that reaches the model.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A key, already understood.
    Intent(Intent),
    /// Text that was pasted; never taken as keys.
    Pasted(String),
    /// Time has come that the model asked for with [`crate::model::Model::wake_at`].
    Clock,
    /// The link is in another state.
    Link(LinkState),
    /// The daemon told who this client is and what it may see.
    Access(Access),
    /// Something changed at the daemon.
    Feed(FeedItem),
    /// A read succeeded.
    Answer(Answer),
    /// A read failed.
    Failed {
        /// Which one.
        read: Read,
        /// Why.
        trouble: Trouble,
    },
    /// Log lines of a run, oldest first.
    Log {
        /// The run.
        run: RunId,
        /// Its lines.
        lines: Vec<LogLine>,
    },
    /// The log of a run was read to its end, or cannot be read.
    LogEnd {
        /// The run.
        run: RunId,
        /// Why it ended early.
        trouble: Option<Trouble>,
    },
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Leave the dashboard.
    Quit,
    /// One level up: close what is open, clear the filter.
    Back,
    /// As [`Intent::Back`]; at the top, leave.
    BackOrQuit,
    /// Show all keys.
    Help,
    /// Read everything again; connect now if the link is lost.
    Refresh,
    /// Paint the whole screen again.
    Redraw,
    /// Stop the process as a job of the shell.
    Suspend,
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// Many rows up.
    PageUp,
    /// Many rows down.
    PageDown,
    /// The first row.
    First,
    /// The last row.
    Last,
    /// The next pane.
    NextPane,
    /// The pane before.
    PreviousPane,
    /// Open what is selected; take what was typed.
    Open,
    /// Type a filter.
    Filter,
    /// Show the dead letters.
    DeadLetters,
    /// Show long lines whole, or cut them.
    Wrap,
    /// Choose the tenant whose things are shown.
    ChooseTenant,
    /// A character was typed.
    Type(char),
    /// Erase the last character.
    Erase,
    /// Erase everything that was typed.
    EraseAll,
}

/// What the model asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Leave the dashboard.
    Quit,
    /// Paint the whole screen again.
    Redraw,
    /// Stop the process as a job of the shell.
    Suspend,
    /// Ask the link.
    Ask(Request),
}

/// What the link can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Do not wait for the next retry.
    ConnectNow,
    /// Read counters and queues.
    Stats {
        /// Of this tenant only; of the host with every tenant if absent.
        tenant: Option<String>,
    },
    /// Read the latest runs of these tenants.
    Runs {
        /// Comes back in the answer: how many feed items the model had seen.
        asked: u64,
        /// Ids and names.
        tenants: Vec<(TenantId, String)>,
    },
    /// Read the dead letters of these tenants.
    Dead {
        /// Ids and names.
        tenants: Vec<(TenantId, String)>,
    },
    /// Read one run with its steps and attempts.
    Run {
        /// The tenant's name.
        tenant: String,
        /// The run.
        run: RunId,
    },
    /// Read the log lines of a run and follow them until it ends. Replaces the log that is followed.
    Log {
        /// The tenant's name.
        tenant: String,
        /// The run.
        run: RunId,
        /// The last line that is known already.
        after: Option<i64>,
    },
    /// Follow no log any more.
    CloseLog,
}

/// Which read an answer or a failure belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// [`Request::Stats`].
    Stats,
    /// [`Request::Runs`].
    Runs,
    /// [`Request::Dead`].
    Dead,
    /// [`Request::Run`].
    Run(RunId),
}

/// What a read brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Request::Stats`].
    Stats {
        /// The host's own; absent for a client that may not see the host.
        host: Option<Box<Status>>,
        /// One entry a tenant.
        tenants: Vec<TenantStats>,
    },
    /// To [`Request::Runs`].
    Runs {
        /// As it was asked.
        asked: u64,
        /// The latest runs of each tenant.
        lists: Vec<(TenantId, Vec<RunView>)>,
    },
    /// To [`Request::Dead`].
    Dead(Vec<(TenantId, Vec<JobView>)>),
    /// To [`Request::Run`].
    Run(Box<RunView>),
}

/// Why something did not work, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The stable code; `tenantry explain CODE` tells more.
    pub code: ErrorCode,
    /// What happened, on what.
    pub detail: String,
    /// What to do next.
    pub hint: String,
}

/// Whether the daemon is reached. What is shown is only as fresh as this says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Logs in and subscribes to the feed.
    Connecting,
    /// The feed is open: what changes is pushed.
    Live,
    /// No connection; tried again at `retry_at`.
    Lost {
        /// Why.
        trouble: Trouble,
        /// When the next try begins; unix milliseconds.
        retry_at: i64,
    },
}

/// Who this client is and what it may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The principal's name.
    pub principal: String,
    /// Its role.
    pub role: Role,
    /// The one tenant it can see; absent when it sees the host with every tenant.
    pub tenant: Option<String>,
}
