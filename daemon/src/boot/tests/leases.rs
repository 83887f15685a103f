//! Jobs that have waited in memory longer than their lease holds.

use std::sync::atomic::{AtomicUsize, Ordering};

use tenantry_protocol::state::{JobState, StageName};

use super::*;
use crate::service::material::Material;
use crate::stage::{JobContext, Outcome, Stage, driver};
use crate::store::Lane;
use crate::store::tenant::jobs;

/// A trigger stage that counts how often it is called.
struct Counting(Arc<AtomicUsize>);

impl Stage for Counting {
    const NAME: StageName = StageName::Trigger;
    type Payload = ();

    fn payload(&self, _: Material) -> Option<()> {
        Some(())
    }

    fn time_limit(&self, (): &()) -> Duration {
        Duration::from_secs(1)
    }

    async fn handle(&self, _: &JobContext, (): ()) -> Outcome {
        self.0.fetch_add(1, Ordering::Relaxed);
        Outcome::Done(Vec::new())
    }
}

/// Calls the handler for what is in memory, and answers how often it was called.
async fn calls(inside: &Inside, tenant: TenantId) -> usize {
    let called = Arc::new(AtomicUsize::new(0));
    driver::start(Counting(Arc::clone(&called)), &inside.service, &inside.parts.stages);
    until("the job has left the memory", || inside.service.handover.is_clear(tenant)).await;
    // Whoever has a job ends it.
    assert!(inside.parts.stages.drain(PATIENCE).await.is_complete());
    called.load(Ordering::Relaxed)
}

/// A daemon with one trigger job in memory whose lease has lapsed.
async fn with_a_lapsed_lease(folder: &TempDir) -> (Inside, TenantId) {
    let start = at("2026-06-01T00:00:30Z");
    let inside = Inside::open(folder, start).await;
    let tenant = inside.tenant().await;
    inside.apply("    - { cron: '0 1 * * *', overlap: allow }\n").await;
    inside.run_until(start + HOUR).await;
    assert_eq!(inside.fired(tenant).await.len(), 1);
    inside.clock.advance(3_600_000);
    (inside, tenant)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_lease_was_taken_back_is_not_begun_by_whoever_had_it() {
    let folder = TempDir::new().unwrap();
    let (inside, tenant) = with_a_lapsed_lease(&folder).await;
    let file = inside.service.store.tenant(tenant).unwrap();
    let now = inside.clock.now_ms();
    assert_eq!(file.write(Lane::Api, move |tx| jobs::reclaim_expired(tx, now)).await.unwrap(), 1);
    assert_eq!(calls(&inside, tenant).await, 0);
    let depths = file.read(jobs::depths).await.unwrap();
    let left: Vec<_> = depths.iter().map(|depth| (depth.stage, depth.state, depth.count)).collect();
    assert_eq!(left, [(StageName::Trigger, JobState::Ready, 1)], "it is there for whoever claims it");
    drop(file);
    inside.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_has_lapsed_but_that_nobody_took_is_taken_anew() {
    let folder = TempDir::new().unwrap();
    let (inside, tenant) = with_a_lapsed_lease(&folder).await;
    assert_eq!(calls(&inside, tenant).await, 1);
    let file = inside.service.store.tenant(tenant).unwrap();
    assert_eq!(file.read(jobs::depths).await.unwrap(), []);
    drop(file);
    inside.close().await;
}
