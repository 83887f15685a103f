//! One sweep of one tenant: kind by kind, each in transactions of limited size.

use std::sync::Arc;

use serde_json::json;
use tenantry_protocol::id::{EventId, NotificationId, RequestId, RunId, TenantId, WorkflowId};

use super::Sweeper;
use super::plan::{Keep, age};
use crate::error::Result;
use crate::store::tenant::runs::Expired;
use crate::store::tenant::{attempts, events, log_lines, notifications, runs, steps};
use crate::store::{Database, Lane, WriteTx, audit, space};

/// Rows that one transaction deletes.
pub(super) const BATCH_ROWS: u32 = 2_000;
/// Runs or events that one transaction looks at.
const BATCH_LOOKS: u32 = 200;
/// Transactions of one sweep of one tenant.
const BATCHES: u32 = 500;
/// Pages that one transaction gives back to the file system.
const BATCH_PAGES: u32 = 256;
/// Transactions of one sweep that give pages back.
const PAGE_BATCHES: u32 = 32;
/// How long a run is kept whose end the logging stage has not recorded, in milliseconds beyond its time.
const UNLOGGED_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// What one sweep has forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Forgotten {
    pub(super) runs: u64,
    pub(super) log_lines: u64,
    pub(super) events: u64,
    pub(super) notifications: u64,
    pub(super) payloads: u64,
    pub(super) pages: u64,
}

/// A sweep under way.
pub(super) struct Pass<'s> {
    sweeper: &'s Sweeper,
    file: &'s Database,
    tenant: TenantId,
    now: i64,
    /// The events that jobs wait for; none if there are too many to tell.
    pending: Option<Arc<Vec<EventId>>>,
    /// Transactions that it may still make.
    left: u32,
    pub(super) forgotten: Forgotten,
}

impl<'s> Pass<'s> {
    pub(super) fn new(
        sweeper: &'s Sweeper,
        file: &'s Database,
        tenant: TenantId,
        now: i64,
        pending: Option<Arc<Vec<EventId>>>,
    ) -> Self {
        Self { sweeper, file, tenant, now, pending, left: BATCHES, forgotten: Forgotten::default() }
    }

    fn expired(&self, workflow: WorkflowId, after: RunId, keep_ms: i64) -> Expired {
        let ended_before = age(self.now, keep_ms);
        Expired { workflow, after, ended_before, unlogged_before: ended_before - UNLOGGED_MS }
    }

    /// The log lines of a workflow's runs.
    pub(super) async fn lines(&mut self, workflow: WorkflowId, keep: Keep) -> Result<()> {
        let cursor = self.sweeper.with_progress(self.tenant, |p| p.lines.get(&workflow).copied());
        let mut after = cursor.unwrap_or_else(|| RunId::from_bytes([0; 16]));
        while self.left > 0 {
            let expired = self.expired(workflow, after, keep.logs_ms);
            let page = self.file.read(move |tx| runs::expired_with_lines(tx, &expired, BATCH_LOOKS)).await?;
            let Some(last) = page.last().copied() else { break };
            for run in page {
                if !self.lines_of(run).await? {
                    return Ok(());
                }
            }
            after = last;
            self.sweeper.with_progress(self.tenant, |progress| progress.lines.insert(workflow, last));
        }
        Ok(())
    }

