//! Groups, items, `finally`, cancelling: how a run is steered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{RunView, StepView};
use tenantry_protocol::state::{RunState, StepState};
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::receiver::{Receiver, Reply};
use tenantry_tests::tenant::TestTenant;

use crate::{refused, workflow};

pub(crate) async fn acme() -> (TestDaemon, TestTenant, Receiver) {
    let daemon = TestDaemon::start().await.unwrap();
    let tenant = TestTenant::start(&daemon, "acme").await.unwrap();
    (daemon, tenant, Receiver::start().await.unwrap())
}

/// A run of a workflow with this text below its name, which a person starts.
pub(crate) async fn run(acme: &TestTenant, name: &str, text: &str) -> RunView {
    acme.apply(&format!("name: {name}\non: {{ manual: }}\n{text}")).await.unwrap();
    acme.run(name, Value::Null).await.unwrap()
}

pub(crate) fn step<'r>(run: &'r RunView, id: &str) -> &'r StepView {
    run.steps.iter().find(|step| step.id == id).unwrap_or_else(|| panic!("no step {id} in {run:?}"))
}

pub(crate) fn output(run: &RunView, id: &str) -> Value {
    step(run, id).output.as_ref().map(|output| output["output"].clone()).unwrap_or_default()
}

fn json_reply() -> Reply {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Reply { headers, ..Reply::status(200) }
}

