//! Measures the store alone: closures of four rows each over eight tenants, and a lone write.
//!
//! `cargo run --release -p tenantry-daemon --example store_speed`

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use tenantry_daemon::clock::Clock;
use tenantry_daemon::config;
use tenantry_daemon::error::Result;
use tenantry_daemon::store::tenant::events::{self, Body, NewEvent};
use tenantry_daemon::store::tenant::jobs::{self, Lease, NewJob};
use tenantry_daemon::store::tenant::runs::{self, NewRun};
use tenantry_daemon::store::tenant::steps::{self, NewStep};
use tenantry_daemon::store::{Database, Lane, Store, WriteTx};
use tenantry_daemon::supervise::Supervisor;
use tenantry_protocol::id::{EventId, JobId, LeaseToken, RunId, TenantId, WorkflowId};
use tenantry_protocol::state::{EventKind, StageName, StepState};

const TENANTS: i64 = 8;
/// Writers of one tenant that wait for their commit at the same time.
const WRITERS: usize = 64;
const SPAN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir_in(".")?;
    let (clock, limits) = (Clock::system(), config::Store::default());
    let supervisor = Supervisor::new(clock.clone());
    let store = Store::open(&folder.path().join("data"), &limits, clock.clone(), &supervisor).await?;
    let mut tenants = Vec::new();
    for number in 0..TENANTS {
        tenants.push(store.create_tenant(TenantId::new(number)).await?);
    }
    let first = tenants.first().ok_or("no tenant")?;
    let mut lone = Vec::new();
    for _ in 0..500 {
        let start = clock.instant();
        write(first, &clock).await?;
        lone.push(clock.elapsed(start));
        clock.sleep(Duration::from_millis(2)).await;
    }
    lone.sort_unstable();
    let start = clock.instant();
    let mut writers = Vec::new();
    for tenant in &tenants {
        for _ in 0..WRITERS {
            let (tenant, clock) = (tenant.clone(), clock.clone());
            writers.push(supervisor.spawn_once("writer", async move {
                let mut count = 0_u64;
                while clock.elapsed(start) < SPAN {
                    write(&tenant, &clock).await?;
                    count += 1;
                }
                Result::<u64>::Ok(count)
            }));
        }
    }
    let mut count = 0;
    for writer in writers {
        count += writer.join().await??;
    }
    let rate = count as f64 / clock.elapsed(start).as_secs_f64();
    let quantile = |share: usize| lone.get(lone.len() * share / 100).copied().unwrap_or_default();
    writeln!(std::io::stdout(), "{rate:.0} closures of 4 rows a second over {TENANTS} tenants")?;
    writeln!(std::io::stdout(), "a lone write: p50 {:?}, p99 {:?}", quantile(50), quantile(99))?;
    drop((tenants, store));
    supervisor.drain(Duration::from_secs(10)).await;
    Ok(())
}

async fn write(tenant: &Database, clock: &Clock) -> Result<()> {
    let now = clock.now_ms();
    tenant.write(Lane::Trigger, move |tx| four_rows(tx, now)).await
}

fn four_rows(tx: &WriteTx, now: i64) -> Result<()> {
    let (event, run) = (EventId::new(now), RunId::new(now));
    let body = [b'x'; 500];
    let new = NewEvent {
        id: event,
        kind: EventKind::Webhook,
        source: "hook",
        method: None,
        content_type: Some("application/json"),
        headers: "{}",
        query: None,
        body: Body::Inline(&body),
        received_at: now,
        actor: None,
        depth: 0,
    };
    events::insert(tx, &new)?;
    let new = NewRun {
        id: run,
        workflow_id: WorkflowId::from_bytes([7; 16]),
        revision: 1,
        event_id: Some(event),
        inputs: None,
        accepted_at: now,
        created_at: now,
    };
    runs::insert_started(tx, &new, now)?;
    let step = NewStep {
        idx: 0,
        id: "call",
        state: StepState::Running,
        attempt: 1,
        started_at: Some(now),
        ended_at: None,
    };
    steps::insert(tx, run, &step)?;
    let job = NewJob {
        id: JobId::new(now),
        stage: StageName::Action,
        run_id: Some(run),
        payload: b"{}",
        available_at: now,
        created_at: now,
        lease: Some(Lease { token: LeaseToken::new(now), until: now + 60_000 }),
    };
    jobs::insert(tx, &job).map(|_| ())
}
