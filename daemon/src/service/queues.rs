//! Queues and dead letters: how many jobs wait, what cannot go on without a person, and what the person decides.

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{JobId, NotificationId};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::Permission;
use tenantry_protocol::queue::{DeadQuery, JobView};
use tenantry_protocol::state::{JobState, StageName};
use tenantry_protocol::tenant::QueueView;

use super::directory::Tenant;
use super::flow::given_up;
use super::ledger::Ledger;
use super::step_job::StepJob;
use super::{Authorized, Service, cursor};
use crate::error::{Error, Result};
use crate::store::tenant::jobs::{self, QueuedJob};
use crate::store::tenant::{notifications, runs};

impl Service {
    /// Shows how many jobs wait in each stage.
    pub async fn list_queues(&self, by: &Authorized) -> Result<Page<QueueView>> {
        let tenant = by.require_tenant(Permission::QueueRead)?;
        Ok(Page { items: self.queues_of(tenant).await?, next: None })
    }

    pub(super) async fn queues_of(&self, tenant: &Tenant) -> Result<Vec<QueueView>> {
        let now = self.clock.now_ms();
        let read = self.store.tenant(tenant.id)?.read(|tx| {
            let due = StageName::ALL.iter().map(|stage| jobs::next_due(tx, *stage));
            Ok((jobs::depths(tx)?, due.collect::<Result<Vec<_>>>()?))
        });
        let (depths, due) = read.await?;
        let count = |stage, state| {
            depths.iter().filter(|d| d.stage == stage && d.state == state).map(|d| d.count).sum()
        };
        let queues = StageName::ALL.iter().zip(due).map(|(stage, due)| QueueView {
            stage: *stage,
            ready: count(*stage, JobState::Ready),
            leased: count(*stage, JobState::Leased),
            dead: count(*stage, JobState::Dead),
            oldest_ms: due.map_or(0, |at| u64::try_from(now - at).unwrap_or_default()),
        });
        Ok(queues.collect())
    }

    /// Lists the jobs of a stage: those that are worked on, then those that wait, the next due first.
    pub async fn list_jobs(&self, by: &Authorized, stage: &str, query: &PageQuery) -> Result<Page<JobView>> {
        let tenant = by.require_tenant(Permission::QueueRead)?;
        let stage = stage.parse::<StageName>().map_err(|_| {
            let names: Vec<_> = StageName::ALL.iter().map(|stage| stage.as_str()).collect();
            Error::new(ErrorCode::BadIdentifier, format!("the stages are {}", names.join(", ")))
        })?;
        let (after, size) = (Place::read(query.after.as_deref())?, query.size());
        let file = self.store.tenant(tenant.id)?;
        let rows = file.read(move |tx| {
            let (mut rows, ready_after) = match after {
                Place::Leased(seq) => (jobs::list_leased(tx, stage, seq, size)?, None),
                Place::Ready(at, seq) => (Vec::new(), Some((at, seq))),
            };
            let left = size.saturating_sub(u32::try_from(rows.len()).unwrap_or(size));
            if left > 0 {
                rows.extend(jobs::list_ready(tx, stage, ready_after, left)?);
            }
            Ok(rows)
        });
        let rows = rows.await?;
        let next = |row: &QueuedJob| match row.state {
            JobState::Leased => format!("leased.{}", row.seq),
            JobState::Ready | JobState::Dead => format!("{}.{}", row.available_at, row.seq),
        };
        Ok(cursor::page(rows, size, next, |row| view(row, Shown::Subject)))
    }

    /// Lists dead letters, oldest first.
    pub async fn list_dead(&self, by: &Authorized, query: &DeadQuery) -> Result<Page<JobView>> {
        let tenant = by.require_tenant(Permission::QueueRead)?;
        let page = PageQuery { limit: query.limit, after: query.after.clone() };
        let (after, size, stage) = (cursor::id(page.after.as_deref())?, page.size(), query.stage);
        let file = self.store.tenant(tenant.id)?;
        let rows = file.read(move |tx| jobs::list_dead(tx, stage, after, size)).await?;
        Ok(cursor::page(rows, size, |row| row.id.to_string(), |row| view(row, Shown::Subject)))
    }

    /// Shows a dead letter with its payload.
    pub async fn get_dead(&self, by: &Authorized, id: &str) -> Result<JobView> {
        let tenant = by.require_tenant(Permission::QueueRead)?;
        let id = cursor::parse::<JobId>(id, "job")?;
        let row = self.store.tenant(tenant.id)?.read(move |tx| jobs::get_dead(tx, id)).await?;
        row.map(|row| view(row, Shown::Payload)).ok_or_else(|| Error::not_found("dead letter", id))
    }

