use serde_json::json;

use super::*;
use crate::{Format, check};

/// Stands for jq: answers the input, or what is wrong with it.
struct Echo;

impl Filters for Echo {
    fn evaluate(&mut self, filter: &str, input: &Value) -> Result<Value, String> {
        if filter == "error" { Err("told to fail".to_owned()) } else { Ok(input.clone()) }
    }
}

const WORKFLOW: &str = "
name: orders
on:
  webhook:
    path: orders
    verify: { scheme: token, secret: \"${{ secrets.TOKEN }}\" }
    dedupe: { key: \"${{ event.body.id }}\" }
  event: order.*
  manual: { inputs: { id: { type: number, required: true } } }
if: event.body.id > 0
timeout: 1h
steps:
  - id: get
    http: { url: \"https://a.example/${{ event.body.id }}\", bearer: \"${{ secrets.API }}\" }
    retry: { attempts: 3, delay: 10s, max-delay: 1m }
  - id: shape
    jq: .
    input: { total: \"${{ steps.get.body.total }}\" }
  - id: large
    if: steps.shape.output.total > 100
    run: ./tell.sh
    env: { TOTAL: \"${{ steps.shape.output.total }}\" }
    on-error: continue
  - id: done
    emit: { name: done, data: { id: \"${{ event.body.id }}\" } }
notify:
  - { on: failure, channel: ops, title: bad, message: \"${{ run.failed_step }}: ${{ run.error }}\" }
  - { on: recovery, channel: ops, message: \"back after ${{ run.duration_ms }} ms\" }
";

fn reports(tests: &str) -> Vec<Report> {
    let workflow = check("w.yaml", WORKFLOW, Format::Yaml).workflow.unwrap();
    let file = read("w.test.yaml", tests).unwrap_or_else(|findings| panic!("{findings:#?}"));
    rehearse(&workflow, &file, &mut Echo)
}

#[track_caller]
fn passes(tests: &str) {
    for report in reports(tests) {
        assert!(report.passed(), "{report:#?}");
    }
}

#[test]
fn a_run_with_retries_on_a_simulated_clock() {
    passes(
        "
secrets: { API: k1 }
tests:
  - name: all is well in the end
    previous: failed
    on: { webhook: { body: { id: 7 } } }
    mock:
      get: [{ status: 503, took: 2s }, { fail: connect, retry-after: 30s }, { body: { total: 300 }, took: 1s }]
      large: { exit: 3, stderr: no }
    expect:
      run: succeeded
      # 2s, 10s delay, at once no connection, 30s delay, 1s
      took: 43s
      dedupe: \"7\"
      steps:
        get:
          state: succeeded
          attempts: 3
          request: { method: GET, url: \"https://a.example/7\", headers: { authorization: Bearer k1 }, body: null }
        shape: { output: { total: 300 }, input: { total: 300 } }
        large: { state: failed, error: { $contains: exit code 3 }, env: { TOTAL: \"300\" } }
        done: succeeded
      emits: [{ name: done, data: { id: 7 } }]
      notifications: [{ channel: ops, title: null, message: back after 43000 ms }]
  - name: by hand the filter is not asked
    on: { manual: { id: \"3\" } }
    mock: { get: { body: { total: 1 } } }
    expect: { run: succeeded, steps: { large: skipped }, notifications: [] }
  - name: nothing to do
    on: { event: { name: order.paid, data: { id: 0 } } }
    expect: { starts: false }
",
    );
}

#[test]
fn failures_and_time_limits() {
    passes(
        "
tests:
  - name: it is given up
    on: { webhook: { body: { id: 1 } } }
    mock: { get: { status: 500 } }
    expect:
      run: failed
      took: 30s
      error: { $starts: \"step get: \", $ends: answered 500 }
      steps: { get: { attempts: 3 }, shape: skipped, done: skipped }
      emits: []
      notifications: [{ title: bad, message: { $contains: \"get: step get: GET https://a.example/1 answered 500\" } }]
  - name: an attempt is slower than its limit, three times
    on: { webhook: { body: { id: 1 } } }
    mock: { get: { took: 10m } }
    expect: { run: failed, took: 2m, steps: { get: { error: { $contains: longer than 30000 ms } } } }
  - name: the whole run is
    on: { webhook: { body: { id: 1 } } }
    mock:
      get: { body: { total: 300 } }
      large: { fail: timeout, took: 9m }
      done: { output: 1, took: 5s }
    expect: { run: succeeded, took: 9m5s }
",
    );
}

#[test]
fn what_differs_is_told_with_what_was_wanted() {
    let reports = reports(
        "
tests:
  - name: wrong in many ways
    on: { webhook: { body: { id: 1 } } }
    mock: { get: { body: { total: 1 } }, gett: { status: 200 } }
    expect:
      run: failed
      steps: { get: { request: { url: x }, stdin: x }, large: succeeded }
      emits: []
",
    );
    let told: Vec<_> = reports[0].mismatches.iter().map(|mismatch| mismatch.what.as_str()).collect();
    assert_eq!(
        told,
        ["test", "run", "steps.get.request.url", "steps.get.stdin", "steps.large.state", "emits"]
    );
    assert_eq!(reports[0].mismatches[0].got, json!("the workflow has no step `gett`; did you mean `get`?"));
    assert_eq!(reports[0].mismatches[1].wanted, Some(json!("failed")));
    assert_eq!(reports[0].line, 3);
}

#[test]
fn a_test_that_does_not_hold_together_cannot_pass() {
    let reports = reports(
        "
tests:
  - name: no mock
    on: { webhook: { body: { id: 1 } } }
    expect: { run: failed }
  - name: no such webhook
    on: { webhook: { path: other } }
    expect: {}
  - name: no such event
    on: { event: { name: other } }
    expect: {}
  - name: inputs
    on: { manual: { idd: 1 } }
    expect: {}
  - name: a mock of another kind
    on: { webhook: { body: { id: 1 } } }
    mock: { get: { stdout: x } }
    expect: { run: failed }
",
    );
    let why: Vec<_> =
        reports.iter().map(|report| report.mismatches[0].got.as_str().unwrap_or_default()).collect();
    assert_eq!(
        why,
        [
            "step `get` was reached and has no mock",
            "the workflow has no webhook with the path `other`",
            "the workflow does not start on the event `other`",
            "input `id` is required; the workflow has no input `idd`",
            "step `get`: its mock is that of a script, but the step is `http`",
        ]
    );
}

#[test]
fn schedules_and_files() {
    let text = "name: x\non:\n  schedule: { cron: 30 2 * * *, timezone: Europe/Berlin }\n  file: { path: inbox/*.csv }\nsteps:\n  - { id: a, emit: { name: done, data: [\"${{ event.scheduled-at }}\", \"${{ event.name }}\", \"${{ event.size }}\", \"${{ run.started-at }}\"] } }\n";
    let workflow = check("w.yaml", text, Format::Yaml).workflow.unwrap();
    let tests = "
tests:
  - name: the night on which clocks are put forward
    on: { schedule: \"2026-03-29T03:00:00+02:00\" }
    expect: { emits: [{ data: [\"2026-03-29T03:00:00+02:00\", null, null, 1774746000000] }] }
  - name: the next one
    now: 2026-11-24T08:00:00Z
    on: { schedule: }
    expect: { emits: [{ data: [\"2026-11-25T02:30:00+01:00\", null, null, 1795570200000] }] }
  - name: a file
    on: { file: { name: a.csv, body: \"1;2\" } }
    expect: { emits: [{ data: [null, a.csv, 3, 1767225600000] }] }
  - name: never then
    on: { schedule: \"2026-03-28T03:00:00+01:00\" }
    expect: {}
  - name: no such file
    on: { file: { name: a.txt } }
    expect: {}
";
    let file = read("w.test.yaml", tests).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let reports = rehearse(&workflow, &file, &mut Echo);
    assert!(reports[..3].iter().all(Report::passed), "{reports:#?}");
    let why: Vec<_> =
        reports[3..].iter().map(|report| report.mismatches[0].got.as_str().unwrap_or_default()).collect();
    assert_eq!(
        why,
        [
            "no schedule fires at that moment; the next one does at 2026-03-29T03:00:00+02:00",
            "the workflow does not start on the file `a.txt`",
        ]
    );
}

#[test]
fn variables_are_those_of_the_file_and_of_the_test() {
    let text = "name: w\non: { manual: }\nif: ${{ vars.REGION == 'eu' }}\nsteps:\n  - emit: { name: a, data: \"${{ [vars.REGION, vars.LIMIT] }}\" }\n";
    let workflow = check("w.yaml", text, Format::Yaml).workflow.unwrap();
    let tests = "vars: { REGION: eu, LIMIT: 5 }\ntests:\n  - name: of the file\n    on: { manual: }\n    expect: { emits: [{ data: [eu, 5] }] }\n  - name: of the test\n    on: { manual: }\n    vars: { LIMIT: 6 }\n    expect: { emits: [{ data: [eu, 6] }] }\n";
    let file = read("w.test.yaml", tests).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let reports = rehearse(&workflow, &file, &mut Echo);
    assert!(reports.len() == 2 && reports.iter().all(Report::passed), "{reports:#?}");
}

#[test]
fn a_test_file_is_checked_like_a_workflow() {
    let findings = read("x.test.yaml", "tests:\n  - name: a\n    on: { webhok: {} }\n    now: today\n    expect: { steps: { a: succeded, b: { state: x } } }\n").unwrap_err();
    let told: Vec<_> = findings.iter().map(|f| format!("{} {}:{}", f.code, f.line, f.column)).collect();
    assert_eq!(told, ["unknown-key 3:11", "bad-time 4:10", "unknown-word 5:27", "unknown-word 5:49"]);
    for text in ["", "tests: []", "[", "a: b"] {
        assert!(read("x.test.yaml", text).is_err(), "{text}");
    }
}
