//! A look at a tenant's schedules: what is due becomes events, what came too late is recorded, and the place in time
//! moves, in one transaction.

use std::sync::Arc;

use serde_json::json;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::feed::Change;
use tenantry_protocol::id::{RunId, TenantId, WorkflowId};
use tenantry_protocol::state::{EventKind, JobState, StageName, TenantState};
use tenantry_workflow::schedule::due::{self, ON_TIME_MS};
use tenantry_workflow::{Catchup, Overlap, Schedule};

use super::fate::{Busy, Fate, HELD_LIMIT, fate};
use super::{Spec, entries, event_of_fire};
use crate::context::{Context, Origin};
use crate::error::Result;
use crate::service::Service;
use crate::service::event::Event;
use crate::service::events::{insert_event_by, run_of};
use crate::service::ledger::Ledger;
use crate::service::material::EventMaterial;
use crate::store::PAGE_LIMIT;
use crate::store::tenant::{events, jobs, runs, schedules, workflows};

/// Entries that one transaction looks at; the next look takes the next ones.
const ENTRIES_AT_ONCE: u32 = 64;
/// How soon a tenant that cannot take events now is looked at again, and one of whose fires one waits for an event that is
/// on its way, in milliseconds.
const AGAIN_MS: i64 = 1_000;
/// How soon fires that wait are looked at although no run has ended.
const HELD_AGAIN_MS: i64 = 30_000;
/// Who fires, as in the audit log.
const ACTOR: &str = "system:schedule";
/// How soon an entry is looked at again that cannot be read.
const UNREADABLE_AGAIN_MS: i64 = 3_600_000;

/// What a look has done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Fires that became events.
    pub started: u64,
    /// Those of them that came late.
    pub caught_up: u64,
    /// Fires that came too late.
    pub missed: u64,
    /// Fires that found a run still there and started none.
    pub skipped: u64,
    /// Runs that must be cancelled. If the daemon dies before it is done, the next look finds them again by the fires
    /// that wait for their end.
    cancel: Vec<RunId>,
    /// When fires that wait are looked at again although no run has ended.
    held_again: Option<i64>,
}

impl Service {
    /// Looks at a tenant's schedules.
    pub async fn look_at_schedules(self: &Arc<Self>, id: TenantId) -> Result<Looked> {
        self.schedules.take(id);
        let tenant = self.directory.get(id).filter(|tenant| tenant.state == TenantState::Active);
        // A tenant that is suspended is looked at when it is resumed: what it missed is caught up then.
        let Some(tenant) = tenant else { return Ok(Looked::default()) };
        if let Err(error) = self.admit(&tenant) {
            self.schedules.not_later(id, self.clock.now_ms().saturating_add(AGAIN_MS));
            return if error.code() == ErrorCode::QueueFull { Ok(Looked::default()) } else { Err(error) };
        }
        let (service, entry) = (Arc::clone(self), Arc::clone(&tenant));
        let write = self.store.tenant(id)?.write(StageName::Trigger, move |tx| {
            let mut ledger = Ledger::new(service, entry, tx);
            let looked = look(&mut ledger)?;
            ledger.seal();
            Ok(looked)
        });
        let looked = match write.await {
            Ok(looked) => looked,
            Err(error) => {
                self.schedules.not_later(id, self.clock.now_ms().saturating_add(AGAIN_MS));
                return Err(error);
            }
        };
        for run in &looked.cancel {
            let context = Context::system(Origin::Upkeep, &self.clock).for_tenant(id);
            match self.cancel(&tenant, *run, context).await {
                // It may have ended by itself in the meantime, and then nobody tells.
                Err(error) if error.code() == ErrorCode::StateConflict => {
                    self.schedules.not_later(id, i64::MIN);
                }
                cancelled => cancelled?,
            }
        }
        Ok(looked)
    }

