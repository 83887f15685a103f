//! Queues hold what waits, refuse what is too much, and keep as dead letters what nobody can do.

use serde_json::Value;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::path::Operation;
use tenantry_protocol::queue::JobView;
use tenantry_protocol::state::{JobState, RunState, StageName};
use tenantry_protocol::tenant::{QueueView, TenantLimits};
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::receiver::{Receiver, Reply};
use tenantry_tests::tenant::{TestTenant, signed_hook};

use crate::{refused, workflow};

/// Notifications are tried twice, quickly.
const IMPATIENT: &str = "[stages.notification]\nattempts = 2\nbackoff = \"10ms\"\n";

async fn dead_letters(daemon: &TestDaemon) -> Vec<JobView> {
    let page: Page<JobView> = daemon.client().get(Operation::DeadList, &["acme"], &()).await.unwrap();
    page.items
}

async fn with_a_dead_letter() -> (TestDaemon, TestTenant, Receiver, JobView) {
    let daemon = TestDaemon::start_with(IMPATIENT).await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    receiver.answer_by(|_| Reply::status(500));
    acme.webhook_channel("ops", receiver.url("/notify")).await.unwrap();
    let notify = "  - { on: [success], channel: ops, message: done }\n";
    acme.apply(&workflow("job", "  - { id: a, jq: \"1\" }\n", notify)).await.unwrap();
    acme.run("job", Value::Null).await.unwrap();
    let job = soon("the notification is a dead letter", || async {
        dead_letters(&daemon).await.into_iter().next()
    })
    .await;
    (daemon, acme, receiver, job)
}

