//! What nobody sends: times and files start workflows, and a kill neither loses nor doubles them.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tenantry_protocol::audit::AuditView;
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{EventView, RunView};
use tenantry_protocol::state::{EventKind, RunState, StepState};
use tenantry_protocol::workflow::{NextFires, NextQuery, ScheduleView, WorkflowUpdate, WorkflowView};
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::sign::now;
use tenantry_tests::tenant::TestTenant;

const SECONDS: &str = "
name: tick
on: { schedule: { cron: '* * * * * *', timezone: Europe/Berlin, overlap: queue } }
steps:
  - run: echo \"$WHEN\"
    env: { WHEN: '${{ event.scheduled-at }}' }
";

#[tokio::test]
async fn a_schedule_starts_runs_and_tells_when_it_will() {
    let mut daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    acme.apply(SECONDS).await.unwrap();
    let ended = |runs: &[RunView]| runs.iter().filter(|run| run.state == RunState::Succeeded).count();
    soon("two ticks have run", || async { acme.runs().await.ok().filter(|runs| ended(runs) >= 2) }).await;
    let query = NextQuery { limit: Some(3) };
    let next: NextFires =
        daemon.client().get(Operation::WorkflowNext, &["acme", "tick"], &query).await.unwrap();
    assert_eq!((next.fires.len(), next.schedules.len()), (3, 1));
    assert!(next.fires.windows(2).all(|pair| pair[1].at - pair[0].at == 1_000), "{next:?}");
    assert!(next.schedules[0].started >= 2, "{next:?}");
    daemon.kill();
    daemon.restart().await.unwrap();
    soon("ticks go on after a kill", || async { acme.runs().await.ok().filter(|runs| ended(runs) >= 5) })
        .await;
    let events: Page<EventView> = daemon.client().get(Operation::EventList, &["acme"], &()).await.unwrap();
    let mut fires = Vec::new();
    for event in events.items.iter().filter(|event| event.kind == EventKind::Schedule) {
        let id = event.id.to_string();
        let event: EventView = daemon.client().get(Operation::EventGet, &["acme", &id], &()).await.unwrap();
        let content = event.content.unwrap();
        assert_eq!(content["scheduled_at"], content["body"]["scheduled_at"]);
        fires.push(content["body"]["scheduled_at_ms"].as_i64().unwrap());
    }
    let all = fires.len();
    fires.sort_unstable();
    fires.dedup();
    assert_eq!(fires.len(), all, "no fire is two events");
    assert!(fires.iter().all(|fire| fire % 1_000 == 0));
    let status: serde_json::Value = daemon.client().get(Operation::HostStatus, &[], &()).await.unwrap();
    assert!(status["downtime"]["from"].is_i64(), "{status}");
}

/// How the only schedule of a workflow stands.
async fn standing(daemon: &TestDaemon, name: &str) -> Option<ScheduleView> {
    let query = NextQuery { limit: Some(1) };
    let next: NextFires = daemon.client().get(Operation::WorkflowNext, &["acme", name], &query).await.ok()?;
    next.schedules.into_iter().next()
}

#[tokio::test]
async fn a_single_instant_fires_once_and_never_again() {
    let mut daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let instant = jiff::Timestamp::from_second(now() + 2).unwrap();
    let once = format!("name: once\non: {{ schedule: {{ at: '{instant}' }} }}\nsteps: [{{ jq: .event }}]\n");
    acme.apply(&once).await.unwrap();
    let run = soon("the instant comes", || async { acme.runs().await.ok()?.into_iter().next() }).await;
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Succeeded);
    let event: EventView =
        daemon.client().get(Operation::EventGet, &["acme", &run.event.to_string()], &()).await.unwrap();
    let content = event.content.unwrap();
    assert_eq!(content["body"]["scheduled_at_ms"], json!(instant.as_millisecond()));
    assert!(run.started_at.unwrap() >= instant.as_millisecond(), "it began when it was due: {run:?}");
    daemon.kill();
    daemon.restart().await.unwrap();
    let after = soon("it has been looked at", || standing(&daemon, "once")).await;
    assert_eq!((after.started, after.missed, after.next_at), (1, 0, None));
    assert_eq!(acme.runs().await.unwrap().len(), 1);
}

/// Fires every second; its runs wait for what does not come.
fn lasting(overlap: &str) -> String {
    format!(
        "name: {overlap}
on: {{ schedule: {{ cron: '* * * * * *', overlap: {overlap} }} }}
steps: [{{ id: long, wait: {{ for: 14d }} }}]
finally: [{{ id: tidy, run: 'true' }}]
"
    )
}

