//! Runs are repeated: retried from the step that failed, replayed from the beginning, one or many; large outputs and
//! variables on the way.

use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::permission::Role;
use tenantry_protocol::run::{ManyOutcome, RunMany, RunManyItem, RunReplay, RunView, StepView};
use tenantry_protocol::state::{RunOrigin, RunState, StepState};
use tenantry_protocol::variable::{VariablePut, VariableView};
use tenantry_tests::daemon::TestDaemon;
use tenantry_tests::receiver::{Receiver, Reply};
use tenantry_tests::tenant::TestTenant;

use crate::{refused, workflow};

fn post(id: &str, url: &str, more: &str) -> String {
    format!("  - {{ id: {id}, http: {{ method: POST, url: \"{url}\" }}{more} }}\n")
}

async fn retry(daemon: &TestDaemon, run: &RunView) -> RunView {
    daemon.client().send(Operation::RunRetry, &["acme", &run.id.to_string()], &()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_keeps_what_succeeded_and_the_idempotency_key() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    receiver.answer_by(|request| Reply::status(if request.path == "/second" { 500 } else { 200 }));
    let steps = post("first", &receiver.url("/first"), "") + &post("second", &receiver.url("/second"), "");
    acme.apply(&workflow(
        "job",
        &(steps + "  - { id: third, jq: .steps.first.output | fromjson | .ok }\n"),
        "",
    ))
    .await
    .unwrap();
    let failed = acme.ended(&acme.run("job", Value::Null).await.unwrap().id.to_string()).await;
    assert_eq!(failed.state, RunState::Failed, "{failed:?}");
    assert!(failed.by.as_deref().is_some_and(|by| by.starts_with("host:")), "{failed:?}");

    receiver.answer_by(|_| Reply::status(200));
    let again = retry(&daemon, &failed).await;
    assert_eq!((again.origin, again.repeats), (Some(RunOrigin::Retry), Some(failed.id)), "{again:?}");
    assert_eq!((again.revision, again.event), (failed.revision, failed.event));
    let ended = acme.ended(&again.id.to_string()).await;
    assert_eq!(ended.state, RunState::Succeeded, "{ended:?}");
    assert_eq!(ended.steps[0].output, failed.steps[0].output, "what had succeeded is taken over");
    assert_eq!(ended.steps[2].output.as_ref().unwrap()["output"], true);
    assert_eq!((receiver.count("/first"), receiver.count("/second")), (1, 2));
    let keys = receiver.count_by_header("/second", "idempotency-key");
    assert_eq!(keys.values().copied().collect::<Vec<_>>(), [2], "one intended effect, one key: {keys:?}");

    let before = acme.run_view(&failed.id.to_string()).await.unwrap();
    assert_eq!(
        (before.state, &before.error, before.ended_at),
        (failed.state, &failed.error, failed.ended_at)
    );
    assert_eq!(before.steps, failed.steps, "what has ended stays as it was");
    let steps: Page<StepView> =
        daemon.client().get(Operation::RunSteps, &["acme", &failed.id.to_string()], &()).await.unwrap();
    assert_eq!(steps.items[1].attempts.len(), 1, "its attempts are kept");
    let refusal =
        daemon.client().send::<RunView>(Operation::RunRetry, &["acme", &ended.id.to_string()], &()).await;
    assert_eq!(refused(refusal), ErrorCode::StateConflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_has_the_same_event_on_the_same_or_the_newest_revision() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    acme.apply(&workflow("job", "  - { id: a, jq: \"[1, .event.body]\" }\n", "")).await.unwrap();
    let answer = acme.hook(&daemon, "job", "d1", b"{\"n\":7}").await.unwrap();
    assert_eq!(answer.status, 202);
    let first = acme.run_of_event(answer.json()["event"].as_str().unwrap()).await.unwrap();
    let first = acme.ended(&first.id.to_string()).await;
    assert_eq!(
        (first.by.as_deref(), first.source.as_deref()),
        (Some("system:ingress-127.0.0.1"), Some("job"))
    );
    acme.apply(&workflow("job", "  - { id: b, jq: \"[2, .event.body]\" }\n", "")).await.unwrap();

    let output = |run: &RunView| run.steps[0].output.as_ref().unwrap()["output"].clone();
    let id = first.id.to_string();
    for (latest, revision, expected) in [(false, 1, json!([1, {"n": 7}])), (true, 2, json!([2, {"n": 7}]))] {
        let how = RunReplay { latest };
        let again: RunView = daemon.client().send(Operation::RunReplay, &["acme", &id], &how).await.unwrap();
        let again = acme.ended(&again.id.to_string()).await;
        assert_eq!((again.state, again.revision), (RunState::Succeeded, revision), "{again:?}");
        assert_eq!((again.event, again.origin), (first.event, Some(RunOrigin::Replay)));
        assert_ne!(again.id, first.id);
        assert_eq!(output(&again), expected);
    }
    let event: tenantry_protocol::run::EventView =
        daemon.client().get(Operation::EventGet, &["acme", &first.event.to_string()], &()).await.unwrap();
    assert_eq!(event.runs.len(), 3, "the event knows its repetitions: {event:?}");

    let (viewer, _) = acme.member(&daemon, Role::Viewer).await.unwrap();
    let refusal = viewer.send::<RunView>(Operation::RunReplay, &["acme", &id], &RunReplay::default()).await;
    assert_eq!(refused(refusal), ErrorCode::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_are_retried_by_a_filter_after_a_dry_run() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    receiver.answer_by(|_| Reply::status(500));
    acme.apply(&workflow("bad", &post("a", &receiver.url("/a"), ""), "")).await.unwrap();
    acme.apply(&workflow("good", "  - { id: a, jq: \"1\" }\n", "")).await.unwrap();
    for name in ["bad", "good", "bad", "bad"] {
        let run = acme.run(name, Value::Null).await.unwrap();
        acme.ended(&run.id.to_string()).await;
    }
    receiver.answer_by(|_| Reply::status(200));
    let filter = |dry_run, after| RunMany {
        workflow: Some("bad".to_owned()),
        state: Some(RunState::Failed),
        since: Some(0),
        dry_run,
        limit: Some(2),
        after,
        ..RunMany::default()
    };
    let many = async |wanted: &RunMany| -> Page<RunManyItem> {
        daemon.client().send(Operation::RunRetryMany, &["acme"], wanted).await.unwrap()
    };
    let would = many(&filter(true, None)).await;
    assert_eq!(would.items.len(), 2, "a page is bounded: {would:?}");
    assert!(would.items.iter().all(|item| item.outcome == ManyOutcome::Would && item.new.is_none()));
    assert_eq!(acme.runs().await.unwrap().len(), 4, "a dry run starts nothing");

    let (mut done, mut after) = (Vec::new(), None);
    loop {
        let page = many(&filter(false, after)).await;
        done.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(done.len(), 3, "each once: {done:?}");
    for item in &done {
        let new = acme.ended(&item.new.unwrap().to_string()).await;
        assert_eq!((new.state, new.repeats), (RunState::Succeeded, Some(item.run)));
    }
    let nothing = RunMany { until: Some(1), ..filter(false, None) };
    assert_eq!(many(&nothing).await.items, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_output_lies_in_a_file_and_is_read_like_any_other() {
    let mut daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let steps = "  - { id: big, jq: '[range(20000)]' }\n  - { id: count, jq: '.steps.big.output | add' }\n";
    acme.apply(&workflow("job", steps, "")).await.unwrap();
    let run = acme.ended(&acme.run("job", Value::Null).await.unwrap().id.to_string()).await;
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
    assert_eq!(run.steps[1].output.as_ref().unwrap()["output"], 199_990_000);
    let blobs = acme.folder(&daemon).join("blobs");
    assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 1, "only the large one");
    let big = |run: &RunView| run.steps[0].output.as_ref().unwrap()["output"].as_array().unwrap().len();
    assert_eq!(big(&run), 20_000);
    daemon.kill();
    daemon.restart().await.unwrap();
    let run = acme.run_view(&run.id.to_string()).await.unwrap();
    assert_eq!((big(&run), run.steps[0].state), (20_000, StepState::Succeeded));
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_read_as_they_are_and_a_missing_one_is_named() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let step =
        "  - { id: a, jq: ., input: { limit: \"${{ vars.LIMIT }}\", text: \"in ${{ vars.REGION }}\" } }\n";
    let applied = acme.apply(&workflow("job", step, "")).await.unwrap();
    let codes: Vec<_> = applied.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["missing-variable", "missing-variable"], "warnings, as they can be written later");
    let run = acme.ended(&acme.run("job", Value::Null).await.unwrap().id.to_string()).await;
    assert!(run.error.as_deref().is_some_and(|error| error.contains("vars.LIMIT")), "{run:?}");

    let put = async |name: &str, value: Value| {
        let put = VariablePut { value };
        daemon.client().send::<VariableView>(Operation::VarPut, &["acme", name], &put).await
    };
    put("LIMIT", json!({ "daily": 100 })).await.unwrap();
    put("REGION", json!("eu")).await.unwrap();
    assert_eq!(refused(put("not-a-name", json!(1)).await), ErrorCode::BadIdentifier);
    assert_eq!(refused(put("LONG", json!("x".repeat(20_000))).await), ErrorCode::BodyTooLarge);
    let run = acme.ended(&retry(&daemon, &run).await.id.to_string()).await;
    let output = run.steps[0].output.as_ref().unwrap()["output"].clone();
    assert_eq!(output, json!({ "limit": { "daily": 100 }, "text": "in eu" }), "{run:?}");

    let page: Page<VariableView> = daemon.client().get(Operation::VarList, &["acme"], &()).await.unwrap();
    assert_eq!(page.items.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), ["LIMIT", "REGION"]);
    daemon.client().send::<Value>(Operation::VarDelete, &["acme", "REGION"], &()).await.unwrap();
    let gone = daemon.client().get::<VariableView>(Operation::VarGet, &["acme", "REGION"], &()).await;
    assert_eq!(refused(gone), ErrorCode::NotFound);
}