    /// The wall clock was set back: the schedules of every tenant are, too.
    pub async fn set_schedules_back(self: &Arc<Self>) -> Result<()> {
        for id in self.schedules.tenants() {
            let Some(tenant) = self.directory.get(id) else { continue };
            let set = self.change(&tenant, |ledger| {
                entries::set_back(ledger.tx, ledger.now)?;
                entries::tell_next(ledger, Some(ledger.now))
            });
            set.await?;
        }
        Ok(())
    }
}

fn look(ledger: &mut Ledger<'_>) -> Result<Looked> {
    let mut looked = Looked::default();
    release_held(ledger, &mut looked)?;
    for row in schedules::due(ledger.tx, ledger.now, ENTRIES_AT_ONCE)? {
        decide(ledger, &row, &mut looked)?;
    }
    attend_held(ledger, &mut looked)?;
    entries::tell_next(ledger, looked.held_again)?;
    Ok(looked)
}

/// Starts what has waited, where nothing stands in its way any more.
fn release_held(ledger: &mut Ledger<'_>, looked: &mut Looked) -> Result<()> {
    for workflow in schedules::holding(ledger.tx, ENTRIES_AT_ONCE)? {
        if busy(ledger, workflow)? == Busy::No {
            release_first(ledger, workflow, looked)?;
        }
    }
    Ok(())
}

fn release_first(ledger: &mut Ledger<'_>, workflow: WorkflowId, looked: &mut Looked) -> Result<()> {
    let Some((fire, key)) = schedules::held(ledger.tx, workflow, 1)?.into_iter().next() else {
        return Ok(());
    };
    schedules::release(ledger.tx, workflow, &key, fire)?;
    let Some((spec, schedule)) = held_entry(ledger, workflow, &key)? else { return Ok(()) };
    let name = name_of(ledger, workflow)?;
    let fired = Fired { workflow, key: &key, name: &name, spec: &spec, schedule: &schedule };
    start(ledger, &fired, fire, looked)
}

/// The entry of a fire that waits; none if it cannot be read any more.
fn held_entry(ledger: &Ledger<'_>, workflow: WorkflowId, key: &str) -> Result<Option<(Spec, Schedule)>> {
    let row = schedules::of(ledger.tx, workflow, PAGE_LIMIT)?.into_iter().find(|row| row.key == key);
    let read = row.map(|row| Spec::parse(&row.spec).and_then(|spec| Ok((spec.schedule()?, spec))));
    match read.transpose() {
        Ok(read) => Ok(read.map(|(schedule, spec)| (spec, schedule))),
        Err(error) => {
            tracing::error!(tenant = %ledger.tenant.id, %workflow, detail = error.detail(), "a fire that waited is given up");
            Ok(None)
        }
    }
}

/// Finds what fires that wait want cancelled, and when to look at them again.
fn attend_held(ledger: &Ledger<'_>, looked: &mut Looked) -> Result<()> {
    for workflow in schedules::holding(ledger.tx, ENTRIES_AT_ONCE)? {
        let Some((_, key)) = schedules::held(ledger.tx, workflow, 1)?.into_iter().next() else { continue };
        let busy = busy(ledger, workflow)?;
        if let Busy::Running(run) = busy
            && let Some((_, schedule)) = held_entry(ledger, workflow, &key)?
            && schedule.overlap == Overlap::CancelRunning
        {
            looked.cancel.push(run);
        }
        let pause = match busy {
            // Whether the event starts a run at all, nobody tells.
            Busy::No | Busy::Pending => AGAIN_MS,
            Busy::Running(_) | Busy::Stopping => HELD_AGAIN_MS,
        };
        let at = ledger.now.saturating_add(pause);
        looked.held_again = Some(looked.held_again.map_or(at, |before| before.min(at)));
    }
    Ok(())
}

/// What a fire belongs to.
struct Fired<'a> {
    workflow: WorkflowId,
    key: &'a str,
    name: &'a str,
    spec: &'a Spec,
    schedule: &'a Schedule,
}

