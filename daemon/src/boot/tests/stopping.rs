//! A run that has started more runs than a page of them has is cancelled with all of them.

use tenantry_protocol::id::RunId;
use tenantry_protocol::state::{StageName, StepState};

use super::*;
use crate::store::Lane;
use crate::store::tenant::{jobs, runs, steps, workflows};

const CHILDREN: u32 = PAGE_LIMIT + 5;

/// A run with that many live children.
async fn parent_of_many(inside: &Inside, tenant: TenantId) -> RunId {
    let now = inside.clock.now_ms();
    let file = inside.service.store.tenant(tenant).unwrap();
    let write = file.write(Lane::Api, move |tx| {
        let event_id = events::list(tx, None, 1)?.first().map(|event| event.id);
        let workflow_id = workflows::list(tx, "", 1)?[0].id;
        let run = |id| runs::NewRun {
            id,
            workflow_id,
            revision: 1,
            event_id,
            inputs: None,
            accepted_at: now,
            created_at: now,
        };
        let parent = RunId::new(now);
        runs::insert_started(tx, &run(parent), now)?;
        let (state, started_at) = (StepState::Running, Some(now));
        let step = steps::NewStep { idx: 0, id: "run-1", state, attempt: 1, started_at, ended_at: None };
        steps::insert(tx, parent, &step)?;
        for _ in 0..CHILDREN {
            let child = RunId::new(now);
            runs::insert_started(tx, &run(child), now)?;
            runs::set_ancestry(tx, child, Some((parent, 0)), 1)?;
        }
        Ok(parent)
    });
    write.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_orders_every_run_that_it_has_started_to_stop() {
    let folder = TempDir::new().unwrap();
    let start = at("2026-06-01T00:00:30Z");
    let inside = Inside::open(&folder, start).await;
    let tenant = inside.tenant().await;
    inside.apply("    - { cron: '0 1 * * *', overlap: allow }\n").await;
    inside.run_until(start + HOUR).await;
    let parent = parent_of_many(&inside, tenant).await;
    inside.service.cancel_run(&inside.admin(Some("acme")), &parent.to_string()).await.unwrap();
    let file = inside.service.store.tenant(tenant).unwrap();
    let depths = file.read(jobs::depths).await.unwrap();
    let orders: u64 = depths.iter().filter(|depth| depth.stage == StageName::Action).map(|d| d.count).sum();
    assert_eq!(orders, u64::from(CHILDREN));
    drop(file);
    inside.close().await;
}
