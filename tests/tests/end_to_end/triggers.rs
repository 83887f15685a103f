//! Events and ends of runs start workflows, as far as their conditions go and not for ever.

use serde_json::{Value, json};
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{Accepted, EventEmit, LogLine, RunView};
use tenantry_protocol::state::{EventKind, RunState};
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::tenant::TestTenant;

async fn acme() -> (TestDaemon, TestTenant) {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    (daemon, acme)
}

async fn emit(daemon: &TestDaemon, name: &str, data: Value) -> Accepted {
    let emit = EventEmit { name: name.into(), data, idempotency_key: None };
    daemon.client().send(Operation::EventEmit, &["acme"], &emit).await.unwrap()
}

async fn runs_of(acme: &TestTenant, workflow: &str) -> Vec<RunView> {
    let runs = acme.runs().await.unwrap();
    runs.into_iter().filter(|run| run.workflow == workflow && run.state.is_terminal()).collect()
}

/// Waits until the workflow has ended so many runs; newest first.
async fn ended(acme: &TestTenant, workflow: &str, count: usize) -> Vec<RunView> {
    soon("the runs end", || async { Some(runs_of(acme, workflow).await).filter(|runs| runs.len() >= count) })
        .await
}

#[tokio::test]
async fn an_event_starts_only_those_whose_condition_is_true() {
    let (daemon, acme) = acme().await;
    let source = |name: &str, on: &str| {
        format!("name: {name}\non: {{ event: {on} }}\nsteps:\n  - {{ id: a, jq: \".event.body.total\" }}\n")
    };
    acme.apply(&source("large", "{ name: \"order.*\", if: \"${{ event.body.total > 100 }}\" }"))
        .await
        .unwrap();
    let two = "[{ name: order.paid, if: \"${{ event.body.total < 5 }}\" }, { name: order.void }]";
    acme.apply(&source("odd", two)).await.unwrap();
    for (name, total) in [("order.paid", 500), ("order.paid", 50), ("order.paid", 1), ("order.void", 7)] {
        emit(&daemon, name, json!({ "total": total })).await;
    }
    let outputs = |runs: Vec<RunView>| async {
        let mut outputs = Vec::new();
        for run in runs {
            let run = acme.run_view(&run.id.to_string()).await.unwrap();
            outputs.push(run.steps[0].output.as_ref().unwrap()["output"].clone());
        }
        outputs
    };
    assert_eq!(outputs(ended(&acme, "odd", 2).await).await, [7, 1]);
    assert_eq!(outputs(ended(&acme, "large", 1).await).await, [500]);
    assert_eq!(acme.runs().await.unwrap().len(), 3);
}

#[tokio::test]
async fn the_end_of_a_run_starts_the_workflows_that_wait_for_it() {
    let (_daemon, acme) = acme().await;
    let export = "outputs: { code: \"${{ inputs.code }}\" }\nname: export\non: { manual: { inputs: { code: { type: number } } } }\nsteps:\n  \
                  - { id: a, run: 'exit \"$CODE\"', env: { CODE: \"${{ inputs.code }}\" } }\n";
    acme.apply(export).await.unwrap();
    let waits = |name: &str, trigger: &str| {
        format!(
            "name: {name}\non: {{ workflow: {trigger} }}\nsteps:\n  - id: a\n    jq: \"[.event.workflow, .event.run, .event.state, .event.error, .event.depth, .event.body.trigger, .event.outputs]\"\n"
        )
    };
    acme.apply(&waits("good", "{ names: export }")).await.unwrap();
    acme.apply(&waits("bad", "{ names: [\"exp*\"], on: [failure] }")).await.unwrap();
    acme.apply(&waits("picky", "{ names: export, on: always, if: \"${{ event.error is none }}\" }"))
        .await
        .unwrap();
    acme.apply(&waits("every", "{ names: \"*\", on: always, if: \"${{ event.workflow == 'export' }}\" }"))
        .await
        .unwrap();
    let first = acme.run("export", json!({ "code": 0 })).await.unwrap();
    let good = ended(&acme, "good", 1).await;
    assert_eq!(good[0].trigger, EventKind::Workflow);
    let output = acme.run_view(&good[0].id.to_string()).await.unwrap().steps[0].output.clone().unwrap();
    assert_eq!(output["output"], json!(["export", first.id, "succeeded", null, 1, "manual", { "code": 0 }]));
    let second = acme.run("export", json!({ "code": 3 })).await.unwrap();
    let bad = ended(&acme, "bad", 1).await;
    let output = acme.run_view(&bad[0].id.to_string()).await.unwrap().steps[0].output.clone().unwrap();
    assert_eq!((&output["output"][1], &output["output"][2]), (&json!(second.id), &json!("failed")));
    assert!(output["output"][3].as_str().unwrap().contains("exit"), "{output}");
    ended(&acme, "every", 2).await;
    assert_eq!(ended(&acme, "picky", 1).await.len(), 1);
    assert_eq!((runs_of(&acme, "good").await.len(), runs_of(&acme, "bad").await.len()), (1, 1));
}

#[tokio::test]
async fn workflows_that_start_each_other_stop_and_say_why() {
    let (daemon, acme) = acme().await;
    let source = |name: &str, other: &str| {
        format!(
            "name: {name}\non: {{ manual: , workflow: {{ names: {other} }} }}\nsteps:\n  - {{ id: a, jq: \"1\" }}\n"
        )
    };
    acme.apply(&source("ping", "pong")).await.unwrap();
    acme.apply(&source("pong", "ping")).await.unwrap();
    acme.run("ping", Value::Null).await.unwrap();
    let why = soon("the circle is cut", || async {
        let runs = acme.runs().await.ok()?;
        let last = runs.first().filter(|run| runs.len() == 33 && run.state == RunState::Succeeded)?;
        let path = ["acme", &last.id.to_string()];
        let lines: Page<LogLine> = daemon.client().get(Operation::RunLogs, &path, &()).await.ok()?;
        lines.items.into_iter().map(|line| line.text).find(|text| text.contains("32 events"))
    })
    .await;
    assert!(why.contains("starts no other workflow"), "{why}");
    assert_eq!(acme.runs().await.unwrap().len(), 33);
}

#[tokio::test]
async fn the_end_of_a_run_is_not_lost_in_a_crash() {
    let (mut daemon, acme) = acme().await;
    let steps = "steps:\n  - { id: a, run: \"sleep 1\" }\n";
    acme.apply(&format!("name: export\non: {{ manual: }}\n{steps}")).await.unwrap();
    acme.apply("name: after\non: { workflow: { names: export } }\nsteps:\n  - { id: a, jq: \"1\" }\n")
        .await
        .unwrap();
    let run = acme.run("export", Value::Null).await.unwrap();
    daemon.kill();
    daemon.restart().await.unwrap();
    assert_eq!(acme.ended(&run.id.to_string()).await.state, RunState::Succeeded);
    assert_eq!(ended(&acme, "after", 1).await.len(), 1);
}
