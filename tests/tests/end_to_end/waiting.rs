//! Waits, approvals and runs that start runs: put aside, woken, and still there after a crash.

use serde_json::{Value, json};
use tenantry_protocol::audit::AuditView;
use tenantry_protocol::channel::NotificationView;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::permission::Role;
use tenantry_protocol::run::{Accepted, ApprovalView, Decide, EventEmit, RunStart, RunView};
use tenantry_protocol::state::{RunState, StepState};
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::tenant::TestTenant;

use crate::flow::{acme, output, run, step, step_in};
use crate::refused;

async fn emit(daemon: &TestDaemon, name: &str, data: Value) {
    let emit = EventEmit { name: name.to_owned(), data, idempotency_key: None };
    daemon.client().send::<Accepted>(Operation::EventEmit, &["acme"], &emit).await.unwrap();
}

/// Waits until a step has been put aside: its job lies in the queue and is not due.
async fn aside(daemon: &TestDaemon, run: &RunView, id: &str, acme: &TestTenant) {
    step_in(acme, &run.id.to_string(), id, StepState::Running).await;
    soon("the step is put aside", || async {
        let jobs: Page<Value> =
            daemon.client().get(Operation::JobList, &["acme", "action"], &()).await.ok()?;
        let of_run = |job: &Value| job["run"] == json!(run.id) && job["state"] == "ready";
        jobs.items.iter().any(of_run).then_some(())
    })
    .await;
}

async fn decide(
    daemon: &TestDaemon,
    run: &str,
    verb: Operation,
    comment: Option<&str>,
) -> Result<RunView, ErrorCode> {
    let body = Decide { comment: comment.map(str::to_owned) };
    let answer = daemon.client().send::<RunView>(verb, &["acme", run, "ok"], &body).await;
    answer.map_err(|error| error.code())
}

