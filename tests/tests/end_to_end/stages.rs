//! Work goes Trigger → Action → Logging → Notification, and what each step does is seen outside.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_protocol::audit::AuditView;
use tenantry_protocol::channel::{NotificationState, NotificationView};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::queue::JobView;
use tenantry_protocol::run::{Accepted, EventEmit, EventView, LogLine, RunStart, RunView};
use tenantry_protocol::state::{RunState, StageName, StepState};
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::receiver::{Receiver, Reply};
use tenantry_tests::tenant::TestTenant;

use crate::{disk_contains, refused, workflow};

async fn acme() -> (TestDaemon, TestTenant, Receiver) {
    let daemon = TestDaemon::start().await.unwrap();
    let tenant = TestTenant::start(&daemon, "acme").await.unwrap();
    (daemon, tenant, Receiver::start().await.unwrap())
}

/// How many transactions the tenant's file has seen.
fn commits(folder: &Path) -> i64 {
    let file = rusqlite::Connection::open(folder.join("tenant.db")).unwrap();
    file.query_row("select batch from head", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn an_event_with_nothing_ahead_of_it_has_started_its_run_when_it_is_acknowledged() {
    let (daemon, acme, receiver) = acme().await;
    // As long as it answers nothing, the run writes nothing more, and the commits can be counted.
    receiver.answer_by(|_| Reply { delay: Duration::from_mins(1), ..Reply::status(200) });
    let hook = |delivery: &'static str, body: &'static [u8]| {
        let (acme, daemon) = (&acme, &daemon);
        async move {
            let answer = acme.hook(daemon, "now", delivery, body).await.unwrap();
            assert_eq!(answer.status, 202, "{answer:?}");
            answer.json()["event"].as_str().unwrap().to_owned()
        }
    };
    let steps = format!("  - {{ id: a, http: {{ url: \"{}\" }} }}\n", receiver.url("/held"));
    let condition = "if: \"${{ event.body.amount / event.body.parts > 1 }}\"\n";
    acme.apply(&format!("{}{condition}", workflow("now", &steps, ""))).await.unwrap();
    let before = commits(&acme.folder(&daemon));
    let event = hook("1", br#"{"amount": 4, "parts": 2}"#).await;
    let view: EventView = daemon.client().get(Operation::EventGet, &["acme", &event], &()).await.unwrap();
    assert_eq!(view.runs.len(), 1, "nobody waited for it: {view:?}");
    soon("its step is at work", || async { (receiver.count("/held") == 1).then_some(()) }).await;
    assert_eq!(commits(&acme.folder(&daemon)), before + 1, "event and run are one commit");

    // What cannot be decided at the door is accepted all the same, and a person sees it.
    let event = hook("2", br#"{"amount": 4, "parts": 0}"#).await;
    let dead = soon("it is a dead letter", || async {
        let dead: Page<JobView> = daemon.client().get(Operation::DeadList, &["acme"], &()).await.ok()?;
        dead.items.into_iter().next()
    })
    .await;
    assert_eq!(dead.stage, StageName::Trigger);
    let dead: JobView =
        daemon.client().get(Operation::DeadGet, &["acme", &dead.id.to_string()], &()).await.unwrap();
    assert!(dead.payload.is_some_and(|payload| payload.to_string().contains(&event)));
}

#[tokio::test]
async fn a_webhook_goes_through_all_four_stages() {
    let (daemon, acme, receiver) = acme().await;
    acme.webhook_channel("ops", receiver.url("/notify")).await.unwrap();
    acme.inbox_channel("mail").await.unwrap();
    let steps = format!(
        "  - id: act\n    http: {{ method: POST, url: \"{}\", json: {{ got: \"${{{{ event.body.amount }}}}\" }} }}\n",
        receiver.url("/act")
    );
    let notify = "  - { on: [success], channel: ops, message: \"paid ${{ event.body.amount }}\" }\n  \
                  - { on: [success], channel: mail, message: \"kept ${{ event.body.amount }}\" }\n";
    acme.apply(&workflow("paid", &steps, notify)).await.unwrap();
    let answer = acme.hook(&daemon, "paid", "delivery-1", br#"{"amount": 42}"#).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let event = answer.json()["event"].as_str().unwrap().to_owned();
    let run = acme.run_of_event(&event).await.unwrap();
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:?}");
    let run = soon("the last notification is delivered", || async {
        let path = ["acme"];
        let told: Page<NotificationView> =
            daemon.client().get(Operation::NotificationList, &path, &()).await.ok()?;
        let delivered = told.items.iter().filter(|n| n.state == NotificationState::Delivered).count();
        if delivered == 2 { acme.run_view(&run.id.to_string()).await.ok() } else { None }
    })
    .await;

    let acted = receiver.received("/act");
    assert_eq!(
        acted.iter().map(tenantry_tests::receiver::Received::json).collect::<Vec<_>>(),
        [json!({"got": 42})]
    );
    assert!(!acted[0].header("idempotency-key").is_empty());
    let told = receiver.received("/notify");
    assert_eq!(told.len(), 1);
    assert!(String::from_utf8_lossy(&told[0].body).contains("paid 42"), "{told:?}");

    let times = run.stages.expect("a run tells the time in each stage");
    assert!(times.trigger_ms >= 0 && times.action_ms.is_some() && times.logging_ms.is_some(), "{times:?}");
    assert!(times.notification_ms.is_some(), "{times:?}");
    let notifications: Page<NotificationView> =
        daemon.client().get(Operation::NotificationList, &["acme"], &()).await.unwrap();
    assert_eq!(notifications.items.len(), 2);
    assert!(notifications.items.iter().all(|n| n.state == NotificationState::Delivered), "{notifications:?}");
    let inbox: Page<NotificationView> =
        daemon.client().get(Operation::InboxList, &["acme"], &()).await.unwrap();
    assert_eq!(inbox.items.iter().map(|n| n.body.as_str()).collect::<Vec<_>>(), ["kept 42"]);
    let audit: Page<AuditView> = daemon.client().get(Operation::AuditList, &["acme"], &()).await.unwrap();
    assert!(audit.items.iter().any(|record| record.resource.contains(&run.id.to_string())), "{audit:?}");
}

#[tokio::test]
async fn a_repeated_delivery_is_one_event() {
    let (daemon, acme, receiver) = acme().await;
    let steps = format!("  - {{ id: act, http: {{ method: POST, url: \"{}\" }} }}\n", receiver.url("/act"));
    acme.apply(&workflow("job", &steps, "")).await.unwrap();
    let first = acme.hook(&daemon, "job", "same", b"{}").await.unwrap();
    let again = acme.hook(&daemon, "job", "same", b"{}").await.unwrap();
    assert!(again.status.is_success(), "{again:?}");
    assert_eq!(first.json()["event"], again.json()["event"]);
    assert_eq!(again.json()["duplicate"], true);
    let other = acme.hook(&daemon, "job", "other", b"{ }").await.unwrap();
    assert_ne!(first.json()["event"], other.json()["event"]);
    soon("both events have run", || async {
        let runs = acme.runs().await.ok()?;
        (runs.len() == 2 && runs.iter().all(|run| run.state.is_terminal())).then_some(())
    })
    .await;
    assert_eq!(receiver.count("/act"), 2);
}

#[tokio::test]
async fn commands_and_filters_see_their_input_and_leave_output_and_log_lines() {
    let (daemon, acme, _receiver) = acme().await;
    let steps = "  - { id: sum, jq: \"[.event.body.lines[]] | add\" }
  - id: tell
    run: |
      echo \"the sum is $SUM\"
      echo oops >&2
    env: { SUM: \"${{ steps.sum.output }}\" }
";
    acme.apply(&workflow("job", steps, "")).await.unwrap();
    let answer = acme.hook(&daemon, "job", "1", br#"{"lines": [1, 2, 39]}"#).await.unwrap();
    let run = acme.run_of_event(answer.json()["event"].as_str().unwrap()).await.unwrap();
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:?}");
    let lines = soon("the log lines are recorded", || async {
        let id = run.id.to_string();
        let lines: Page<LogLine> = daemon.client().get(Operation::RunLogs, &["acme", &id], &()).await.ok()?;
        let told = |text: &str| lines.items.iter().any(|line| line.text == text);
        (told("the sum is 42") && told("oops")).then_some(lines)
    })
    .await;
    assert!(lines.items.iter().all(|line| !line.text.ends_with('\n')));
}

#[tokio::test]
async fn a_failing_step_is_retried_under_the_same_key() {
    let (_daemon, acme, receiver) = acme().await;
    let tries = Arc::new(AtomicU32::new(0));
    receiver
        .answer_by(move |_| Reply::status(if tries.fetch_add(1, Ordering::SeqCst) < 2 { 503 } else { 200 }));
    let steps = format!(
        "  - id: act\n    http: {{ method: POST, url: \"{}\" }}\n    retry: {{ attempts: 5, delay: 20ms, backoff: constant }}\n",
        receiver.url("/act")
    );
    acme.apply(&workflow("job", &steps, "")).await.unwrap();
    let run = acme.run("job", Value::Null).await.unwrap();
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:?}");
    assert_eq!(run.steps[0].attempt, 3);
    let keys = receiver.count_by_header("/act", "idempotency-key");
    assert_eq!(keys.values().collect::<Vec<_>>(), [&3], "{keys:?}");
}

#[tokio::test]
async fn attempts_end_and_the_run_fails_with_a_reason() {
    let (_daemon, acme, receiver) = acme().await;
    receiver.answer_by(|_| Reply::status(500));
    acme.webhook_channel("ops", receiver.url("/notify")).await.unwrap();
    let steps = format!(
        "  - id: act\n    http: {{ method: POST, url: \"{}\" }}\n    retry: {{ attempts: 2, delay: 10ms, backoff: constant }}\n\
         \x20 - {{ id: after, jq: \"1\" }}\n",
        receiver.url("/act")
    );
    let notify = "  - { on: [failure], channel: ops, message: \"broke: ${{ run.error }}\" }\n";
    acme.apply(&workflow("job", &steps, notify)).await.unwrap();
    let run = acme.run("job", Value::Null).await.unwrap();
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Failed);
    assert!(run.error.as_deref().is_some_and(|error| error.contains("500")), "{run:?}");
    assert_eq!((run.steps[0].state, run.steps[0].attempt), (StepState::Failed, 2));
    assert_eq!(run.steps[1].state, StepState::Skipped);
    soon("the failure is told", || async { (receiver.count("/notify") > 0).then_some(()) }).await;
    assert!(String::from_utf8_lossy(&receiver.received("/notify")[0].body).contains("broke: "));
}

#[tokio::test]
async fn conditions_needs_and_continuing() {
    let (daemon, acme, _receiver) = acme().await;
    let steps = "  - { id: bad, run: \"exit 3\", on-error: continue }
  - { id: big, needs: [bad], if: \"${{ event.body.amount > 100 }}\", jq: \"1\" }
  - { id: small, needs: [bad], if: \"${{ event.body.amount <= 100 }}\", jq: .event.body.amount }
";
    let mut source = workflow("job", steps, "");
    source = source.replace("manual: {}", "event: [invoice.paid]");
    acme.apply(&source).await.unwrap();
    let emit = EventEmit { name: "invoice.paid".into(), data: json!({"amount": 7}), idempotency_key: None };
    let accepted: Accepted = daemon.client().send(Operation::EventEmit, &["acme"], &emit).await.unwrap();
    let run = acme.run_of_event(&accepted.event.to_string()).await.unwrap();
    let run = acme.ended(&run.id.to_string()).await;
    let states: Vec<_> = run.steps.iter().map(|step| (step.id.as_str(), step.state)).collect();
    assert_eq!(
        states,
        [("bad", StepState::Failed), ("big", StepState::Skipped), ("small", StepState::Succeeded)],
        "{run:?}"
    );
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(run.steps[2].output.as_ref().map(|output| output["output"].clone()), Some(json!(7)));
}

#[tokio::test]
async fn an_emitted_event_starts_another_workflow() {
    let (_daemon, acme, receiver) = acme().await;
    acme.apply(&workflow("first", "  - { id: say, emit: { name: order.placed, data: { n: 5 } } }\n", ""))
        .await
        .unwrap();
    let steps = format!(
        "  - {{ id: act, http: {{ method: POST, url: \"{}/${{{{ event.body.n }}}}\" }} }}\n",
        receiver.url("/act")
    );
    acme.apply(&format!("name: second\non:\n  event: [\"order.*\"]\nsteps:\n{steps}")).await.unwrap();
    acme.run("first", Value::Null).await.unwrap();
    soon("the second workflow acts", || async { (receiver.count("/act/5") == 1).then_some(()) }).await;
}

#[tokio::test]
async fn an_event_that_starts_itself_ends() {
    let (daemon, acme, _receiver) = acme().await;
    let source = "name: echo\non:\n  event: [loop.again]\nsteps:\n  - { id: say, emit: { name: loop.again, data: {} } }\n";
    acme.apply(source).await.unwrap();
    let emit = EventEmit { name: "loop.again".into(), data: Value::Null, idempotency_key: None };
    daemon.client().send::<Accepted>(Operation::EventEmit, &["acme"], &emit).await.unwrap();
    soon("the chain is cut", || async {
        let runs = acme.runs().await.ok()?;
        runs.iter().any(|run| run.state == RunState::Failed).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_same_idempotency_key_starts_one_run() {
    let (daemon, acme, _receiver) = acme().await;
    acme.apply(&workflow("job", "  - { id: a, jq: \"1\" }\n", "")).await.unwrap();
    let start = RunStart { idempotency_key: Some("once".into()), ..RunStart::default() };
    let start = || daemon.client().send::<Accepted>(Operation::WorkflowRun, &["acme", "job"], &start);
    let (first, again) = (start().await.unwrap(), start().await.unwrap());
    assert_eq!((first.event, first.duplicate, again.duplicate), (again.event, false, true));
    let ended = |runs: &Vec<RunView>| runs.first().is_some_and(|run| run.state.is_terminal());
    soon("it has run", || async { acme.runs().await.ok().filter(ended) }).await;
    assert_eq!(acme.runs().await.unwrap().len(), 1);
}

#[tokio::test]
async fn inputs_are_checked_before_anything_starts() {
    let (daemon, acme, _receiver) = acme().await;
    let source = "name: job\non:\n  manual: { inputs: { since: { type: string, required: true }, n: { type: number, default: 3 } } }\n\
                  steps:\n  - { id: a, jq: \"[.inputs.since, .inputs.n]\" }\n";
    acme.apply(source).await.unwrap();
    for bad in [json!({}), json!({"since": "x", "n": "y"}), json!({"since": "x", "more": 1})] {
        assert_eq!(refused(acme.run("job", bad.clone()).await), ErrorCode::InvalidInput, "{bad}");
    }
    let events: Page<Value> = daemon.client().get(Operation::EventList, &["acme"], &()).await.unwrap();
    assert_eq!(events.items.len(), 0, "nothing was accepted");
    let run = acme.run("job", json!({"since": "yesterday"})).await.unwrap();
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(
        run.steps[0].output.as_ref().map(|o| o["output"].clone()),
        Some(json!(["yesterday", 3])),
        "{run:?}"
    );
}

#[tokio::test]
async fn a_cancelled_run_stops_what_it_was_doing() {
    let (daemon, acme, _receiver) = acme().await;
    acme.apply(&workflow("job", "  - { id: long, run: \"sleep 300\" }\n  - { id: after, jq: \"1\" }\n", ""))
        .await
        .unwrap();
    let run = acme.run("job", Value::Null).await.unwrap();
    let id = run.id.to_string();
    soon("the step runs", || async {
        acme.run_view(&id).await.ok().filter(|r| r.state == RunState::Running)
    })
    .await;
    daemon.client().send::<Value>(Operation::RunCancel, &["acme", &id], &()).await.unwrap();
    let run = acme.ended(&id).await;
    assert_eq!(run.state, RunState::Cancelled, "{run:?}");
    soon("the command is gone", || async { (!is_running("sleep 300")).then_some(()) }).await;
    let again = daemon.client().send::<Value>(Operation::RunCancel, &["acme", &id], &()).await;
    assert_eq!(refused(again), ErrorCode::StateConflict);
}

/// Whether a process of this user has exactly this command line.
fn is_running(command: &str) -> bool {
    let wanted = command.replace(' ', "\0") + "\0";
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .any(|entry| std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes()))
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_cut_off() {
    let (_daemon, acme, _receiver) = acme().await;
    let steps = "  - { id: long, run: \"sleep 301\", timeout: 300ms }\n";
    acme.apply(&workflow("job", steps, "")).await.unwrap();
    let run = acme.run("job", Value::Null).await.unwrap();
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Failed, "{run:?}");
    soon("the command is gone", || async { (!is_running("sleep 301")).then_some(()) }).await;
}

#[tokio::test]
async fn a_secret_is_used_and_never_shown() {
    let (daemon, acme, receiver) = acme().await;
    let secret = "hunter2-very-secret-value";
    acme.secret("API", secret).await.unwrap();
    let steps = format!(
        "  - {{ id: call, http: {{ url: \"{}\", bearer: \"${{{{ secrets.API }}}}\" }} }}\n\
         \x20 - {{ id: leak, run: \"echo it is $API; echo $API | base64; echo $API | rev\", env: {{ API: \"${{{{ secrets.API }}}}\" }} }}\n",
        receiver.url("/act")
    );
    acme.apply(&workflow("job", &steps, "")).await.unwrap();
    let run = acme.run("job", Value::Null).await.unwrap();
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:?}");
    assert_eq!(receiver.received("/act")[0].header("authorization"), format!("Bearer {secret}"));
    let id = run.id.to_string();
    let lines = soon("the lines are recorded", || async {
        let lines: Page<LogLine> = daemon.client().get(Operation::RunLogs, &["acme", &id], &()).await.ok()?;
        lines.items.iter().any(|line| line.text.contains("it is")).then_some(lines.items)
    })
    .await;
    let shown = format!("{lines:?} {run:?} {}", daemon.home().telemetry());
    assert!(!shown.contains(secret), "{shown}");
    assert!(!disk_contains(&daemon.data(), secret.as_bytes()), "the secret lies on the disk in the clear");
}

#[tokio::test]
async fn what_is_private_is_not_reached_without_leave() {
    let home = tenantry_tests::daemon::Home::new("").unwrap();
    let config = home.path().join("tenantry.toml");
    let strict = std::fs::read_to_string(&config).unwrap().replace("allow = [\"127.0.0.0/8\"]", "allow = []");
    std::fs::write(&config, strict).unwrap();
    let daemon = TestDaemon::start_in(home).await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let port = receiver.address().port();
    let mut runs: Vec<RunView> = Vec::new();
    for (number, host) in
        ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "[::ffff:127.0.0.1]", "127.1"]
            .iter()
            .enumerate()
    {
        let name = format!("job-{number}");
        let steps = format!(
            "  - {{ id: act, http: {{ url: \"http://{host}:{port}/\" }}, retry: {{ attempts: 1 }} }}\n"
        );
        acme.apply(&workflow(&name, &steps, "")).await.unwrap();
        runs.push(acme.run(&name, Value::Null).await.unwrap());
    }
    for run in runs {
        let run = acme.ended(&run.id.to_string()).await;
        assert_eq!(run.state, RunState::Failed, "{run:?}");
    }
    assert_eq!(receiver.count("/"), 0);
}