#[tokio::test]
async fn a_notification_that_nobody_takes_becomes_a_dead_letter_and_can_be_retried() {
    let (daemon, _acme, receiver, job) = with_a_dead_letter().await;
    assert_eq!((job.stage, job.attempt), (StageName::Notification, 2), "{job:?}");
    assert!(job.error.as_deref().is_some_and(|error| error.contains("500")), "{job:?}");
    let id = job.id.to_string();
    let full: JobView = daemon.client().get(Operation::DeadGet, &["acme", &id], &()).await.unwrap();
    assert!(full.payload.is_some());
    receiver.answer_by(|_| Reply::status(200));
    let before = receiver.count("/notify");
    daemon.client().send::<Value>(Operation::DeadRetry, &["acme", &id], &()).await.unwrap();
    soon("it is delivered", || async { (receiver.count("/notify") == before + 1).then_some(()) }).await;
    soon("it is no dead letter", || async { dead_letters(&daemon).await.is_empty().then_some(()) }).await;
    let ids = receiver.count_by_header("/notify", "webhook-id");
    assert_eq!(ids.len(), 1, "one notification, one id: {ids:?}");
    let again = daemon.client().send::<Value>(Operation::DeadRetry, &["acme", &id], &()).await;
    assert_eq!(refused(again), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_dead_letter_can_be_discarded_and_outlives_a_crash() {
    let (mut daemon, _acme, receiver, job) = with_a_dead_letter().await;
    daemon.kill();
    daemon.restart().await.unwrap();
    assert_eq!(dead_letters(&daemon).await.iter().map(|j| j.id).collect::<Vec<_>>(), [job.id]);
    let id = job.id.to_string();
    daemon.client().send::<Value>(Operation::DeadDiscard, &["acme", &id], &()).await.unwrap();
    assert_eq!(dead_letters(&daemon).await, []);
    assert_eq!(receiver.count("/notify"), 2, "nothing was sent again");
}

async fn queue(daemon: &TestDaemon, stage: StageName) -> QueueView {
    let page: Page<QueueView> = daemon.client().get(Operation::QueueList, &["acme"], &()).await.unwrap();
    page.items.into_iter().find(|queue| queue.stage == stage).unwrap()
}

#[tokio::test]
async fn a_full_queue_refuses_with_a_time_and_loses_nothing() {
    let config = "[stages.action]\nconcurrency = 1\ntenant-ceiling = 1\n";
    let daemon = TestDaemon::start_with(config).await.unwrap();
    let limits = TenantLimits { queue_quota: Some(5), ..TenantLimits::default() };
    let acme = TestTenant::start_with(&daemon, "acme", limits).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let (open, gate) = tokio::sync::watch::channel(false);
    receiver.answer_by(move |_| Reply {
        delay: std::time::Duration::from_millis(if *gate.borrow() { 0 } else { 1_500 }),
        ..Reply::status(200)
    });
    let steps = format!("  - {{ id: act, http: {{ method: POST, url: \"{}\" }} }}\n", receiver.url("/act"));
    acme.apply(&workflow("job", &steps, "")).await.unwrap();
    // One after the other, so that the trigger queue stays empty: it is the action queue that fills.
    let (mut accepted, mut refusal) = (0, None);
    for number in 0..60 {
        let body = format!("{{\"n\":{number}}}");
        let call = signed_hook("acme", "job", &format!("d{number}"), body.as_bytes());
        let answer = call.tcp(daemon.ingress()).await.unwrap();
        if answer.status == 202 { accepted += 1 } else { refusal = Some(answer) }
    }
    assert!(accepted <= 10, "{accepted} accepted with a quota of 5 in each queue");
    let refusal = refusal.expect("a queue with a quota of five took sixty");
    assert_eq!((refusal.status.as_u16(), refusal.code().as_str()), (429, "queue-full"));
    assert!(refusal.header("retry-after").parse::<u64>().is_ok(), "{refusal:?}");
    open.send(true).unwrap();
    soon("everything accepted has run", || async {
        let runs = acme.runs().await.ok()?;
        (runs.len() == accepted && runs.iter().all(|r| r.state == RunState::Succeeded)).then_some(())
    })
    .await;
    assert_eq!(receiver.count("/act"), accepted);
    assert_eq!(queue(&daemon, StageName::Action).await.ready, 0);
}

#[tokio::test]
async fn waiting_jobs_are_listed() {
    let config = "[stages.action]\nconcurrency = 1\ntenant-ceiling = 1\n";
    let daemon = TestDaemon::start_with(config).await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    receiver.answer_by(|_| Reply { delay: std::time::Duration::from_secs(5), ..Reply::status(200) });
    let steps = format!("  - {{ id: act, http: {{ method: POST, url: \"{}\" }} }}\n", receiver.url("/act"));
    acme.apply(&workflow("job", &steps, "")).await.unwrap();
    for _ in 0..4 {
        acme.run("job", Value::Null).await.unwrap();
    }
    // A job that is handed over in memory is leased: it is listed before those that wait.
    soon("four jobs wait or are under way", || async {
        let view = queue(&daemon, StageName::Action).await;
        (view.ready + view.leased == 4).then_some(())
    })
    .await;
    let page: Page<JobView> =
        daemon.client().get(Operation::JobList, &["acme", "action"], &()).await.unwrap();
    assert!(page.items.iter().all(|job| job.stage == StageName::Action && job.run.is_some()), "{page:?}");
    assert_eq!(page.items.len(), 4, "{page:?}");
    let leased = |job: &JobView| job.state == JobState::Leased;
    assert!(page.items.iter().any(leased) && page.items.is_sorted_by_key(|job| !leased(job)), "{page:?}");
    for job in &page.items {
        let times = job.leased_at.zip(job.lease_until);
        assert_eq!(times.is_some(), leased(job), "{job:?}");
        assert!(times.is_none_or(|(since, until)| job.created_at <= since && since < until), "{job:?}");
    }
    // One by one they come in the same order.
    let mut ids = Vec::new();
    let mut query = PageQuery { limit: Some(1), after: None };
    loop {
        let page: Page<JobView> =
            daemon.client().get(Operation::JobList, &["acme", "action"], &query).await.unwrap();
        ids.extend(page.items.iter().map(|job| job.id));
        let Some(next) = page.next else { break };
        query.after = Some(next);
    }
    assert_eq!(ids, page.items.iter().map(|job| job.id).collect::<Vec<_>>());
}
