//! The workload done with the real store: several lanes at once, so that their commits share transactions.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tenantry_daemon::clock::Clock;
use tenantry_daemon::config;
use tenantry_daemon::error::Error;
use tenantry_daemon::store::tenant::events::Body;
use tenantry_daemon::store::tenant::{events, jobs, runs};
use tenantry_daemon::store::{Database, Lane, Store, WriteTx, audit};
use tenantry_daemon::supervise::Supervisor;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{EventId, JobId, RequestId, RunId, TenantId, WorkflowId};
use tenantry_protocol::state::{EventKind, StageName};

use super::Acks;
use crate::powercut::oracle::Subject;

/// How often the store refused, in this process.
static REFUSED: AtomicU32 = AtomicU32::new(0);

/// The lane of the tenant's creation.
const CREATION: u32 = 1_000;
/// Lanes that write at the same time.
const LANES: u32 = 4;

/// The store's own tables. An event's source and a run's inputs carry `lane:number`.
pub const SUBJECT: Subject = Subject {
    database: "tenants/*/tenant.db",
    present: "
        select cast(substr(source, 1, instr(source, ':') - 1) as integer) * 2,
               cast(substr(source, instr(source, ':') + 1) as integer)
        from event
        union all
        select cast(substr(inputs, 1, instr(inputs, ':') - 1) as integer) * 2 + 1,
               cast(substr(inputs, instr(inputs, ':') + 1) as integer)
        from run
        union all
        select 1000, 1 from head",
    rules: &[
        (
            "an event has exactly its trigger job or its run",
            "select count(*) from event
             where (cast(source as blob) in (select payload from job where stage = 'trigger'))
                 + (id in (select event_id from run)) <> 1",
        ),
        (
            "a run has its action job",
            "select count(*) from run where id not in (select run_id from job where stage = 'action')",
        ),
        ("audit records have no gap", "select count(*) <> coalesce(max(seq) + 1, 0) from audit"),
        ("every run is audited", "select abs((select count(*) from audit) - (select count(*) from run))"),
        (
            "the audit tree's edge is as far as its records",
            "select audit_size <> (select count(*) from audit) from head",
        ),
    ],
};

/// Makes `commits` commits, split over the lanes, and answers how often the store refused one for the time being.
pub async fn run(folder: &Path, acks: Acks, commits: u32) -> Result<u32, Error> {
    let clock = Clock::system();
    let supervisor = Supervisor::new(clock.clone());
    let store = Store::open(folder, &config::Store::default(), clock.clone(), &supervisor).await?;
    let database = repeat(&clock, || store.create_tenant(TenantId::new(clock.now_ms()))).await?;
    acks.mark(CREATION, 1).map_err(|error| Error::internal(error.to_string()))?;
    let acks = Arc::new(acks);
    let lanes: Vec<_> = (0..LANES)
        .map(|lane| {
            let (database, acks, clock) = (database.clone(), Arc::clone(&acks), clock.clone());
            tokio::spawn(async move { one_lane(&database, &acks, &clock, lane, commits / LANES / 2).await })
        })
        .collect();
    for lane in lanes {
        lane.await.map_err(|error| Error::internal(error.to_string()))??;
    }
    supervisor.drain(Duration::from_secs(10)).await;
    Ok(REFUSED.load(Ordering::Relaxed))
}

async fn one_lane(
    database: &Database,
    acks: &Acks,
    clock: &Clock,
    lane: u32,
    count: u32,
) -> Result<(), Error> {
    let failed = |error: io::Error| Error::internal(error.to_string());
    for number in 1..=count {
        let now = clock.now_ms();
        let label = format!("{lane}:{number}");
        let event = EventId::new(now);
        let job = repeat(clock, || {
            let label = label.clone();
            database.write(Lane::Trigger, move |tx| accept(tx, event, &label, now))
        })
        .await?;
        acks.mark(lane * 2, number).map_err(failed)?;
        repeat(clock, || {
            let label = label.clone();
            database.write(Lane::Trigger, move |tx| settle(tx, event, job, &label, now))
        })
        .await?;
        acks.mark(lane * 2 + 1, number).map_err(failed)?;
    }
    Ok(())
}

/// Repeats a write that the store refused because of its disk: it said that nothing of it is there.
async fn repeat<T, F>(clock: &Clock, mut write: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    for _ in 0..200 {
        match write().await {
            Err(error) if is_refusal(error.code()) => {
                REFUSED.fetch_add(1, Ordering::Relaxed);
                clock.sleep(Duration::from_millis(20)).await;
            }
            ended => return ended,
        }
    }
    Err(Error::internal("the store did not recover"))
}

const fn is_refusal(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::TenantDegraded | ErrorCode::StoreFull | ErrorCode::StoreReadOnly)
}

/// What accepting a webhook writes: the event, and a trigger job that is handed over in memory.
fn accept(tx: &WriteTx, event: EventId, source: &str, now: i64) -> Result<(i64, jobs::Lease), Error> {
    let body = "x".repeat(500);
    let row = events::NewEvent {
        id: event,
        kind: EventKind::Webhook,
        source,
        method: None,
        content_type: Some("application/json"),
        headers: "{}",
        query: None,
        body: Body::Inline(body.as_bytes()),
        received_at: now,
        actor: None,
        depth: 0,
    };
    events::insert(tx, &row)?;
    let lease = jobs::Lease { token: tenantry_protocol::id::LeaseToken::new(now), until: now + 60_000 };
    let job = jobs::NewJob {
        id: JobId::new(now),
        stage: StageName::Trigger,
        run_id: None,
        payload: source.as_bytes(),
        available_at: now,
        created_at: now,
        lease: Some(lease),
    };
    Ok((jobs::insert(tx, &job)?, lease))
}

/// What settling a trigger job writes: the job out, a run, its first action job and an audit record in.
fn settle(tx: &WriteTx, event: EventId, job: (i64, jobs::Lease), label: &str, now: i64) -> Result<(), Error> {
    if !jobs::settle(tx, job.0, job.1.token)? {
        return Err(Error::internal("the job was not there to be settled"));
    }
    let run = RunId::new(now);
    let row = runs::NewRun {
        id: run,
        workflow_id: WorkflowId::from_bytes([7; 16]),
        revision: 1,
        event_id: Some(event),
        inputs: Some(label),
        accepted_at: now,
        created_at: now,
    };
    runs::insert(tx, &row)?;
    let next = jobs::NewJob {
        id: JobId::new(now),
        stage: StageName::Action,
        run_id: Some(run),
        payload: b"{}",
        available_at: now,
        created_at: now,
        lease: None,
    };
    jobs::insert(tx, &next)?;
    let record = audit::Record {
        at: now,
        actor: "system:trigger",
        verb: "run.start",
        resource: &run.to_string(),
        outcome: "ok",
        request_id: RequestId::new(now),
        detail: &serde_json::Value::Null,
    };
    audit::append(tx, &record)?;
    Ok(())
}
