//! Runs wait for each other, for their slot, for quiet and for company, and a killed daemon forgets none of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{Accepted, EventEmit, RunView};
use tenantry_protocol::state::{RunState, StepState};
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::http::Call;
use tenantry_tests::receiver::{Receiver, Reply};
use tenantry_tests::tenant::TestTenant;

/// A workflow for events `go`, with these lines at its top and one step that posts to `/act`.
fn on_go(receiver: &Receiver, top: &str, json: &str) -> String {
    let url = receiver.url("/act");
    format!(
        "name: job\non: {{ event: go }}\n{top}\nsteps:\n  - id: act\n    http: {{ method: POST, url: \"{url}\", json: {json} }}\n"
    )
}

const BODY: &str = "\"${{ event.body }}\"";

async fn house() -> (TestDaemon, TestTenant, Receiver) {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    (daemon, acme, receiver)
}

async fn go(daemon: &TestDaemon, data: Value) -> Accepted {
    let emit = EventEmit { name: "go".to_owned(), data, idempotency_key: None };
    daemon.client().send(Operation::EventEmit, &["acme"], &emit).await.unwrap()
}

/// How many different requests came in: a request that the kill cut off comes again, under the same key.
fn acts(receiver: &Receiver) -> usize {
    receiver.count_by_header("/act", "idempotency-key").len()
}