fn decide(ledger: &mut Ledger<'_>, row: &schedules::Schedule, looked: &mut Looked) -> Result<()> {
    let (workflow, key) = (row.workflow_id, row.key.as_str());
    let read = Spec::parse(&row.spec).and_then(|spec| Ok((spec.schedule()?, spec)));
    let (schedule, spec) = match read {
        Ok(read) => read,
        Err(error) => {
            // A zone that this machine does not know, say. The tenant's other schedules go on.
            tracing::error!(tenant = %ledger.tenant.id, %workflow, detail = error.detail(), "schedule is not served");
            let next_at = Some(ledger.now.saturating_add(UNREADABLE_AGAIN_MS));
            let decided =
                schedules::Decided { cursor: row.cursor, next_at, missed: 0, last_missed: None, skipped: 0 };
            return schedules::decide(ledger.tx, workflow, key, &decided);
        }
    };
    let due = due::due(&schedule, workflow.as_bytes(), row.cursor, ledger.now);
    let mut decided = schedules::Decided {
        cursor: due.missed.map_or(row.cursor.min(ledger.now), |missed| missed.last),
        next_at: due.next,
        missed: due.missed.map_or(0, |missed| missed.count),
        last_missed: due.missed.map(|missed| missed.last),
        skipped: 0,
    };
    if due.missed.is_none() && due.start.is_empty() {
        decided.cursor = due.cursor;
        return schedules::decide(ledger.tx, workflow, key, &decided);
    }
    let name = name_of(ledger, workflow)?;
    let fired = Fired { workflow, key, name: &name, spec: &spec, schedule: &schedule };
    if let Some(missed) = &due.missed {
        record_missed(ledger, &fired, missed)?;
        looked.missed += u64::from(missed.count);
    }
    for fire in due.start {
        match fate_of(ledger, &fired, fire)? {
            Fate::Start => start(ledger, &fired, fire, looked)?,
            Fate::Hold => schedules::hold(ledger.tx, workflow, key, fire)?,
            Fate::HoldAlone => {
                supersede(ledger, &fired, looked)?;
                schedules::hold(ledger.tx, workflow, key, fire)?;
            }
            Fate::Skip => {
                decided.skipped += 1;
                looked.skipped += 1;
                record_skipped(ledger, &fired, &spec.text, fire)?;
            }
            Fate::Later => {
                decided.next_at = Some(ledger.now.saturating_add(HELD_AGAIN_MS));
                return schedules::decide(ledger.tx, workflow, key, &decided);
            }
        }
        decided.cursor = fire;
    }
    decided.cursor = decided.cursor.max(due.cursor);
    schedules::decide(ledger.tx, workflow, key, &decided)
}

fn fate_of(ledger: &Ledger<'_>, fired: &Fired<'_>, fire: i64) -> Result<Fate> {
    let (tx, schedule) = (ledger.tx, fired.schedule);
    // Known already: the clock was set back.
    if events::is_there(tx, event_of_fire(fired.workflow, fired.key, fire))? {
        return Ok(Fate::Start);
    }
    let held = schedules::held(tx, fired.workflow, HELD_LIMIT)?.len();
    let redeemed = is_late(schedule, fire, ledger.now) && schedule.catchup == Catchup::All;
    let held = u32::try_from(held).unwrap_or(HELD_LIMIT);
    Ok(fate(schedule.overlap, redeemed, held, busy(ledger, fired.workflow)?))
}

/// The fires of the workflow that wait start none.
fn supersede(ledger: &Ledger<'_>, by: &Fired<'_>, looked: &mut Looked) -> Result<()> {
    for (fire, key) in schedules::held(ledger.tx, by.workflow, HELD_LIMIT)? {
        schedules::release(ledger.tx, by.workflow, &key, fire)?;
        schedules::skip(ledger.tx, by.workflow, &key)?;
        looked.skipped += 1;
        // It belongs to its own entry, which need not be the one that takes its place.
        let text = held_entry(ledger, by.workflow, &key)?.map_or(key, |(spec, _)| spec.text);
        record_skipped(ledger, by, &text, fire)?;
    }
    Ok(())
}