    /// Puts a dead letter back into its queue, its attempts counted anew.
    pub async fn retry_dead(self: &Arc<Self>, by: &Authorized, id: &str) -> Result<()> {
        let tenant = by.require_tenant(Permission::QueueRetry)?;
        let id = cursor::parse::<JobId>(id, "job")?;
        let context = by.context.clone();
        self.change(tenant, move |ledger| {
            let job = jobs::get_dead(ledger.tx, id)?.ok_or_else(|| Error::not_found("dead letter", id))?;
            refuse_what_goes_on(ledger, &job)?;
            if let Some(notification) = notification_of(&job) {
                notifications::reopen(ledger.tx, notification)?;
            }
            jobs::retry_dead(ledger.tx, id, ledger.now)?;
            if job.stage == StageName::Action && StepJob::is_aside_in(&job.payload) {
                ledger.due_at(job.stage, ledger.now);
            } else {
                ledger.back_in_queue(job.stage);
            }
            ledger.audit_by(&context, "job.retry", &id.to_string(), &json!({ "stage": job.stage }))
        })
        .await
    }

    /// Discards a dead letter.
    pub async fn discard_dead(self: &Arc<Self>, by: &Authorized, id: &str) -> Result<()> {
        let tenant = by.require_tenant(Permission::QueueDiscard)?;
        let id = cursor::parse::<JobId>(id, "job")?;
        let context = by.context.clone();
        self.change(tenant, move |ledger| {
            let job = jobs::get_dead(ledger.tx, id)?.ok_or_else(|| Error::not_found("dead letter", id))?;
            jobs::discard_dead(ledger.tx, id)?;
            // A letter of an earlier release may be all that its run waits for.
            if let (Some(run), Some(waits)) = (job.run_id, given_up::waits_for(job.stage, &job.payload))
                && given_up::is_waiting(ledger, run, waits)?
            {
                given_up::give_up(ledger, job.stage, run, "the job that it waited for was discarded")?;
            }
            ledger.audit_by(&context, "job.discard", &id.to_string(), &json!({ "stage": job.stage }))
        })
        .await
    }
}

/// What waited for the job has failed with it and the run has gone on or ended; it would not go back for it.
fn refuse_what_goes_on(ledger: &Ledger<'_>, job: &QueuedJob) -> Result<()> {
    let (Some(run), Some(waits)) = (job.run_id, given_up::waits_for(job.stage, &job.payload)) else {
        return Ok(());
    };
    let Some(state) = runs::state(ledger.tx, run)? else { return Ok(()) };
    if given_up::is_waiting(ledger, run, waits)? {
        return Ok(());
    }
    let detail = if state.is_terminal() {
        format!("{run} has {state} already; its steps are not tried again")
    } else {
        format!("{run} has gone on without the step; it is not tried again")
    };
    Err(Error::new(ErrorCode::StateConflict, detail).with_hint(format!("tenantry run retry {run}")))
}

fn notification_of(job: &QueuedJob) -> Option<NotificationId> {
    let payload: Value = serde_json::from_slice(&job.payload).ok()?;
    payload.get("notification")?.as_str()?.parse().ok()
}

/// After which job of a stage a page begins.
#[derive(Clone, Copy)]
enum Place {
    /// Among the leased ones.
    Leased(i64),
    /// Behind them, among the ready ones: when the job is due, and its row.
    Ready(i64, i64),
}

impl Place {
    fn read(after: Option<&str>) -> Result<Self> {
        let Some(text) = after else { return Ok(Self::Leased(0)) };
        let bad = || Error::new(ErrorCode::BadIdentifier, "the cursor is not one that a page gave");
        let (at, seq) = text.split_once('.').ok_or_else(bad)?;
        let number = |text: &str| text.parse::<i64>().map_err(|_| bad());
        if at == "leased" {
            Ok(Self::Leased(number(seq)?))
        } else {
            Ok(Self::Ready(number(at)?, number(seq)?))
        }
    }
}

#[derive(Clone, Copy)]
enum Shown {
    Subject,
    Payload,
}

fn view(row: QueuedJob, shown: Shown) -> JobView {
    let payload = serde_json::from_slice::<Value>(&row.payload).unwrap_or(Value::Null);
    JobView {
        id: row.id,
        stage: row.stage,
        state: row.state,
        run: row.run_id,
        attempt: row.attempt,
        available_at: row.available_at,
        created_at: row.created_at,
        error: row.error,
        leased_at: row.lease.map(|(since, _)| since),
        lease_until: row.lease.map(|(_, until)| until),
        subject: subject(row.stage, &payload),
        payload: match shown {
            Shown::Subject => None,
            Shown::Payload => Some(payload),
        },
    }
}

fn subject(stage: StageName, payload: &Value) -> String {
    let field = |name: &str| match payload.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "?".to_owned(),
    };
    match stage {
        StageName::Trigger if payload.get("turn").is_some() => format!("turn of a run: {}", field("turn")),
        StageName::Trigger if payload.get("gathering").is_some() => {
            format!("gathered events {}", field("gathering"))
        }
        StageName::Trigger => format!("event {}", field("event")),
        StageName::Action => format!("step {}", field("step")),
        StageName::Logging => format!("outcome of step {}", field("step")),
        StageName::Notification => format!("notification {}", field("notification")),
    }
}