    /// All log lines of a run; false if the sweep may go no further.
    async fn lines_of(&mut self, run: RunId) -> Result<bool> {
        while self.left > 0 {
            let delete = self.file.write(Lane::Api, move |tx| log_lines::delete(tx, run, BATCH_ROWS));
            let deleted = delete.await?;
            self.left -= 1;
            self.forgotten.log_lines += u64::from(deleted);
            if deleted < BATCH_ROWS {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A workflow's runs with all that belongs to them.
    pub(super) async fn runs(&mut self, workflow: WorkflowId, keep: Keep) -> Result<()> {
        let expired = self.expired(workflow, RunId::from_bytes([0; 16]), keep.runs_ms);
        while self.left > 0 {
            let pending = self.pending.clone();
            let forget = self.file.write(Lane::Api, move |tx| forget_runs(tx, &expired, pending.as_deref()));
            let batch = forget.await?;
            self.left -= 1;
            self.forgotten.runs += batch.runs;
            self.forgotten.log_lines += batch.log_lines;
            self.forgotten.events += batch.events;
            if batch.is_last {
                break;
            }
        }
        Ok(())
    }

    /// Events that started nothing, and those whose last run is gone.
    pub(super) async fn events(&mut self) -> Result<()> {
        let Some(pending) = self.pending.clone() else { return Ok(()) };
        let before = age(self.now, self.sweeper.host.runs_ms);
        let cursor = self.sweeper.with_progress(self.tenant, |progress| progress.events);
        let mut after = cursor.unwrap_or_else(|| EventId::from_bytes([0; 16]));
        while self.left > 0 {
            let pending = Arc::clone(&pending);
            let forget = self.file.write(Lane::Api, move |tx| forget_events(tx, after, before, &pending));
            let (deleted, last) = forget.await?;
            self.left -= 1;
            self.forgotten.events += deleted;
            let Some(last) = last else { break };
            after = last;
            self.sweeper.with_progress(self.tenant, |progress| progress.events = Some(last));
        }
        Ok(())
    }

    /// Notifications that are not on their way.
    pub(super) async fn notifications(&mut self) -> Result<()> {
        let before = NotificationId::lowest(age(self.now, self.sweeper.host.runs_ms));
        while self.left > 0 {
            let purge = self.file.write(Lane::Api, move |tx| notifications::purge(tx, before, BATCH_LOOKS));
            let deleted = purge.await?;
            self.left -= 1;
            self.forgotten.notifications += deleted as u64;
            if deleted < BATCH_LOOKS as usize {
                break;
            }
        }
        Ok(())
    }
}

/// What one transaction has forgotten.
struct Batch {
    runs: u64,
    log_lines: u64,
    events: u64,
    /// Whether no run is left that is too old.
    is_last: bool,
}

/// Forgets runs, oldest first, until the transaction is large enough.
fn forget_runs(tx: &WriteTx<'_>, expired: &Expired, pending: Option<&Vec<EventId>>) -> Result<Batch> {
    let page = runs::expired(tx, expired, BATCH_LOOKS)?;
    let mut batch = Batch { runs: 0, log_lines: 0, events: 0, is_last: page.len() < BATCH_LOOKS as usize };
    let mut rows = BATCH_ROWS;
    for (run, event) in page {
        let lines = log_lines::delete(tx, run, rows)?;
        batch.log_lines += u64::from(lines);
        rows -= lines;
        if rows == 0 {
            batch.is_last = false;
            break;
        }
        let others = attempts::delete(tx, run)? + steps::delete(tx, run)? + 1;
        runs::delete(tx, run)?;
        batch.runs += 1;
        if let (Some(event), Some(pending)) = (event, pending)
            && !pending.contains(&event)
            && events::delete_unused(tx, event)?
        {
            batch.events += 1;
        }
        rows = rows.saturating_sub(u32::try_from(others).unwrap_or(u32::MAX)).max(1);
    }
    Ok(batch)
}

/// Forgets events after an id that are older than a time; answers how many, and the last one looked at.
fn forget_events(
    tx: &WriteTx<'_>,
    after: EventId,
    before: i64,
    pending: &[EventId],
) -> Result<(u64, Option<EventId>)> {
    let page = events::old(tx, after, before, BATCH_LOOKS)?;
    let mut deleted = 0;
    for event in page.iter().filter(|event| !pending.contains(event)) {
        deleted += u64::from(events::delete_unused(tx, *event)?);
    }
    Ok((deleted, page.last().copied()))
}

/// Gives freed pages back to the file system; answers how many.
pub(super) async fn give_back(file: &Database) -> Result<u64> {
    let mut total = 0;
    for _ in 0..PAGE_BATCHES {
        if file.read(space::surplus).await? == 0 {
            break;
        }
        total += u64::from(file.write(Lane::Api, |tx| space::give_back(tx, BATCH_PAGES)).await?);
    }
    Ok(total)
}

/// One audit record for a whole sweep.
pub(super) fn record(tx: &WriteTx<'_>, tenant: TenantId, now: i64, forgotten: &Forgotten) -> Result<()> {
    let Forgotten { runs, log_lines, events, notifications, payloads, pages } = *forgotten;
    let detail = json!({
        "runs": runs,
        "log-lines": log_lines,
        "events": events,
        "notifications": notifications,
        "payloads": payloads,
        "pages": pages,
    });
    let record = audit::Record {
        at: now,
        actor: "system:upkeep",
        verb: "retention.sweep",
        resource: &tenant.to_string(),
        outcome: "ok",
        request_id: RequestId::new(now),
        detail: &detail,
    };
    audit::append(tx, &record)?;
    Ok(())
}
