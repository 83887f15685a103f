//! Sweeps over days of a clock that the test moves.

use tempfile::TempDir;
use tenantry_protocol::id::{EventId, JobId, RunId, TenantId, WorkflowId};
use tenantry_protocol::run::LogStream;
use tenantry_protocol::state::{EventKind, RunOrigin, RunState, StageName, StepState};

use super::*;
use crate::config;
use crate::service::events::run_of;
use crate::store::tenant::events::{self, Body, NewEvent};
use crate::store::tenant::log_lines::{self, NewLine};
use crate::store::tenant::revisions::{self, Revision};
use crate::store::tenant::workflows::Workflow;
use crate::store::tenant::{jobs, runs, steps};
use crate::store::{Lane, WriteTx, audit};
use crate::supervise::Supervisor;

const DAY: i64 = 24 * 60 * 60 * 1_000;
/// When the test begins. Payloads have the machine's time, so this is not long ago.
const START: i64 = 1_900_000_000_000;

struct House {
    clock: Clock,
    store: Store,
    sweeper: Sweeper,
    file: Database,
    supervisor: Supervisor,
    _folder: TempDir,
}

const TENANT: TenantId = TenantId::from_bytes([7; 16]);

impl House {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Clock::manual(START);
        let supervisor = Supervisor::new(Clock::system());
        let limits = config::Store::default();
        let store =
            Store::open(&folder.path().join("data"), &limits, Clock::system(), &supervisor).await.unwrap();
        let file = store.create_tenant(TENANT).await.unwrap();
        let host = Keep { runs_ms: 90 * DAY, logs_ms: 30 * DAY };
        let sweeper = Sweeper::with(store.clone(), Catalog::new(store.clone()), clock.clone(), host);
        Self { clock, store, sweeper, file, supervisor, _folder: folder }
    }

    async fn stop(self) {
        let Self { store, sweeper, file, supervisor, .. } = self;
        drop((store, sweeper, file));
        assert!(supervisor.drain(Duration::from_secs(20)).await.is_complete());
    }

    async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&WriteTx<'_>) -> Result<T> + Send + 'static,
    ) -> T {
        self.file.write(Lane::Api, write).await.unwrap()
    }

    /// A workflow whose text ends with these lines.
    async fn workflow(&self, name: &str, more: &str) -> WorkflowId {
        let id = WorkflowId::new(START);
        let (name, more) = (name.to_owned(), more.to_owned());
        self.write(move |tx| {
            let source = format!("name: {name}\non: {{ manual: }}\nsteps: [{{ id: a, jq: . }}]\n{more}");
            let row = Workflow {
                id,
                name,
                enabled: true,
                revision: 1,
                created_at: START,
                updated_at: START,
                deleted_at: None,
            };
            workflows::insert(tx, &row)?;
            let revision = Revision {
                workflow_id: id,
                number: 1,
                format: "yaml".to_owned(),
                source,
                sha256: [0; 32],
                created_at: START,
                created_by: "test".to_owned(),
            };
            revisions::insert(tx, &revision)
        })
        .await;
        id
    }

    /// An event, received now.
    async fn event(&self, body: Body<&'static [u8]>) -> EventId {
        let now = self.clock.now_ms();
        let id = EventId::new(now);
        self.write(move |tx| {
            let event = NewEvent {
                method: None,
                depth: 0,
                id,
                kind: EventKind::Manual,
                source: "w",
                content_type: None,
                headers: "{}",
                query: None,
                body,
                received_at: now,
                actor: None,
            };
            events::insert(tx, &event)
        })
        .await;
        id
    }

    /// A run of the event with so many log lines, which has ended now if `end` says so.
    async fn run(&self, workflow: WorkflowId, event: EventId, lines: usize, end: bool) -> RunId {
        let now = self.clock.now_ms();
        let id = run_of(event, workflow);
        self.write(move |tx| {
            insert(tx, id, workflow, event, now)?;
            let line =
                NewLine { idx: Some(0), attempt: Some(1), at: now, stream: LogStream::Stdout, text: "x" };
            log_lines::append(tx, id, &vec![line; lines])?;
            if end {
                finish(tx, id, now)?;
            }
            Ok(())
        })
        .await;
        id
    }

    async fn forgotten(&self) -> Forgotten {
        self.sweeper.sweep_tenant(TENANT).await.unwrap()
    }

    async fn has(&self, run: RunId) -> bool {
        self.file.read(move |tx| runs::get(tx, run)).await.unwrap().is_some()
    }

    async fn has_event(&self, event: EventId) -> bool {
        self.file.read(move |tx| events::get(tx, event)).await.unwrap().is_some()
    }

    async fn sweeps_recorded(&self) -> usize {
        let filter = audit::Filter { verb: Some("retention."), resource: None };
        self.file.read(move |tx| audit::list(tx, filter, None, 100)).await.unwrap().len()
    }

    fn pass(&self, days: i64) {
        self.clock.advance((days * DAY).unsigned_abs());
    }
}

fn insert(tx: &WriteTx<'_>, id: RunId, workflow: WorkflowId, event: EventId, now: i64) -> Result<()> {
    let run = runs::NewRun {
        id,
        workflow_id: workflow,
        revision: 1,
        event_id: Some(event),
        inputs: None,
        accepted_at: now,
        created_at: now,
    };
    runs::insert_started(tx, &run, now)?;
    let step = steps::NewStep {
        idx: 0,
        id: "a",
        state: StepState::Running,
        attempt: 1,
        started_at: Some(now),
        ended_at: None,
    };
    steps::insert(tx, id, &step)
}