/// Waits until a step is in a state.
pub(crate) async fn step_in(acme: &TestTenant, run: &str, id: &str, state: StepState) {
    soon(&format!("step {id} is {state}"), || async {
        let run = acme.run_view(run).await.ok()?;
        run.steps.iter().any(|step| step.id == id && step.state == state).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_group_runs_at_once_and_a_switch_chooses() {
    let (_daemon, acme, receiver) = acme().await;
    receiver.answer_by(|_| Reply { delay: Duration::from_millis(300), ..Reply::status(200) });
    let text = format!(
        "steps:
  - id: both
    parallel:
      - {{ id: left, http: {{ url: \"{0}\" }} }}
      - {{ id: right, http: {{ url: \"{1}\" }} }}
  - id: kind
    switch: ${{{{ steps.left.status }}}}
    cases:
      \"200\": [{{ id: well, jq: \"1\" }}, {{ id: well-too, jq: \"2\" }}]
      \"500\": {{ id: badly, jq: \"3\" }}
    default: {{ id: otherwise, jq: \"4\" }}
  - {{ id: last, jq: \"[.steps.kind.output, .steps[\\\"well-too\\\"].output]\" }}
outputs: {{ answer: \"${{{{ steps.last.output }}}}\" }}
",
        receiver.url("/left"),
        receiver.url("/right")
    );
    let run = run(&acme, "fan", &text).await;
    soon("both are asked before either is answered", || async {
        (receiver.count("/left") == 1 && receiver.count("/right") == 1).then_some(())
    })
    .await;
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:?}");
    let (left, right) = (step(&run, "left"), step(&run, "right"));
    assert!(left.started_at < right.ended_at && right.started_at < left.ended_at, "{run:?}");
    assert_eq!(step(&run, "both").state, StepState::Succeeded);
    assert_eq!(
        (step(&run, "badly").state, step(&run, "otherwise").state),
        (StepState::Skipped, StepState::Skipped)
    );
    assert_eq!(output(&run, "last"), json!(["200", 2]));
    assert_eq!(run.outputs.map(Value::Object), Some(json!({ "answer": ["200", 2] })));
}

#[tokio::test]
async fn what_fails_inside_of_a_group_fails_the_run_and_says_so() {
    let (_daemon, acme, _receiver) = acme().await;
    let text = "steps:
  - id: both
    parallel:
      - { id: good, jq: \"1\" }
      - { id: bad, run: \"exit 3\" }
  - { id: last, jq: \"1\" }
";
    let run = run(&acme, "fan", text).await;
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Failed);
    assert!(
        run.error.as_deref().is_some_and(|error| error.contains("both") && error.contains("bad")),
        "{run:?}"
    );
    assert_eq!((step(&run, "both").state, step(&run, "last").state), (StepState::Failed, StepState::Skipped));
}

#[tokio::test]
async fn items_go_a_few_at_a_time_and_are_collected_in_order() {
    let (daemon, acme, receiver) = acme().await;
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let seen = Arc::clone(&most);
    receiver.answer_by(move |request| {
        seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) % 100 + 1, Ordering::SeqCst);
        // The first items take the longest, so that the order of their ends is not the order of the items.
        let item: u64 =
            request.path.rsplit('/').next().and_then(|text| text.parse().ok()).unwrap_or_default();
        Reply { delay: Duration::from_millis(10 * (12 - item)), body: item.to_string(), ..json_reply() }
    });
    let text = format!(
        "steps:
  - {{ id: list, jq: \"[range(12)]\" }}
  - id: each
    foreach: ${{{{ steps.list.output }}}}
    max-parallel: 3
    http: {{ url: \"{}/${{{{ item }}}}\" }}
  - {{ id: sum, jq: \".steps.each.output | add\" }}
  - {{ id: none, foreach: [], jq: .item }}
",
        receiver.url("/item")
    );
    let run = run(&acme, "each", &text).await;
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:?}");
    assert_eq!(output(&run, "each"), json!((0..12).collect::<Vec<_>>()));
    assert_eq!((output(&run, "sum"), output(&run, "none")), (json!(66), json!([])));
    assert_eq!(
        step(&run, "each").items.map(|items| (items.total, items.ended, items.failed)),
        Some((12, 12, 0))
    );
    assert_eq!(most.load(Ordering::SeqCst), 12);
    let id = run.id.to_string();
    let steps: Page<StepView> = daemon.client().get(Operation::RunSteps, &["acme", &id], &()).await.unwrap();
    let items: Vec<_> =
        steps.items.iter().filter(|step| step.id == "each").filter_map(|step| step.item).collect();
    assert_eq!(items, (0..12).collect::<Vec<_>>());
    let overlap = |at: i64| {
        let open = |step: &&StepView| {
            step.item.is_some()
                && step.started_at.is_some_and(|from| from <= at)
                && step.ended_at.is_some_and(|to| at < to)
        };
        steps.items.iter().filter(open).count()
    };
    let starts = steps.items.iter().filter(|step| step.item.is_some()).filter_map(|step| step.started_at);
    assert!(starts.map(overlap).all(|count| count <= 3), "{steps:?}");
    let keys = receiver.count_by_header("/item/3", "idempotency-key");
    assert_eq!(keys.len(), 1);
}

#[tokio::test]
async fn a_failing_item_ends_the_list_or_does_not() {
    let (_daemon, acme, _receiver) = acme().await;
    let each = "foreach: [0, 1, 2, 3]\n    max-parallel: 1\n    run: exit $(( ITEM == 1 ))\n    env: { ITEM: \"${{ item }}\" }\n";
    let fast = run(&acme, "fast", &format!("steps:\n  - id: each\n    {each}")).await;
    let fast = acme.ended(&fast.id.to_string()).await;
    assert_eq!(fast.state, RunState::Failed);
    let items = step(&fast, "each").items.unwrap();
    assert_eq!((items.total, items.ended, items.failed), (4, 2, 1), "{fast:?}");
    assert!(
        step(&fast, "each").error.as_deref().is_some_and(|error| error.contains("1 of 4 item has failed")),
        "{fast:?}"
    );
    let slow = format!(
        "steps:\n  - id: each\n    fail-fast: false\n    on-error: continue\n    {each}  - {{ id: last, jq: \".steps.each.output | map(type)\" }}\n"
    );
    let slow = run(&acme, "slow", &slow).await;
    let slow = acme.ended(&slow.id.to_string()).await;
    assert_eq!(slow.state, RunState::Succeeded, "{slow:?}");
    assert_eq!(step(&slow, "each").items.map(|items| (items.ended, items.failed)), Some((4, 1)));
    assert_eq!(output(&slow, "last").as_array().map(Vec::len), Some(4));
}

const TIDY: &str = "finally:
  - { id: tidy, run: \"echo tidy\" }
  - { id: tell, if: failure(), jq: \".failed\" }
";

#[tokio::test]
async fn finally_runs_after_a_failure_and_can_fail_a_run() {
    let (_daemon, acme, _receiver) = acme().await;
    let broken = run(
        &acme,
        "broken",
        &format!("steps:\n  - {{ id: a, run: \"exit 1\" }}\n  - {{ id: b, jq: \"1\" }}\n{TIDY}"),
    )
    .await;
    let broken = acme.ended(&broken.id.to_string()).await;
    assert_eq!(broken.state, RunState::Failed);
    assert_eq!(
        (step(&broken, "b").state, step(&broken, "tidy").state),
        (StepState::Skipped, StepState::Succeeded)
    );
    assert_eq!(output(&broken, "tell")["step"], json!("a"), "{broken:?}");
    let well = run(&acme, "well", &format!("steps:\n  - {{ id: a, jq: \"1\" }}\n{TIDY}")).await;
    let well = acme.ended(&well.id.to_string()).await;
    assert_eq!(
        (well.state, step(&well, "tell").state),
        (RunState::Succeeded, StepState::Skipped),
        "{well:?}"
    );
    let spoiled =
        run(&acme, "spoiled", "steps:\n  - { id: a, jq: \"1\" }\nfinally: { id: t, run: \"exit 1\" }\n")
            .await;
    assert_eq!(acme.ended(&spoiled.id.to_string()).await.state, RunState::Failed);
}

#[tokio::test]
async fn a_cancelled_run_tidies_up_and_a_second_cancel_ends_it() {
    let (daemon, acme, _receiver) = acme().await;
    let text = "steps:
  - id: both
    parallel:
      - { id: long, run: \"sleep 310\" }
      - { id: each, foreach: [1, 2, 3], max-parallel: 1, run: \"sleep 311\" }
  - { id: after, jq: \"1\" }
  - { id: always, if: always(), jq: \"1\" }
finally: { id: tidy, run: \"sleep 312\" }
";
    let run = run(&acme, "job", text).await;
    let id = run.id.to_string();
    step_in(&acme, &id, "each", StepState::Running).await;
    let cancel = async || daemon.client().send::<RunView>(Operation::RunCancel, &["acme", &id], &()).await;
    cancel().await.unwrap();
    step_in(&acme, &id, "tidy", StepState::Running).await;
    let run = acme.run_view(&id).await.unwrap();
    assert_eq!((run.state, run.stopping), (RunState::Running, Some(RunState::Cancelled)), "{run:?}");
    let states = ["long", "each", "both", "after", "always"].map(|id| step(&run, id).state);
    assert_eq!(
        states,
        [
            StepState::Cancelled,
            StepState::Cancelled,
            StepState::Cancelled,
            StepState::Skipped,
            StepState::Succeeded
        ]
    );
    cancel().await.unwrap();
    let run = acme.ended(&id).await;
    assert_eq!((run.state, run.stopping), (RunState::Cancelled, None), "{run:?}");
    assert_eq!(step(&run, "tidy").state, StepState::Cancelled);
    assert_eq!(refused(cancel().await), ErrorCode::StateConflict);
}

#[tokio::test]
async fn a_run_whose_time_is_over_tidies_up() {
    let (_daemon, acme, _receiver) = acme().await;
    let text = format!("timeout: 500ms\nsteps:\n  - {{ id: long, run: \"sleep 313\" }}\n{TIDY}");
    let run = run(&acme, "job", &text).await;
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::TimedOut, "{run:?}");
    assert_eq!(
        (step(&run, "long").state, step(&run, "tidy").state),
        (StepState::Cancelled, StepState::Succeeded)
    );
}

#[tokio::test]
async fn outputs_without_a_value_fail_the_run() {
    let (_daemon, acme, _receiver) = acme().await;
    let text = "steps:\n  - { id: a, jq: \"{}\" }\noutputs: { x: \"${{ steps.a.output.gone }}\" }\n";
    let run = run(&acme, "job", text).await;
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Failed);
    assert!(
        run.error.as_deref().is_some_and(|error| error.contains("outputs") && error.contains("gone")),
        "{run:?}"
    );
}

#[tokio::test]
async fn items_survive_a_kill() {
    let (mut daemon, acme, receiver) = acme().await;
    receiver.answer_by(|_| Reply { delay: Duration::from_millis(60), body: "1".to_owned(), ..json_reply() });
    let steps = format!(
        "  - {{ id: each, foreach: \"${{{{ event.body.list }}}}\", max-parallel: 4, http: {{ method: POST, url: \"{}\" }} }}\n  - {{ id: sum, jq: \".steps.each.output | add\" }}\n",
        receiver.url("/item")
    );
    acme.apply(&workflow("job", &steps, "")).await.unwrap();
    let list = json!({ "list": (0..60).collect::<Vec<_>>() }).to_string();
    let answer = acme.hook(&daemon, "job", "one", list.as_bytes()).await.unwrap();
    let run = acme.run_of_event(answer.json()["event"].as_str().unwrap()).await.unwrap();
    soon("some items have ended", || async { (receiver.count("/item") > 15).then_some(()) }).await;
    daemon.kill();
    daemon.restart().await.unwrap();
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:?}");
    assert_eq!(output(&run, "sum"), json!(60));
    let keys = receiver.count_by_header("/item", "idempotency-key");
    assert_eq!(keys.len(), 60, "every item has a key of its own");
    assert!(keys.values().all(|count| *count <= 2), "{keys:?}");
}
