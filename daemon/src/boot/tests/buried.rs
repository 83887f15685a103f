//! Jobs that become dead letters without their handler's word: what waits for them does not wait for ever.

use tenantry_protocol::id::{JobId, RunId};
use tenantry_protocol::queue::DeadQuery;
use tenantry_protocol::run::RunView;
use tenantry_protocol::state::{RunState, StageName, StepState};

use super::*;
use crate::service::ledger::Enqueue;
use crate::service::material::Material;
use crate::service::step_job::StepJob;
use crate::service::trigger_job::{TriggerJob, Turn};
use crate::stage::{JobContext, Outcome, Stage, driver};
use crate::store::Lane;
use crate::store::tenant::{jobs, places, runs, steps, workflows};

/// Refuses every payload, so that its jobs are buried by the driver.
struct Action;
/// The same.
struct Trigger;

macro_rules! refuses {
    ($stage:ident) => {
        impl Stage for $stage {
            const NAME: StageName = StageName::$stage;
            type Payload = ();

            fn payload(&self, _: Material) -> Option<()> {
                None
            }

            fn time_limit(&self, (): &()) -> Duration {
                Duration::from_secs(1)
            }

            async fn handle(&self, _: &JobContext, (): ()) -> Outcome {
                Outcome::Done(Vec::new())
            }
        }
    };
}

refuses!(Action);
refuses!(Trigger);

/// A tenant with a run of one step that is in its place in a concurrency group.
struct Stuck {
    inside: Inside,
    tenant: TenantId,
    run: RunId,
}

impl Stuck {
    async fn new(folder: &TempDir, revision: u32, state: RunState) -> Self {
        let start = at("2026-06-01T00:00:30Z");
        let inside = Inside::open(folder, start).await;
        let tenant = inside.tenant().await;
        let schedule = "    - { cron: '0 1 * * *', overlap: allow }\nconcurrency: { limit: 1 }\n";
        inside.apply(schedule).await;
        inside.run_until(start + HOUR).await;
        while inside.service.handover.take_back(StageName::Trigger).is_some() {}
        let now = inside.clock.now_ms();
        let run = RunId::new(now);
        let write = inside.service.store.tenant(tenant).unwrap().write(Lane::Api, move |tx| {
            let workflow_id = workflows::list(tx, "", 1)?[0].id;
            let event_id = events::list(tx, None, 1)?.first().map(|event| event.id);
            let (accepted_at, created_at) = (now, now);
            let row = runs::NewRun {
                id: run,
                workflow_id,
                revision,
                event_id,
                inputs: None,
                accepted_at,
                created_at,
            };
            let (state, started_at) = if state == RunState::Running {
                runs::insert_started(tx, &row, now)?;
                (StepState::Running, Some(now))
            } else {
                runs::insert(tx, &row)?;
                (StepState::Pending, None)
            };
            let step = steps::NewStep { idx: 0, id: "run-1", state, attempt: 1, started_at, ended_at: None };
            steps::insert(tx, run, &step)?;
            places::insert(tx, run, places::Group { workflow: workflow_id, key: "" }, places::State::Held, 1)
        });
        write.await.unwrap();
        Self { inside, tenant, run }
    }

    /// Adds a job of the run.
    async fn enqueue(&self, stage: StageName) -> JobId {
        let (run, tenant) = (Some(self.run), self.inside.service.directory.get(self.tenant).unwrap());
        let change = self.inside.service.change(&tenant, move |ledger| {
            let (step, turn) = (StepJob::new(0), TriggerJob::turn(Turn::Begin));
            if stage == StageName::Action {
                return ledger.enqueue(Enqueue { stage, run, payload: &step, material: None, limit_ms: 0 });
            }
            ledger.enqueue(Enqueue { stage, run, payload: &turn, material: None, limit_ms: 0 })
        });
        change.await.unwrap()
    }

    async fn dead(&self) -> Vec<JobId> {
        let admin = self.inside.admin(Some("acme"));
        let dead = self.inside.service.list_dead(&admin, &DeadQuery::default()).await.unwrap();
        dead.items.iter().map(|job| job.id).collect()
    }