fn finish(tx: &WriteTx<'_>, id: RunId, now: i64) -> Result<()> {
    assert!(runs::end(tx, id, RunState::Running, RunState::Succeeded, None, now)?);
    assert!(runs::set_logged(tx, id, now)?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_workflow_says_wins_over_the_host_and_live_runs_are_never_touched() {
    let house = House::new().await;
    let short = house.workflow("short", "retention: { runs: 10d, logs: 2d }\n").await;
    let plain = house.workflow("plain", "").await;
    let (one, two, three) =
        (house.event(Body::None).await, house.event(Body::None).await, house.event(Body::None).await);
    let first = house.run(short, one, 5, true).await;
    let second = house.run(plain, two, 5, true).await;
    let live = house.run(short, three, 5, false).await;
    assert_eq!(house.forgotten().await, Forgotten::default());
    assert_eq!(house.sweeps_recorded().await, 0, "nothing to tell");

    house.pass(3);
    assert_eq!(house.forgotten().await, Forgotten { log_lines: 5, ..Forgotten::default() });
    assert!(house.has(first).await, "its log lines go first");

    house.pass(8);
    assert_eq!(house.forgotten().await, Forgotten { runs: 1, events: 1, ..Forgotten::default() });
    assert!(!house.has(first).await && !house.has_event(one).await);
    assert!(house.has(second).await && house.has(live).await);

    house.pass(80);
    let last = house.forgotten().await;
    assert_eq!((last.runs, last.log_lines, last.events), (1, 5, 1));
    assert!(house.has(live).await && house.has_event(three).await, "it has not ended");
    assert_eq!(house.sweeps_recorded().await, 3);

    let now = house.clock.now_ms();
    house.write(move |tx| finish(tx, live, now)).await;
    house.pass(9);
    assert_eq!(house.forgotten().await.runs, 0, "its age counts from its end");
    house.pass(2);
    assert_eq!(house.forgotten().await.runs, 1);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_log_lines_take_several_transactions_and_all_go() {
    let house = House::new().await;
    let workflow = house.workflow("w", "retention: { runs: 1d }\n").await;
    let event = house.event(Body::None).await;
    let lines = pass::BATCH_ROWS as usize * 2 + 7;
    let run = house.run(workflow, event, lines, true).await;
    house.pass(2);
    let forgotten = house.forgotten().await;
    assert_eq!((forgotten.runs, forgotten.log_lines), (1, lines as u64));
    assert!(!house.has(run).await);
    assert_eq!(house.file.read(move |tx| log_lines::list(tx, run, 0, 1)).await.unwrap(), []);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stays_while_a_job_or_a_repetition_needs_it() {
    let house = House::new().await;
    let workflow = house.workflow("w", "retention: { runs: 1d }\n").await;
    let (waiting, repeated, lonely) =
        (house.event(Body::None).await, house.event(Body::None).await, house.event(Body::None).await);
    let run = house.run(workflow, repeated, 0, true).await;
    let now = house.clock.now_ms();
    house
        .write(move |tx| {
            let payload = format!("{{\"v\":1,\"event\":\"{waiting}\"}}");
            let job = jobs::NewJob {
                id: JobId::new(now),
                stage: StageName::Trigger,
                run_id: None,
                payload: payload.as_bytes(),
                available_at: now,
                created_at: now,
                lease: None,
            };
            jobs::insert(tx, &job).map(drop)
        })
        .await;
    house.pass(60);
    let now = house.clock.now_ms();
    let again = RunId::new(now);
    house
        .write(move |tx| {
            insert(tx, again, workflow, repeated, now)?;
            let repetition =
                runs::Repetition { origin: RunOrigin::Replay, of: run, actor: "test", key_run: None };
            runs::set_repetition(tx, again, &repetition)
        })
        .await;
    house.pass(60);
    assert_eq!(house.forgotten().await, Forgotten { runs: 1, events: 1, ..Forgotten::default() });
    assert!(!house.has_event(lonely).await, "it never started anything");
    assert!(house.has_event(waiting).await && house.has_event(repeated).await);
    assert!(!house.has(run).await && house.has(again).await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_go_with_the_last_row_that_names_them() {
    let house = House::new().await;
    let workflow = house.workflow("w", "retention: { runs: 1d }\n").await;
    let shared = house.store.put_blob(TENANT, vec![1; 100].into()).await.unwrap();
    let (one, two) = (house.event(Body::Blob(shared)).await, house.event(Body::Blob(shared)).await);
    house.run(workflow, one, 0, true).await;
    house.pass(2);
    let second = house.run(workflow, two, 0, true).await;
    let forgotten = house.forgotten().await;
    assert_eq!((forgotten.runs, forgotten.payloads), (1, 0), "the second event names it");
    house.pass(2);
    let forgotten = house.forgotten().await;
    assert_eq!((forgotten.runs, forgotten.payloads), (1, 1));
    assert!(!house.has(second).await && house.store.get_blob(TENANT, shared).await.is_err());
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn freed_pages_go_back_to_the_file_system() {
    let house = House::new().await;
    let workflow = house.workflow("w", "retention: { runs: 1d }\n").await;
    let body: &'static [u8] = vec![0x5a; 60_000].leak();
    for _ in 0..40 {
        let event = house.event(Body::Inline(body)).await;
        house.run(workflow, event, 0, true).await;
    }
    house.pass(2);
    let forgotten = house.forgotten().await;
    assert_eq!((forgotten.runs, forgotten.events), (40, 40));
    assert!(forgotten.pages > 200, "{forgotten:?}");
    assert_eq!(house.forgotten().await, Forgotten::default(), "nothing is left to give");
    house.stop().await;
}
