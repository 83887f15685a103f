//! What the daemon can do, one function a verb: permission → one write transaction → audit.
//!
//! The doors (`http`, `ingress`) and the stages call in here; nothing in here knows how it was called. The first
//! line of every verb that a person can reach asks [`Authorized`] for a permission.
//! **Invariant:** every change of state commits together with its audit record.
//! Go next to [`events`] for how work enters, to [`ledger`] for what a transaction tells the world, to
//! [`handover`] for how jobs reach the stages.

pub mod approvals;
pub mod audit;
pub mod authorized;
pub mod catalog;
pub mod channels;
pub mod cursor;
pub mod directory;
pub(crate) mod end_run;
pub mod event;
pub mod events;
pub mod feed;
pub mod files;
pub(crate) mod flow;
pub(crate) mod groups;
pub mod handover;
pub mod keys;
pub mod ledger;
pub mod material;
pub mod notifications;
pub mod outputs;
pub mod prompt;
pub mod queues;
pub mod recovery;
pub mod refusals;
pub mod running;
pub mod runs;
pub mod schedules;
pub mod secrets;
pub mod sessions;
pub mod stats;
pub mod step_job;
pub mod step_value;
pub mod tenants;
pub mod token_keys;
pub mod trigger_job;
pub mod variables;
pub mod waiting;
pub mod workflows;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tenantry_protocol::state::StageName;
use tokio::sync::Mutex;

pub use self::authorized::Authorized;
use self::catalog::Catalog;
use self::directory::{Directory, Tenant};
use self::feed::Feed;
use self::files::Files;
use self::handover::Handover;
use self::ledger::Ledger;
use self::prompt::Prompt;
use self::running::Running;
use self::schedules::Schedules;
use self::secrets::Secrets;
use self::sessions::Identity;
use self::waiting::Waiting;
use crate::auth::refusals::Refusals;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::Result;
use crate::store::{Lane, Store};

/// The longest that a handler of a stage other than action may take.
const HANDLER_LIMIT: Duration = Duration::from_mins(1);

/// Everything that verbs and stages share.
pub struct Service {
    /// The configuration.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Clock,
    /// All files.
    pub store: Store,
    /// The tenants.
    pub directory: Directory,
    /// Their workflows and channels.
    pub catalog: Catalog,
    /// Their secrets.
    pub secrets: Secrets,
    /// Jobs on their way to the stages.
    pub handover: Handover,
    /// What changes, for whoever follows.
    pub feed: Feed,
    /// How the ingress is reached from outside, without a slash at the end; empty where there is none. Known once the
    /// listeners are open.
    pub public_url: OnceLock<String>,
    /// The trigger stage, once it stands.
    pub prompt: OnceLock<Arc<dyn Prompt>>,
    /// Runs with handlers at work.
    pub running: Running,
    /// Senders that wait for results.
    pub waiting: Waiting,
    /// When which tenant's schedules are due.
    pub schedules: Schedules,
    /// What became of schedules while the daemon was away.
    pub downtime: schedules::downtime::Report,
    /// Which tenants' inbox folders are looked at.
    pub files: Files,
    /// Logins and tokens.
    pub identity: Identity,
    /// Signs audit checkpoints.
    pub notary: audit::Notary,
    /// Calls that the policy refused.
    pub refusals: Refusals,
    /// When the daemon started; unix milliseconds.
    pub started_at: i64,
    pub(crate) serving: AtomicBool,
    pub(crate) draining: AtomicBool,
    /// Held while a workflow is applied.
    pub(crate) applying: Mutex<()>,
}

impl Service {
    /// Whether the daemon stops: nothing new is accepted.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on nothing new is accepted.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// How long a lease of the stage holds, in milliseconds: the longest handler that says nothing else, and a margin.
    pub fn lease_ms(&self, stage: StageName) -> i64 {
        let handler = match stage {
            StageName::Action => self.config.tenant_defaults.step_timeout.max(self.config.runner.wall_limit),
            StageName::Trigger | StageName::Logging | StageName::Notification => HANDLER_LIMIT,
        };
        let handler = i64::try_from(handler.as_millis()).unwrap_or(i64::MAX);
        handler.saturating_add(self.handover.lease_margin_ms(stage))
    }

    /// Runs one change of a tenant in a transaction of the API's lane.
    pub(crate) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        change: impl FnOnce(&mut Ledger<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let file = self.store.tenant(tenant.id)?;
        let (service, tenant) = (Arc::clone(self), Arc::clone(tenant));
        file.write(Lane::Api, move |tx| {
            let mut ledger = Ledger::new(service, tenant, tx);
            let answer = change(&mut ledger)?;
            ledger.seal();
            Ok(answer)
        })
        .await
    }
}