#[tokio::test]
async fn a_fire_beside_a_run_does_what_overlap_says() {
    let mut daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    for overlap in ["skip", "queue", "allow", "cancel-running"] {
        acme.apply(&lasting(overlap)).await.unwrap();
    }
    let of = async |overlap: &str| {
        let runs = acme.runs().await.unwrap();
        runs.into_iter().filter(|run| run.workflow == overlap).collect::<Vec<_>>()
    };
    soon("three fires found a run and were skipped", || async {
        standing(&daemon, "skip").await.filter(|standing| standing.skipped >= 3)
    })
    .await;
    assert_eq!(of("skip").await.len(), 1);
    soon("several run beside each other", || async { (of("allow").await.len() >= 3).then_some(()) }).await;
    let cancelled = || async {
        let mut runs = of("cancel-running").await;
        runs.retain(|run| run.state == RunState::Cancelled);
        (runs.len() >= 2).then_some(runs)
    };
    for run in soon("two runs were cancelled for those that followed", cancelled).await {
        let run = acme.run_view(&run.id.to_string()).await.unwrap();
        let tidy = run.steps.iter().find(|step| step.id == "tidy").unwrap();
        assert_eq!(tidy.state, StepState::Succeeded, "a run that is cancelled tidies up: {run:?}");
    }
    // What waits survives a kill, and goes on when the run before ends.
    let first = of("queue").await;
    assert_eq!(first.len(), 1);
    daemon.kill();
    daemon.restart().await.unwrap();
    let id = first[0].id.to_string();
    daemon.client().send::<RunView>(Operation::RunCancel, &["acme", &id], &()).await.unwrap();
    soon("the fire that waited starts", || async { (of("queue").await.len() == 2).then_some(()) }).await;
    let second = of("queue").await.into_iter().find(|run| run.id != first[0].id).unwrap();
    let fire = async |run: &RunView| {
        let id = run.event.to_string();
        let event: EventView = daemon.client().get(Operation::EventGet, &["acme", &id], &()).await.unwrap();
        event.content.unwrap()["body"]["scheduled_at_ms"].as_i64().unwrap()
    };
    assert_eq!(fire(&second).await - fire(&first[0]).await, 1_000, "the oldest that waits is next");
    // A disabled workflow fires no more, and what waited is forgotten.
    for overlap in ["skip", "queue", "allow", "cancel-running"] {
        let disable = WorkflowUpdate { enabled: false };
        daemon
            .client()
            .send::<WorkflowView>(Operation::WorkflowUpdate, &["acme", overlap], &disable)
            .await
            .unwrap();
        assert_eq!(standing(&daemon, overlap).await.unwrap().next_at, None);
    }
    let before = of("queue").await.len();
    let id = second.id.to_string();
    daemon.client().send::<RunView>(Operation::RunCancel, &["acme", &id], &()).await.unwrap();
    acme.ended(&id).await;
    assert_eq!(of("queue").await.len(), before);
}

struct Folders(PathBuf);

impl Folders {
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join("inbox").join(name), content).unwrap();
    }
}

const CSV: &str = "
name: load
on: { file: { path: 'inbox/*.csv', stable-for: 100ms } }
steps:
  - id: look
    run: |
      [ \"$(wc -c)\" = \"$SIZE\" ] && [ \"$NAME\" != bad.csv ]
    stdin: ${{ event.body }}
    env: { NAME: '${{ event.name }}', SIZE: '${{ event.size }}' }
";

#[tokio::test]
async fn a_file_is_an_event_once_and_ends_where_its_run_says() {
    let mut daemon = TestDaemon::start_with("[files]\nmax-bytes = \"1MiB\"\n").await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    acme.apply(CSV).await.unwrap();
    let folders = Folders(acme.folder(&daemon));
    soon("the inbox is there", || async { folders.0.join("inbox").is_dir().then_some(()) }).await;
    folders.put("good.csv", "a;b\n");
    folders.put("bad.csv", "a;b\n");
    folders.put("large.csv", "x".repeat(200 * 1024));
    folders.put("huge.csv", vec![b'x'; 2 * 1024 * 1024]);
    folders.put("other.txt", "not meant");
    fs::write(folders.0.join("inbox/.half.csv"), "still being written").unwrap();
    std::os::unix::fs::symlink("../tenant.db", folders.0.join("inbox/link.csv")).unwrap();
    let settled = || async {
        let (done, failed) = (folders.names("done").len(), folders.names("failed").len());
        (done == 2 && failed == 2).then_some(())
    };
    soon("two files are done and two failed", settled).await;
    let ends =
        |folder: &str, name: &str| folders.names(folder).iter().any(|n| n.ends_with(&format!("-{name}")));
    assert!(ends("done", "good.csv") && ends("done", "large.csv"));
    assert!(ends("failed", "bad.csv") && ends("failed", "huge.csv"));
    let mut left = folders.names("inbox");
    left.sort();
    assert_eq!(left, [".half.csv", "link.csv", "other.txt"]);
    let audit: Page<AuditView> = daemon.client().get(Operation::AuditList, &["acme"], &()).await.unwrap();
    assert!(audit.items.iter().any(|record| record.verb == "file.refuse"), "{audit:?}");

    // What lies there at start is taken, and what was moved before a crash but is no event yet.
    daemon.kill();
    folders.put("later.csv", "1");
    let event = tenantry_protocol::id::EventId::new(1_700_000_000_000);
    fs::write(folders.0.join("processing").join(format!("{event}-cut.csv")), "22").unwrap();
    daemon.restart().await.unwrap();
    soon("both are done", || async { (folders.names("done").len() == 4).then_some(()) }).await;
    assert!(folders.names("processing").is_empty());
    let cut: EventView =
        daemon.client().get(Operation::EventGet, &["acme", &event.to_string()], &()).await.unwrap();
    let content = cut.content.unwrap();
    assert_eq!(
        (&content["path"], &content["name"], &content["size"], &content["body"]),
        (&json!("inbox/cut.csv"), &json!("cut.csv"), &json!(2), &json!("22"))
    );
    let events: Page<EventView> = daemon.client().get(Operation::EventList, &["acme"], &()).await.unwrap();
    assert_eq!(events.items.iter().filter(|event| event.kind == EventKind::File).count(), 5);
}