async fn all_ended(acme: &TestTenant, count: usize) -> Vec<RunView> {
    soon("every run has ended", || async {
        let runs = acme.runs().await.ok()?;
        (runs.len() == count && runs.iter().all(|run| run.state.is_terminal())).then_some(runs)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_runs_one_after_the_other_in_order_over_a_kill() {
    let (mut daemon, acme, receiver) = house().await;
    receiver.answer_by(|_| Reply { delay: Duration::from_millis(40), ..Reply::status(200) });
    let top = "concurrency: { group: \"${{ event.body.customer }}\" }";
    acme.apply(&on_go(&receiver, top, BODY)).await.unwrap();
    for number in 0..16 {
        go(&daemon, json!({ "customer": number % 2, "n": number })).await;
    }
    // Somewhere in the middle.
    soon("some have run", || async { (receiver.count("/act") >= 4).then_some(()) }).await;
    daemon.kill();
    daemon.restart().await.unwrap();
    let mut runs = all_ended(&acme, 16).await;
    assert!(runs.iter().all(|run| run.state == RunState::Succeeded), "{runs:?}");
    runs.sort_by_key(|run| run.id);
    for customer in 0..2 {
        let mut last_end = 0;
        for run in runs.iter().skip(customer).step_by(2) {
            let started = run.started_at.unwrap();
            assert!(started >= last_end, "{} began before the one before it had ended", run.id);
            last_end = run.ended_at.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_group_skips_or_cancels_as_the_workflow_says() {
    let (daemon, acme, receiver) = house().await;
    receiver.answer_by(|_| Reply { delay: Duration::from_secs(20), ..Reply::status(200) });
    acme.apply(&on_go(&receiver, "concurrency: { on-conflict: skip }", BODY)).await.unwrap();
    let first = acme.run_of_event(&go(&daemon, json!(1)).await.event.to_string()).await.unwrap();
    let second = acme.run_of_event(&go(&daemon, json!(2)).await.event.to_string()).await.unwrap();
    let second = acme.ended(&second.id.to_string()).await;
    assert_eq!(second.state, RunState::Cancelled);
    assert!(second.error.as_deref().is_some_and(|error| error.starts_with("skipped:")), "{second:?}");

    acme.apply(&on_go(&receiver, "concurrency: { on-conflict: cancel-running }", BODY)).await.unwrap();
    let third = acme.run_of_event(&go(&daemon, json!(3)).await.event.to_string()).await.unwrap();
    assert_eq!(acme.ended(&first.id.to_string()).await.state, RunState::Cancelled);
    soon("the third has its place", || async {
        let run = acme.run_view(&third.id.to_string()).await.ok()?;
        (run.state == RunState::Running).then_some(())
    })
    .await;
    let fourth = acme.run_of_event(&go(&daemon, json!(4)).await.event.to_string()).await.unwrap();
    assert_eq!(acme.ended(&third.id.to_string()).await.state, RunState::Cancelled);
    let cancelled: RunView =
        daemon.client().send(Operation::RunCancel, &["acme", &fourth.id.to_string()], &()).await.unwrap();
    assert_eq!(cancelled.state, RunState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_makes_room_tidies_up_however_many_come_after_it() {
    let (daemon, acme, receiver) = house().await;
    receiver.answer_by(|request| match request.path.as_str() {
        "/act" if &request.body[..] == b"1" => Reply { delay: Duration::from_secs(20), ..Reply::status(200) },
        "/tidy" => Reply { delay: Duration::from_millis(800), ..Reply::status(200) },
        _ => Reply::status(200),
    });
    let tidy = format!("finally: {{ id: tidy, http: {{ url: \"{}\" }} }}", receiver.url("/tidy"));
    let top = format!("concurrency: {{ on-conflict: cancel-running }}\n{tidy}");
    acme.apply(&on_go(&receiver, &top, BODY)).await.unwrap();
    let first = acme.run_of_event(&go(&daemon, json!(1)).await.event.to_string()).await.unwrap();
    soon("the first is at work", || async { (receiver.count("/act") == 1).then_some(()) }).await;
    go(&daemon, json!(2)).await;
    soon("the first tidies up", || async { (receiver.count("/tidy") == 1).then_some(()) }).await;
    for number in 3..6 {
        go(&daemon, json!(number)).await;
    }
    let runs = all_ended(&acme, 5).await;
    let of = |id| runs.iter().find(|run| run.id == id).unwrap();
    assert_eq!(of(first.id).state, RunState::Cancelled);
    let first = acme.run_view(&first.id.to_string()).await.unwrap();
    let tidy = first.steps.iter().find(|step| step.id == "tidy").unwrap();
    assert_eq!(tidy.state, StepState::Succeeded, "{first:?}");
    let succeeded = runs.iter().filter(|run| run.state == RunState::Succeeded).count();
    assert_eq!(succeeded, 1, "only the last of the five has its way: {runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_delays_and_drops_nothing_over_a_kill() {
    let (mut daemon, acme, receiver) = house().await;
    acme.apply(&on_go(&receiver, "throttle: { limit: 10, per: 1s, burst: 2 }", BODY)).await.unwrap();
    for number in 0..10 {
        go(&daemon, json!(number)).await;
    }
    daemon.kill();
    daemon.restart().await.unwrap();
    let mut begins: Vec<_> = all_ended(&acme, 10).await.iter().map(|run| run.started_at.unwrap()).collect();
    begins.sort_unstable();
    // Two begin at once and the others a tenth of a second apart; nothing makes the last of them early.
    let span = begins[9] - begins[0];
    assert!(span >= 500, "all within {span} ms: {begins:?}");
    assert_eq!(acts(&receiver), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debounce_runs_once_with_the_last_event_over_a_kill() {
    let (mut daemon, acme, receiver) = house().await;
    let top = "debounce: { key: \"${{ event.body.customer }}\", for: 700ms }";
    acme.apply(&on_go(&receiver, top, BODY)).await.unwrap();
    let mut last = None;
    for number in 0..8 {
        last = Some(go(&daemon, json!({ "customer": "a", "n": number })).await.event);
    }
    let other = go(&daemon, json!({ "customer": "b", "n": 0 })).await.event;
    daemon.kill();
    daemon.restart().await.unwrap();
    let runs = all_ended(&acme, 2).await;
    let mut events: Vec<_> = runs.iter().map(|run| run.event).collect();
    events.sort_unstable();
    let mut expected = vec![last.unwrap(), other];
    expected.sort_unstable();
    assert_eq!(events, expected);
    assert_eq!(acts(&receiver), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_its_events_together_over_a_kill() {
    let (mut daemon, acme, receiver) = house().await;
    let numbers = "\"${{ event.items | map(attribute='body.n') | list }}\"";
    // Group and throttle read the event, as they would without the batch.
    let top = "batch: { size: 4, within: 800ms, key: \"${{ event.body.kind }}\" }\n\
               throttle: { limit: 100, per: 1s, key: \"${{ event.body.kind }}\" }\n\
               concurrency: { group: \"${{ event.body.kind }}\" }";
    acme.apply(&on_go(&receiver, top, numbers)).await.unwrap();
    for number in 0..10 {
        go(&daemon, json!({ "kind": "row", "n": number })).await;
    }
    daemon.kill();
    daemon.restart().await.unwrap();
    let runs = all_ended(&acme, 3).await;
    assert!(runs.iter().all(|run| run.state == RunState::Succeeded), "{runs:?}");
    let requests = receiver.received("/act");
    let by_key: BTreeMap<_, _> = requests
        .iter()
        .map(|request| (request.header("idempotency-key").to_owned(), request.json()))
        .collect();
    let bodies: Vec<Vec<i64>> =
        by_key.into_values().map(|body| serde_json::from_value(body).unwrap()).collect();
    let mut sizes: Vec<_> = bodies.iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 4, 4]);
    let mut numbers: Vec<_> = bodies.concat();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>(), "each event in one run");
    let again: RunView = {
        let how = tenantry_protocol::run::RunReplay::default();
        daemon.client().send(Operation::RunReplay, &["acme", &runs[0].id.to_string()], &how).await.unwrap()
    };
    assert_eq!(acme.ended(&again.id.to_string()).await.state, RunState::Succeeded, "a batch can be replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_in_which_too_many_wait_refuses_and_says_so() {
    let (daemon, acme, receiver) = house().await;
    receiver.answer_by(|_| Reply { delay: Duration::from_mins(1), ..Reply::status(200) });
    acme.apply(&on_go(&receiver, "concurrency: {}", BODY)).await.unwrap();
    let mut emits = tokio::task::JoinSet::new();
    for number in 0..1_003 {
        let client = daemon.client().clone();
        emits.spawn(async move {
            let emit = EventEmit { name: "go".to_owned(), data: json!(number), idempotency_key: None };
            client.send::<Accepted>(Operation::EventEmit, &["acme"], &emit).await.unwrap();
        });
        if emits.len() >= 32 {
            emits.join_next().await;
        }
    }
    emits.join_all().await;
    let runs = soon("every event has a run", || async {
        let runs = acme.runs().await.ok()?;
        (runs.len() == 1_003).then_some(runs)
    })
    .await;
    let in_state = |state| runs.iter().filter(|run| run.state == state).count();
    assert_eq!((in_state(RunState::Running), in_state(RunState::Queued)), (1, 1_000));
    let refused: Vec<_> = runs.iter().filter(|run| run.state == RunState::Cancelled).collect();
    assert_eq!(refused.len(), 2);
    let says = |run: &&RunView| run.error.as_deref().is_some_and(|error| error.starts_with("refused:"));
    assert!(refused.iter().all(says), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gathered_events_that_cannot_start_are_a_dead_letter_and_strand_nobody() {
    let (daemon, acme, receiver) = house().await;
    let top = "debounce: { for: 50ms }\nconcurrency: { group: \"${{ vars.GROUP }}\" }";
    acme.apply(&on_go(&receiver, top, BODY)).await.unwrap();
    let put = tenantry_protocol::variable::VariablePut { value: json!("a") };
    let write = async || {
        daemon.client().send::<Value>(Operation::VarPut, &["acme", "GROUP"], &put).await.unwrap();
    };
    write().await;
    go(&daemon, json!(1)).await;
    all_ended(&acme, 1).await;
    // The keys are asked for when an event comes and when it is due; the variable goes in between.
    acme.apply(&on_go(&receiver, &top.replace("50ms", "600ms"), BODY)).await.unwrap();
    go(&daemon, json!(2)).await;
    daemon.client().send::<Value>(Operation::VarDelete, &["acme", "GROUP"], &()).await.unwrap();
    let dead = soon("the gathered event is a dead letter", || async {
        let page: tenantry_protocol::page::Page<tenantry_protocol::queue::JobView> =
            daemon.client().get(Operation::DeadList, &["acme"], &()).await.ok()?;
        page.items.into_iter().next()
    })
    .await;
    assert!(dead.error.as_deref().is_some_and(|error| error.contains("vars.GROUP")), "{dead:?}");
    write().await;
    go(&daemon, json!(3)).await;
    all_ended(&acme, 2).await;
    daemon.client().send::<Value>(Operation::DeadRetry, &["acme", &dead.id.to_string()], &()).await.unwrap();
    all_ended(&acme, 3).await;
}

/// The shipped example, only quicker.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_a_heartbeat_alarms_once_for_each_that_falls_silent() {
    let (mut daemon, acme, receiver) = house().await;
    acme.secret("PAGER_TOKEN", "key-of-the-pager").await.unwrap();
    acme.secret("HEARTBEAT_TOKEN", "token-of-those-alive").await.unwrap();
    let example = include_str!("../../../config/workflows/heartbeat.yaml");
    let quick = example.replace("for: 26h }", "for: 3s }");
    let quick = quick.replace("https://pager.example.com/v1/alerts", &receiver.url("/act"));
    assert_ne!(quick, example);
    acme.apply(&quick).await.unwrap();
    for from in ["db-1", "web", "db-1", "web", "db-1"] {
        let path = tenantry_protocol::path::hook("acme", &format!("heartbeat?from={from}"));
        let call = Call { method: "GET".to_owned(), ..Call::post(path, b"") }
            .header("x-token", "token-of-those-alive");
        assert_eq!(call.tcp(daemon.ingress()).await.unwrap().status, 202);
    }
    assert_eq!(acme.runs().await.unwrap().len(), 0, "whoever is alive starts nothing");
    daemon.kill();
    daemon.restart().await.unwrap();
    all_ended(&acme, 2).await;
    let mut silent: Vec<_> =
        receiver.received("/act").iter().map(|call| call.json()["key"].clone()).collect();
    silent.sort_by_key(Value::to_string);
    silent.dedup();
    assert_eq!(silent, ["silent-db-1", "silent-web"]);
    assert_eq!(receiver.received("/act")[0].header("authorization"), "Bearer key-of-the-pager");
}
