//! What counts against a tenant's quota is what its file holds, whatever happens to the jobs.

use tenantry_protocol::id::RunId;
use tenantry_protocol::state::{JobState, StageName};

use super::*;
use crate::service::directory::Tenant;
use crate::service::flow::{stop, wake};
use crate::service::handover::HandedJob;
use crate::service::ledger::{Enqueue, Ledger};
use crate::service::step_job::{Came, Parked, StepJob};
use crate::stage::outcome::{NewWaiter, Outcome};
use crate::stage::settle;
use crate::store::Lane;
use crate::store::tenant::jobs::{self, Job};
use crate::store::tenant::waiters::Awaited;

const STAGE: StageName = StageName::Action;

/// One tenant, whose jobs are taken and settled at random.
struct Play {
    inside: Inside,
    tenant: Arc<Tenant>,
    held: Vec<HandedJob>,
    runs: Vec<RunId>,
    random: u64,
}

impl Play {
    async fn new(folder: &TempDir, seed: u64) -> Self {
        let inside = Inside::open(folder, at("2026-06-01T00:00:00Z")).await;
        let id = inside.tenant().await;
        let tenant = inside.service.directory.get(id).unwrap();
        Self { inside, tenant, held: Vec::new(), runs: Vec::new(), random: seed | 1 }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(below(&mut self.random, i64::try_from(end).unwrap())).unwrap()
    }

