//! Many runs at once: those that a filter names are cancelled, retried or replayed, a page a request.
//!
//! Each run is a change of its own with its own audit record; one that cannot be changed says why and does not keep
//! the others from it. A dry run says what would happen.

use std::sync::Arc;

use tenantry_protocol::id::RunId;
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::Permission;
use tenantry_protocol::run::{ManyOutcome, RunMany, RunManyItem};
use tenantry_protocol::state::RunState;

use super::again::Again;
use crate::error::Result;
use crate::service::{Authorized, Service, cursor};
use crate::store::tenant::runs;

/// Runs that one request looks at.
const PAGE: u32 = 100;

/// What happens to each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Cancel,
    Again(Again),
}

impl Act {
    /// Whether it has a meaning for a run in that state; the others are passed over.
    fn concerns(self, run: RunId, state: RunState) -> bool {
        match self {
            Self::Cancel => !state.is_terminal(),
            Self::Again(again) => again.allows(run, state).is_ok(),
        }
    }
}

impl Service {
    /// Cancels the runs that a filter names.
    pub async fn cancel_runs(self: &Arc<Self>, by: &Authorized, many: RunMany) -> Result<Page<RunManyItem>> {
        by.require_tenant(Permission::RunCancel)?;
        self.many(by, many, Act::Cancel).await
    }

    /// Retries the runs that a filter names.
    pub async fn retry_runs(self: &Arc<Self>, by: &Authorized, many: RunMany) -> Result<Page<RunManyItem>> {
        by.require_tenant(Permission::RunRetry)?;
        self.many(by, many, Act::Again(Again::Retry)).await
    }

    /// Replays the runs that a filter names.
    pub async fn replay_runs(self: &Arc<Self>, by: &Authorized, many: RunMany) -> Result<Page<RunManyItem>> {
        by.require_tenant(Permission::RunReplay)?;
        let again = Again::Replay { latest: many.latest };
        self.many(by, many, Act::Again(again)).await
    }

    async fn many(self: &Arc<Self>, by: &Authorized, many: RunMany, act: Act) -> Result<Page<RunManyItem>> {
        let tenant = by.require_tenant(Permission::RunRead)?;
        let query =
            PageQuery { limit: Some(many.limit.unwrap_or(PAGE).min(PAGE)), after: many.after.clone() };
        let (after, size) = (cursor::id::<RunId>(query.after.as_deref())?, query.size());
        let workflow = match &many.workflow {
            Some(name) => Some(self.workflow(tenant, name).await?.id),
            None => None,
        };
        let filter = runs::Filter { workflow, state: many.state, from: many.since.map(RunId::lowest) };
        // A list begins with the newest, so a time to end at is a cursor to begin with.
        let until = many.until.map(|until| RunId::lowest(until.saturating_add(1)));
        let after = after.or(until);
        let rows = self.store.tenant(tenant.id)?.read(move |tx| runs::list(tx, filter, after, size)).await?;
        let names = self.names_of(tenant, rows.iter()).await;
        let page = cursor::page(rows, size, |run| run.id.to_string(), |run| run);
        let mut items = Vec::new();
        for run in page.items.into_iter().filter(|run| act.concerns(run.id, run.state)) {
            let (outcome, new, error) = if many.dry_run {
                (ManyOutcome::Would, None, None)
            } else {
                match self.act(by, run.id, act).await {
                    Ok(new) => (ManyOutcome::Done, new, None),
                    Err(error) => (ManyOutcome::Refused, None, Some(error.detail().to_owned())),
                }
            };
            let workflow = names.get(&run.workflow_id).cloned().unwrap_or_default();
            items.push(RunManyItem { run: run.id, workflow, state: run.state, outcome, new, error });
        }
        Ok(Page { items, next: page.next })
    }

    /// Does it to one run; answers the new one, if there is one.
    async fn act(self: &Arc<Self>, by: &Authorized, run: RunId, act: Act) -> Result<Option<RunId>> {
        match act {
            Act::Cancel => self.cancel_run(by, &run.to_string()).await.map(|_| None),
            Act::Again(again) => {
                let tenant = by.require_tenant(Permission::RunRead)?;
                self.again(&by.context, tenant, run, again).await.map(Some)
            }
        }
    }
}