fn is_late(schedule: &Schedule, fire: i64, now: i64) -> bool {
    now.saturating_sub(fire).saturating_sub_unsigned(schedule.jitter_ms) > ON_TIME_MS
}

/// Whether what the workflow's schedules started last is still there.
fn busy(ledger: &Ledger<'_>, workflow: WorkflowId) -> Result<Busy> {
    let mut busy = Busy::No;
    for (event, job) in schedules::last(ledger.tx, workflow, PAGE_LIMIT)? {
        let run = run_of(event, workflow);
        match runs::standing(ledger.tx, run)? {
            Some(standing) if standing.state.is_terminal() => {}
            Some(standing) if standing.stop.is_none() => return Ok(Busy::Running(run)),
            Some(_) => busy = Busy::Stopping,
            None => {
                let state = job.map(|(seq, id)| jobs::find(ledger.tx, seq, id)).transpose()?.flatten();
                if state.is_some_and(|state| state != JobState::Dead) && busy == Busy::No {
                    busy = Busy::Pending;
                }
            }
        }
    }
    Ok(busy)
}

fn name_of(ledger: &Ledger<'_>, workflow: WorkflowId) -> Result<String> {
    Ok(workflows::get(ledger.tx, workflow)?.map_or_else(|| workflow.to_string(), |row| row.name))
}

/// Makes a fire an event, unless it is one already.
fn start(ledger: &mut Ledger<'_>, fired: &Fired<'_>, fire: i64, looked: &mut Looked) -> Result<()> {
    let id = event_of_fire(fired.workflow, fired.key, fire);
    if events::is_there(ledger.tx, id)? {
        return Ok(());
    }
    let late = is_late(fired.schedule, fire, ledger.now);
    let body = json!({
        "schedule": fired.spec.text,
        "timezone": fired.spec.timezone,
        "scheduled_at": fired.schedule.zone.local_text(fire),
        "scheduled_at_ms": fire,
        "caught_up": late,
    });
    let event = Event::internal(EventKind::Schedule, fired.name.to_owned(), &body, 0, ledger.now);
    let event = Event { id, ..event };
    let value = event.value().map_err(|error| crate::error::Error::internal(error.to_string()))?;
    insert_event_by(ledger, &EventMaterial { event: Arc::new(event), value }, None, ACTOR)?;
    if let Some(job) = jobs::newest(ledger.tx)? {
        schedules::start(ledger.tx, fired.workflow, fired.key, fire, id, job)?;
    }
    let detail =
        json!({ "workflow": fired.name, "schedule": fired.spec.text, "fire": fire, "caught-up": late });
    ledger.audit(ACTOR, "schedule.fire", &id.to_string(), "ok", &detail)?;
    looked.started += 1;
    looked.caught_up += u64::from(late);
    Ok(())
}

fn record_missed(ledger: &mut Ledger<'_>, fired: &Fired<'_>, missed: &due::Missed) -> Result<()> {
    let due::Missed { count, first, last } = *missed;
    let (workflow, schedule) = (fired.name.to_owned(), fired.spec.text.clone());
    tracing::warn!(tenant = %ledger.tenant.id, workflow, schedule, count, first, last, "fires were missed");
    let detail = json!({
        "workflow": workflow, "schedule": schedule, "timezone": fired.spec.timezone,
        "count": count, "first": first, "last": last,
    });
    ledger.audit(ACTOR, "schedule.miss", &fired.workflow.to_string(), "missed", &detail)?;
    ledger.change(|| Change::Missed { workflow, schedule, count, first, last });
    Ok(())
}

fn record_skipped(ledger: &Ledger<'_>, fired: &Fired<'_>, schedule: &str, fire: i64) -> Result<()> {
    let detail = json!({ "workflow": fired.name, "schedule": schedule, "fire": fire });
    ledger.audit(ACTOR, "schedule.skip", &fired.workflow.to_string(), "skipped", &detail)
}