    async fn ledger<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Ledger<'_>) -> Result<T> + Send + 'static,
    ) -> T {
        let (service, tenant) = (Arc::clone(&self.inside.service), Arc::clone(&self.tenant));
        let file = service.store.tenant(tenant.id).unwrap();
        let written = file.write(Lane::Api, move |tx| {
            let mut ledger = Ledger::new(service, tenant, tx);
            let answer = write(&mut ledger)?;
            ledger.seal();
            Ok(answer)
        });
        written.await.unwrap()
    }

    async fn enqueue(&mut self) {
        let run = RunId::new(self.inside.clock.now_ms());
        self.runs.push(run);
        let job = move |ledger: &mut Ledger<'_>| {
            let payload = &StepJob::new(0);
            ledger.enqueue(Enqueue { stage: STAGE, run: Some(run), payload, material: None, limit_ms: 0 })
        };
        self.ledger(job).await;
        // What was handed over in memory is held from now on.
        while let Some(job) = self.inside.service.handover.take_back(STAGE) {
            self.held.push(job);
        }
    }

    async fn claim(&mut self) {
        let now = self.inside.clock.now_ms();
        let id = self.tenant.id;
        let jobs = self.ledger(move |ledger| jobs::claim(ledger.tx, STAGE, now, 3, now + HOUR)).await;
        let handed = |job: Job| HandedJob {
            tenant: id,
            seq: job.seq,
            id: job.id,
            token: job.lease.token,
            lease_until: job.lease.until,
            attempt: job.attempt,
            run: job.run_id,
            payload: job.payload.into(),
            material: None,
        };
        self.held.extend(jobs.into_iter().map(handed));
    }

    async fn settle(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let which = self.below(self.held.len());
        let job = self.held.swap_remove(which);
        let now = self.inside.clock.now_ms();
        let outcome = match self.below(6) {
            0 => Outcome::Done(Vec::new()),
            1 => Outcome::Retry { after_ms: 1_000, error: "no".to_owned(), effects: Vec::new() },
            2 => Outcome::Snooze { until: now + 1_000 },
            3 => Outcome::Reject { error: "no".to_owned(), effects: Vec::new() },
            _ => {
                let said = StepJob::decode(&job.payload).unwrap();
                let parked = Parked { attempt: 1, since: now, due: None, run: None, came: None };
                let waiter = said.parked.is_none().then(|| NewWaiter {
                    kind: Awaited::Approval,
                    name: None,
                    detail: "null".to_owned(),
                });
                let job = StepJob { parked: Some(Box::new(parked)), ..said };
                Outcome::Park { until: now + HOUR, job, waiter, effects: Vec::new() }
            }
        };
        settle::settle(&self.inside.service, STAGE, &job, Arc::new(outcome)).await.unwrap();
    }

    async fn touch_run(&mut self) {
        if self.runs.is_empty() {
            return;
        }
        let which = self.below(self.runs.len());
        let run = self.runs[which];
        if self.below(4) == 0 {
            self.ledger(move |ledger| stop::drop_jobs(ledger, run)).await;
            return;
        }
        let came = Came::Decision { approved: true, by: "a".to_owned(), comment: None, at: 1 };
        self.ledger(move |ledger| wake::wake(ledger, run, 0, Awaited::Approval, came)).await;
    }

    async fn touch_dead(&mut self) {
        let admin = self.inside.admin(Some("acme"));
        let dead = self.ledger(|ledger| jobs::list_dead(ledger.tx, None, None, 10)).await;
        let Some(job) = dead.first() else { return };
        let id = job.id.to_string();
        if self.below(3) == 0 {
            self.inside.service.discard_dead(&admin, &id).await.unwrap();
        } else {
            self.inside.service.retry_dead(&admin, &id).await.unwrap();
        }
    }

    fn counted(&self) -> i64 {
        self.tenant.tally.waiting[STAGE as usize].load(std::sync::atomic::Ordering::Relaxed)
    }

    /// What the file says, read row by row.
    async fn in_file(&self) -> (i64, i64) {
        let rows = self.ledger(|ledger| {
            let mut rows = jobs::list_ready(ledger.tx, STAGE, None, PAGE_LIMIT)?;
            rows.extend(jobs::list_leased(ledger.tx, STAGE, 0, PAGE_LIMIT)?);
            Ok(rows)
        });
        let (mut counted, mut aside) = (0, 0);
        for row in rows.await {
            assert_ne!(row.state, JobState::Dead);
            let said: serde_json::Value = serde_json::from_slice(&row.payload).unwrap();
            let is_aside = said["parked"].is_object() && said["parked"]["came"].is_null();
            *(if is_aside { &mut aside } else { &mut counted }) += 1;
        }
        (counted, aside)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tally_is_what_the_file_holds_without_what_is_put_aside() {
    let mut most_aside = 0;
    for seed in [0x5EED, 7, 2_026] {
        let folder = TempDir::new().unwrap();
        let mut play = Play::new(&folder, seed).await;
        for number in 0..300 {
            match play.below(10) {
                0..=2 => play.enqueue().await,
                3 => play.claim().await,
                4..=6 => play.settle().await,
                7 => play.touch_run().await,
                8 => play.touch_dead().await,
                _ => {
                    play.inside.clock.advance(u64::try_from(HOUR / 3).unwrap());
                }
            }
            let (counted, aside) = play.in_file().await;
            assert_eq!(play.counted(), counted, "seed {seed}, operation {number}, {aside} put aside");
            most_aside = most_aside.max(aside);
        }
        // A start counts the same.
        let counted = play.counted();
        play.inside.service.recover_tenant(&play.tenant).await.unwrap();
        assert_eq!(play.counted(), counted, "seed {seed}");
        let Play { inside, .. } = play;
        inside.close().await;
    }
    assert!(most_aside > 10, "{most_aside}");
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_that_wait_do_not_keep_new_events_out() {
    let folder = TempDir::new().unwrap();
    let mut play = Play::new(&folder, 1).await;
    let now = play.inside.clock.now_ms();
    for _ in 0..5 {
        play.enqueue().await;
    }
    assert_eq!(play.counted(), 5);
    for job in play.held.split_off(0) {
        let parked = Parked { attempt: 1, since: now, due: None, run: None, came: None };
        let aside = StepJob { parked: Some(Box::new(parked)), ..StepJob::new(0) };
        let outcome = Outcome::Park { until: now + HOUR, job: aside, waiter: None, effects: Vec::new() };
        settle::settle(&play.inside.service, STAGE, &job, Arc::new(outcome)).await.unwrap();
    }
    assert_eq!(play.counted(), 0);
    let limits = TenantLimits { queue_quota: Some(3), ..TenantLimits::default() };
    let update = TenantUpdate { title: None, state: None, limits: Some(limits) };
    play.inside.service.update_tenant(&play.inside.admin(Some("acme")), update).await.unwrap();
    let tenant = play.inside.service.directory.find("acme").unwrap();
    play.inside.service.admit(&tenant).unwrap();
    for _ in 0..3 {
        play.enqueue().await;
    }
    assert_eq!(play.inside.service.admit(&tenant).unwrap_err().code(), ErrorCode::QueueFull);
    assert_eq!(play.counted(), 3);
    let Play { inside, .. } = play;
    inside.close().await;
}
