//! Measures what is on the hot path: `cargo run --release -p tenantry-workflow --example measure`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that prints")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use serde_json::json;
use tenantry_protocol::state::StepState;
use tenantry_workflow::{Context, Format, check, plan};

const TEXT: &str = r#"
name: reference
on: { webhook: { path: a, verify: { scheme: github, secret: "${{ secrets.S }}" }, dedupe: { key: "${{ event.body.id }}" } } }
if: ${{ event.body.amount > 0 }}
steps:
  - id: plain
    http: { method: POST, url: "https://api.example.com/charges/${{ event.body.id }}", bearer: "${{ secrets.API }}", json: { id: "${{ event.body.id }}", amount: "${{ event.body.amount }}", event: "${{ event.body }}" } }
  - id: engine
    if: ${{ steps.plain.status == 200 and event.body.amount > 100 }}
    http: { url: "https://api.example.com/x", query: { name: "${{ event.body.customer.name | upper }}" } }
notify:
  - { on: always, channel: ops, message: "${{ workflow.name }} ${{ run.state }} ${{ event.body.id }}" }
"#;

fn time<T>(what: &str, count: u32, mut work: impl FnMut() -> T) {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..count {
            black_box(work());
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(count));
    }
    println!("{what:<42} {:>10.2} µs", best * 1e6);
}

fn main() {
    let workflow = check("reference.yaml", TEXT, Format::Yaml).workflow.unwrap();
    let event = json!({ "id": "evt_1", "headers": { "content-type": "application/json", "x-github-event": "push" }, "body": {
        "id": "in_1", "amount": 1999, "customer": { "name": "Ada", "email": "ada@example.com" },
        "lines": (0..8).map(|n| json!({ "sku": format!("sku-{n}"), "amount": n, "text": "some text of a line" })).collect::<Vec<_>>(),
    } });
    let steps = json!({ "plain": { "state": "succeeded", "status": 200, "body": { "ok": true } } });
    let secrets = [("API".to_owned(), "s3cret".to_owned())].into();
    let (named, run) = (json!({ "name": "reference" }), json!({ "state": "succeeded", "id": "run_1" }));
    let context = Context {
        event: &event,
        steps: &steps,
        secrets: &secrets,
        workflow: &named,
        run: &run,
        ..Context::default()
    };
    time("condition of an event (engine)", 20_000, || workflow.condition.as_ref().unwrap().truth(&context));
    time("render http, plain paths, 700-byte body", 20_000, || workflow.steps[0].render(&context).unwrap());
    time("render http, engine", 20_000, || workflow.steps[1].render(&context).unwrap());
    time("advance at the start", 20_000, || plan::advance(&workflow, &[StepState::Pending; 2], &context));
    let second = [StepState::Succeeded, StepState::Pending];
    time("advance with a condition (engine)", 20_000, || plan::advance(&workflow, &second, &context));
    time("advance at the end", 20_000, || plan::advance(&workflow, &[StepState::Succeeded; 2], &context));
    time("render a notification", 20_000, || workflow.notify[0].render(&context).unwrap());
    time("check the reference workflow", 500, || check("reference.yaml", TEXT, Format::Yaml));

    let mut long = "name: long\non: { event: a }\nsteps:\n".to_owned();
    while long.lines().count() < 2_000 {
        let n = long.lines().count();
        writeln!(
            long,
            "  - id: s{n}\n    if: ${{{{ event.body.n > {n} }}}}\n    http:\n      url: \"https://x.example/${{{{ event.body.id }}}}\"\n      json: {{ a: \"${{{{ event.body.a | default('x') }}}}\" }}"
        )
        .unwrap();
    }
    assert_eq!(check("long.yaml", &long, Format::Yaml).findings, []);
    time(&format!("check {} lines", long.lines().count()), 5, || check("long.yaml", &long, Format::Yaml));
    let wrong = long.replace("json:", "jsno:");
    time("check them with 399 findings", 5, || check("long.yaml", &wrong, Format::Yaml));
}