    /// Lets the stage bury the job, and shows the run.
    async fn bury(&self, stage: StageName) -> RunView {
        let job = self.enqueue(stage).await;
        match stage {
            StageName::Action => driver::start(Action, &self.inside.service, &self.inside.parts.stages),
            _ => driver::start(Trigger, &self.inside.service, &self.inside.parts.stages),
        }
        let clock = Clock::system();
        let begun = clock.instant();
        while self.dead().await != [job] {
            assert!(clock.elapsed(begun) < PATIENCE, "the job is buried");
        }
        assert!(self.inside.parts.stages.drain(PATIENCE).await.is_complete());
        self.shown().await
    }

    async fn shown(&self) -> RunView {
        let admin = self.inside.admin(Some("acme"));
        self.inside.service.get_run(&admin, &self.run.to_string()).await.unwrap()
    }

    async fn is_held(&self) -> bool {
        let run = self.run;
        let file = self.inside.service.store.tenant(self.tenant).unwrap();
        file.write(Lane::Api, move |tx| Ok(places::remove(tx, run)?.is_some())).await.unwrap()
    }

    async fn step(&self) -> StepState {
        let run = self.run;
        let file = self.inside.service.store.tenant(self.tenant).unwrap();
        file.read(move |tx| steps::get(tx, run, 0)).await.unwrap().unwrap().state
    }

    /// The letter is there for a person, but what it was for is over.
    async fn close(self) {
        let admin = self.inside.admin(Some("acme"));
        let id = self.dead().await[0].to_string();
        let refused = self.inside.service.retry_dead(&admin, &id).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::StateConflict);
        self.inside.service.discard_dead(&admin, &id).await.unwrap();
        assert!(!self.is_held().await, "its place is free");
        self.inside.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_job_is_buried_has_failed_with_it() {
    let folder = TempDir::new().unwrap();
    let stuck = Stuck::new(&folder, 1, RunState::Running).await;
    let run = stuck.bury(StageName::Action).await;
    assert_eq!((run.state, stuck.step().await), (RunState::Failed, StepState::Failed));
    assert!(run.error.as_deref().is_some_and(|error| error.contains("another stage")), "{run:?}");
    let depths = stuck.inside.service.list_queues(&stuck.inside.admin(Some("acme"))).await.unwrap();
    let logging = depths.items.iter().find(|queue| queue.stage == StageName::Logging).unwrap();
    assert_eq!(logging.ready + logging.leased, 1, "its end is recorded");
    stuck.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_revision_cannot_be_read_ends_with_its_job() {
    let folder = TempDir::new().unwrap();
    let stuck = Stuck::new(&folder, 9, RunState::Running).await;
    stuck.enqueue(StageName::Action).await;
    driver::start(Action, &stuck.inside.service, &stuck.inside.parts.stages);
    let clock = Clock::system();
    let begun = clock.instant();
    while stuck.dead().await.is_empty() {
        assert!(clock.elapsed(begun) < PATIENCE, "the job is buried");
    }
    assert!(stuck.inside.parts.stages.drain(PATIENCE).await.is_complete());
    let run = stuck.run;
    let file = stuck.inside.service.store.tenant(stuck.tenant).unwrap();
    assert_eq!(file.read(move |tx| runs::state(tx, run)).await.unwrap(), Some(RunState::Failed));
    drop(file);
    assert_eq!(stuck.step().await, StepState::Cancelled);
    stuck.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_turn_is_buried_fails_and_frees_its_place() {
    let folder = TempDir::new().unwrap();
    let stuck = Stuck::new(&folder, 1, RunState::Queued).await;
    let run = stuck.bury(StageName::Trigger).await;
    assert_eq!((run.state, stuck.step().await), (RunState::Failed, StepState::Cancelled));
    stuck.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discarding_a_letter_that_a_run_waits_for_ends_the_run() {
    let folder = TempDir::new().unwrap();
    let stuck = Stuck::new(&folder, 1, RunState::Running).await;
    stuck.enqueue(StageName::Action).await;
    let job = stuck.inside.service.handover.take_back(StageName::Action).unwrap();
    let file = stuck.inside.service.store.tenant(stuck.tenant).unwrap();
    let bury = file.write(Lane::Api, move |tx| jobs::bury(tx, job.seq, job.token, "as it was before"));
    assert!(bury.await.unwrap());
    drop(file);
    let admin = stuck.inside.admin(Some("acme"));
    let id = stuck.dead().await[0].to_string();
    stuck.inside.service.discard_dead(&admin, &id).await.unwrap();
    assert_eq!((stuck.shown().await.state, stuck.step().await), (RunState::Failed, StepState::Cancelled));
    assert!(!stuck.is_held().await);
    stuck.inside.close().await;
}