#[tokio::test]
async fn a_wait_lasts_as_long_as_it_says() {
    let (_daemon, acme, _receiver) = acme().await;
    let text = "steps:
  - { id: a, wait: { for: 400ms } }
  - { id: past, wait: { until: \"2020-01-01T00:00:00Z\" } }
  - { id: odd, wait: { for: \"${{ steps.a.state }}\" }, on-error: continue }
";
    let run = run(&acme, "job", text).await;
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:?}");
    let a = step(&run, "a");
    assert!(a.ended_at.zip(a.started_at).is_some_and(|(to, from)| to - from >= 400), "{run:?}");
    assert_eq!(
        (step(&run, "past").state, step(&run, "odd").state),
        (StepState::Succeeded, StepState::Failed)
    );
}

#[tokio::test]
async fn an_event_wakes_only_those_who_mean_it() {
    let (daemon, acme, _receiver) = acme().await;
    let text = "steps:
  - { id: order, jq: \"{id: 7}\" }
  - { id: paid, wait: { event: \"order.*\", if: \"event.body.id == steps.order.output.id and run.event.kind == 'manual'\", timeout: 1h } }
  - { id: amount, jq: .steps.paid.output.body.amount }
";
    let run = run(&acme, "job", text).await;
    aside(&daemon, &run, "paid", &acme).await;
    emit(&daemon, "other.paid", json!({ "id": 7, "amount": 1 })).await;
    emit(&daemon, "order.paid", json!({ "id": 8, "amount": 2 })).await;
    emit(&daemon, "order.paid", json!({ "no": "id" })).await;
    emit(&daemon, "order.paid", json!({ "id": 7, "amount": 3 })).await;
    emit(&daemon, "order.paid", json!({ "id": 7, "amount": 4 })).await;
    let run = acme.ended(&run.id.to_string()).await;
    // Which of two that arrive at the same time is first is not promised.
    let amount = output(&run, "amount");
    assert!(run.state == RunState::Succeeded && (amount == json!(3) || amount == json!(4)), "{run:?}");
}

const TWO: &str = "steps:
  - { id: late, wait: { for: 300ms } }
  - { id: one, wait: { event: \"go.*\", if: event.body.n > 0, timeout: 1h } }
  - { id: two, wait: { event: go.on, if: event.body.n > 0, timeout: 400ms } }
";

#[tokio::test]
async fn an_event_that_comes_before_the_step_waits_is_taken_once() {
    let (daemon, acme, _receiver) = acme().await;
    emit(&daemon, "go.on", json!({ "n": 1 })).await;
    let first = run(&acme, "first", TWO).await;
    emit(&daemon, "go.on", json!({ "n": 0 })).await;
    emit(&daemon, "go.on", json!({ "n": 2 })).await;
    let first = acme.ended(&first.id.to_string()).await;
    assert_eq!(output(&first, "one")["body"]["n"], json!(2), "not the one from before the run: {first:?}");
    assert_eq!(step(&first, "two").state, StepState::Failed, "nothing is taken twice: {first:?}");
    // A run that repeats another one begins its own time.
    let id = first.id.to_string();
    let again: RunView =
        daemon.client().send(Operation::RunReplay, &["acme", &id], &json!({})).await.unwrap();
    for n in [3, 4] {
        emit(&daemon, "go.on", json!({ "n": n })).await;
    }
    let again = acme.ended(&again.id.to_string()).await;
    let taken = ["one", "two"].map(|id| output(&again, id)["body"]["n"].clone());
    assert_eq!((again.state, taken), (RunState::Succeeded, [json!(3), json!(4)]), "{again:?}");
}

#[tokio::test]
async fn whenever_an_event_comes_after_its_run_it_wakes_it() {
    let (daemon, acme, _receiver) = acme().await;
    let text = "name: job
on: { manual: { inputs: { n: { type: number, required: true } } } }
steps:
  - { id: w, wait: { event: go, if: event.body == inputs.n, timeout: 1h } }
";
    acme.apply(text).await.unwrap();
    // The event arrives at the moment at which the step is put aside: sometimes before, sometimes after.
    let mut runs = Vec::new();
    for n in 0..60 {
        let inputs = json!({ "n": n }).as_object().cloned().unwrap();
        let start = RunStart { inputs, ..RunStart::default() };
        let accepted: Accepted =
            daemon.client().send(Operation::WorkflowRun, &["acme", "job"], &start).await.unwrap();
        emit(&daemon, "go", json!(n)).await;
        runs.push(accepted.event.to_string());
    }
    for event in runs {
        let run = acme.run_of_event(&event).await.unwrap();
        assert_eq!(acme.ended(&run.id.to_string()).await.state, RunState::Succeeded);
    }
}

#[tokio::test]
async fn an_event_that_does_not_come_fails_the_step() {
    let (_daemon, acme, _receiver) = acme().await;
    let run = run(&acme, "job", "steps:\n  - { id: w, wait: { event: never, timeout: 300ms } }\n").await;
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(run.state, RunState::Failed);
    assert!(run.error.as_deref().is_some_and(|error| error.contains("no such event")), "{run:?}");
}

#[tokio::test]
async fn waits_survive_a_kill() {
    let (mut daemon, acme, _receiver) = acme().await;
    let event = run(&acme, "event", "steps:\n  - { id: w, wait: { event: go } }\n").await;
    let time = run(&acme, "time", "steps:\n  - { id: w, wait: { for: 1500ms } }\n").await;
    aside(&daemon, &event, "w", &acme).await;
    aside(&daemon, &time, "w", &acme).await;
    daemon.kill();
    daemon.restart().await.unwrap();
    emit(&daemon, "go", json!(1)).await;
    for run in [event, time] {
        let run = acme.ended(&run.id.to_string()).await;
        assert_eq!((run.state, step(&run, "w").attempt), (RunState::Succeeded, 1), "{run:?}");
    }
}

#[tokio::test]
async fn a_cancel_reaches_what_waits() {
    let (daemon, acme, _receiver) = acme().await;
    let run =
        run(&acme, "job", "steps:\n  - { id: w, wait: { event: go } }\n  - { id: b, jq: \"1\" }\n").await;
    let id = run.id.to_string();
    aside(&daemon, &run, "w", &acme).await;
    daemon.client().send::<RunView>(Operation::RunCancel, &["acme", &id], &()).await.unwrap();
    let run = acme.ended(&id).await;
    assert_eq!((run.state, step(&run, "w").state), (RunState::Cancelled, StepState::Cancelled));
    emit(&daemon, "go", json!(1)).await;
    let jobs: Page<Value> = daemon.client().get(Operation::JobList, &["acme", "action"], &()).await.unwrap();
    assert_eq!(jobs.items.len(), 0, "{jobs:?}");
}

const ASK: &str = "steps:
  - { id: sum, jq: \"40 + 2\" }
  - { id: ok, approve: { message: \"Pay ${{ steps.sum.output }}?\", allow-starter: true } }
  - { id: by, jq: .steps.ok.output.by }
";

#[tokio::test]
async fn an_approval_is_asked_for_and_given() {
    let (daemon, acme, _receiver) = acme().await;
    acme.inbox_channel("mail").await.unwrap();
    let run = run(&acme, "job", ASK).await;
    let id = run.id.to_string();
    aside(&daemon, &run, "ok", &acme).await;
    let waiting: Page<ApprovalView> =
        daemon.client().get(Operation::ApprovalList, &["acme"], &()).await.unwrap();
    let asked = &waiting.items[0];
    assert_eq!((asked.run, asked.step.as_str(), asked.by), (run.id, "ok", Role::Admin));
    assert_eq!(asked.message.as_deref(), Some("Pay 42?"));
    let told = soon("the inbox is told", || async {
        let inbox: Page<NotificationView> =
            daemon.client().get(Operation::InboxList, &["acme"], &()).await.ok()?;
        inbox.items.into_iter().next()
    })
    .await;
    assert!(told.body.contains("Pay 42?") && told.body.contains(&format!("run approve {id} ok")), "{told:?}");
    let (editor, _) = acme.member(&daemon, Role::Editor).await.unwrap();
    let body = Decide::default();
    let answer = editor.send::<RunView>(Operation::StepApprove, &["acme", &id, "ok"], &body).await;
    assert_eq!(refused(answer), ErrorCode::PermissionDenied, "editing is not approving");
    let nothing = daemon.client().send::<RunView>(Operation::StepApprove, &["acme", &id, "sum"], &body).await;
    assert_eq!(refused(nothing), ErrorCode::StateConflict);
    decide(&daemon, &id, Operation::StepApprove, Some("checked")).await.unwrap();
    let run = acme.ended(&id).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:?}");
    assert_eq!(
        (output(&run, "ok")["approved"].clone(), output(&run, "ok")["comment"].clone()),
        (json!(true), json!("checked"))
    );
    assert_eq!(output(&run, "by"), output(&run, "ok")["by"]);
    assert_eq!(
        decide(&daemon, &id, Operation::StepReject, None).await.unwrap_err(),
        ErrorCode::StateConflict
    );
    let audit: Page<AuditView> = daemon.client().get(Operation::AuditList, &["acme"], &()).await.unwrap();
    assert!(
        audit.items.iter().any(|record| record.verb == "run.approve" && record.resource == id),
        "{audit:?}"
    );
}

#[tokio::test]
async fn a_rejection_fails_the_step_with_its_reason() {
    let (daemon, acme, _receiver) = acme().await;
    let run = run(&acme, "job", ASK).await;
    let id = run.id.to_string();
    aside(&daemon, &run, "ok", &acme).await;
    decide(&daemon, &id, Operation::StepReject, Some("wrong month")).await.unwrap();
    let run = acme.ended(&id).await;
    assert_eq!((run.state, step(&run, "ok").state), (RunState::Failed, StepState::Failed));
    assert!(run.error.as_deref().is_some_and(|error| error.contains("wrong month")), "{run:?}");
}

#[tokio::test]
async fn an_approval_that_nobody_gives_becomes_what_was_said() {
    let (_daemon, acme, _receiver) = acme().await;
    let text = "steps:
  - { id: yes, approve: { timeout: 200ms, on-timeout: approve } }
  - { id: no, approve: { timeout: 200ms } }
";
    let run = run(&acme, "job", text).await;
    let run = acme.ended(&run.id.to_string()).await;
    assert_eq!(
        (step(&run, "yes").state, step(&run, "no").state),
        (StepState::Succeeded, StepState::Failed),
        "{run:?}"
    );
}

#[tokio::test]
async fn an_approval_survives_a_kill() {
    let (mut daemon, acme, _receiver) = acme().await;
    let run = run(&acme, "job", ASK).await;
    let id = run.id.to_string();
    aside(&daemon, &run, "ok", &acme).await;
    daemon.kill();
    daemon.restart().await.unwrap();
    decide(&daemon, &id, Operation::StepApprove, None).await.unwrap();
    daemon.kill();
    daemon.restart().await.unwrap();
    assert_eq!(acme.ended(&id).await.state, RunState::Succeeded);
}

#[tokio::test]
async fn whoever_started_a_run_does_not_decide_on_it() {
    let (daemon, acme, _receiver) = acme().await;
    acme.apply(&format!("name: job\non: {{ manual: }}\n{}", ASK.replace(", allow-starter: true", "")))
        .await
        .unwrap();
    let (admin, _) = acme.member(&daemon, Role::Admin).await.unwrap();
    let start = RunStart::default();
    let accepted: Accepted = admin.send(Operation::WorkflowRun, &["acme", "job"], &start).await.unwrap();
    let run = acme.run_of_event(&accepted.event.to_string()).await.unwrap();
    let id = run.id.to_string();
    aside(&daemon, &run, "ok", &acme).await;
    let own = admin.send::<RunView>(Operation::StepApprove, &["acme", &id, "ok"], &Decide::default()).await;
    assert_eq!(refused(own), ErrorCode::PermissionDenied);
    decide(&daemon, &id, Operation::StepApprove, None).await.unwrap();
    assert_eq!(acme.ended(&id).await.state, RunState::Succeeded);
}

const CHILD: &str = "name: child
on: { manual: { inputs: { n: { type: number, required: true } } } }
steps:
  - { id: double, jq: \".inputs.n * 2\" }
  - { id: check, if: inputs.n > 100, run: \"exit 9\" }
outputs: { doubled: \"${{ steps.double.output }}\" }
";

#[tokio::test]
async fn a_run_starts_runs_and_gets_what_they_leave_behind() {
    let (_daemon, acme, _receiver) = acme().await;
    acme.apply(CHILD).await.unwrap();
    let text = "steps:
  - { id: one, workflow: { name: child, with: { n: 21 } } }
  - { id: all, foreach: [1, 2, 3], max-parallel: 2, workflow: { name: child, with: { n: \"${{ item }}\" } } }
  - { id: fire, workflow: { name: child, with: { n: 5 }, wait: false } }
  - { id: sum, jq: \"[.steps.one.output.doubled] + (.steps.all.output | map(.doubled)) | add\" }
";
    let parent = run(&acme, "parent", text).await;
    let parent = acme.ended(&parent.id.to_string()).await;
    assert_eq!(parent.state, RunState::Succeeded, "{parent:?}");
    assert_eq!(output(&parent, "sum"), json!(42 + 2 + 4 + 6));
    assert!(output(&parent, "fire")["run"].is_string());
    soon("all children have ended", || async {
        let runs = acme.runs().await.ok()?;
        (runs.len() == 6 && runs.iter().all(|run| run.state == RunState::Succeeded)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_child_that_fails_fails_its_step() {
    let (_daemon, acme, _receiver) = acme().await;
    acme.apply(CHILD).await.unwrap();
    let text = "steps:
  - { id: bad, workflow: { name: child, with: { n: 101 } }, retry: { attempts: 2, delay: 10ms, on: any }, on-error: continue }
  - { id: gone, workflow: { name: nobody }, on-error: continue }
  - { id: wrong, workflow: { name: child, with: { n: x } } }
";
    let parent = run(&acme, "parent", text).await;
    let parent = acme.ended(&parent.id.to_string()).await;
    assert_eq!(parent.state, RunState::Failed);
    assert_eq!(step(&parent, "bad").attempt, 2, "{parent:?}");
    let said = |id: &str| step(&parent, id).error.clone().unwrap_or_default();
    assert!(said("bad").contains("has failed"), "{parent:?}");
    assert!(said("gone").contains("there is no workflow nobody"), "{parent:?}");
    assert!(said("wrong").contains("does not take these inputs"), "{parent:?}");
    assert_eq!(acme.runs().await.unwrap().iter().filter(|run| run.workflow == "child").count(), 2);
}

#[tokio::test]
async fn a_workflow_that_calls_itself_ends() {
    let (_daemon, acme, _receiver) = acme().await;
    let top = run(&acme, "snake", "steps:\n  - { id: again, workflow: { name: snake } }\n").await;
    let top = acme.ended(&top.id.to_string()).await;
    assert_eq!(top.state, RunState::Failed);
    let runs = acme.runs().await.unwrap();
    assert_eq!(runs.len(), 9, "{runs:?}");
    assert!(
        runs.iter().any(|run| run.error.as_deref().is_some_and(|error| error.contains("call itself"))),
        "{runs:?}"
    );
}

const LONG: &str = "name: long
on: { manual: }
steps:
  - { id: w, wait: { event: go } }
finally: { id: tidy, jq: \"1\" }
";

async fn child_of(acme: &TestTenant) -> RunView {
    soon("the child runs", || async {
        let runs = acme.runs().await.ok()?;
        let child = runs.into_iter().find(|run| run.workflow == "long")?;
        let child = acme.run_view(&child.id.to_string()).await.ok()?;
        (step(&child, "w").state == StepState::Running).then_some(child)
    })
    .await
}

#[tokio::test]
async fn a_cancel_reaches_the_runs_that_a_run_has_started() {
    let (daemon, acme, _receiver) = acme().await;
    acme.apply(LONG).await.unwrap();
    let parent = run(&acme, "parent", "steps:\n  - { id: c, workflow: { name: long } }\n").await;
    let child = child_of(&acme).await;
    let id = parent.id.to_string();
    daemon.client().send::<RunView>(Operation::RunCancel, &["acme", &id], &()).await.unwrap();
    assert_eq!(acme.ended(&id).await.state, RunState::Cancelled);
    let child = acme.ended(&child.id.to_string()).await;
    assert_eq!(
        (child.state, step(&child, "tidy").state),
        (RunState::Cancelled, StepState::Succeeded),
        "{child:?}"
    );
}

#[tokio::test]
async fn a_child_that_takes_too_long_is_stopped() {
    let (_daemon, acme, _receiver) = acme().await;
    acme.apply(LONG).await.unwrap();
    let parent =
        run(&acme, "parent", "steps:\n  - { id: c, workflow: { name: long }, timeout: 500ms }\n").await;
    let parent = acme.ended(&parent.id.to_string()).await;
    assert_eq!(parent.state, RunState::Failed);
    let child = soon("the child ends", || async {
        let runs = acme.runs().await.ok()?;
        runs.into_iter().find(|run| run.workflow == "long" && run.state.is_terminal())
    })
    .await;
    assert_eq!(child.state, RunState::Cancelled);
}

#[tokio::test]
async fn a_child_run_survives_a_kill() {
    let (mut daemon, acme, _receiver) = acme().await;
    acme.apply(LONG).await.unwrap();
    let parent =
        run(&acme, "parent", "steps:\n  - { id: c, workflow: { name: long } }\n  - { id: b, jq: \"1\" }\n")
            .await;
    let child = child_of(&acme).await;
    aside(&daemon, &child, "w", &acme).await;
    daemon.kill();
    daemon.restart().await.unwrap();
    emit(&daemon, "go", json!(1)).await;
    let parent = acme.ended(&parent.id.to_string()).await;
    assert_eq!((parent.state, step(&parent, "c").attempt), (RunState::Succeeded, 1), "{parent:?}");
}
