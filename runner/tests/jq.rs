//! jq filters: values, errors, and everything a filter may do to its process.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Runner, Who, as_everybody};
use tenantry_protocol::runner::{CallResult, Limits, RunnerCall, ToRunner};

fn value(value: Value) -> CallResult {
    CallResult::JqValue(value)
}

#[expect(clippy::panic, reason = "a test that fails")]
fn error(result: CallResult) -> String {
    match result {
        CallResult::JqError(message) => message,
        other => panic!("not an error: {other:?}"),
    }
}

/// The filter that every worker must still be able to evaluate after something went wrong.
fn still_works(runner: &mut Runner) {
    for n in 0..4 {
        assert_eq!(runner.jq(". + 1", json!(n)), value(json!(n + 1)));
    }
}

#[test]
fn a_filter_gives_its_value() {
    as_everybody(|mut runner| {
        let charge = json!({"steps": {"charge": {"body": {"lines": [{"amount": 40}, {"amount": 2.5}]}}}});
        assert_eq!(runner.jq("[.steps.charge.body.lines[].amount] | add", charge), value(json!(42.5)));
        assert_eq!(runner.jq(".[]", json!([])), value(Value::Null));
        assert_eq!(runner.jq(".[]", json!([1, 2])), value(json!([1, 2])));
        assert_eq!(
            runner.jq(".", json!({"ü": ["\u{0}\n", 1e300, -7, null, true]})),
            value(json!({"ü": ["\u{0}\n", 1e300, -7, null, true]}))
        );
        assert_eq!(
            runner.jq("map(select(.a > 1) | .b)", json!([{"a": 1, "b": 2}, {"a": 3, "b": 4}])),
            value(json!([4]))
        );
        assert_eq!(runner.jq("9007199254740993", json!(null)), value(json!(9_007_199_254_740_993_i64)));
        assert!(runner.leftovers().is_empty());
    });
}

#[test]
fn a_wrong_filter_is_an_error_in_words() {
    as_everybody(|mut runner| {
        assert!(error(runner.jq("nosuch", json!(1))).contains("`nosuch` is not known"));
        assert!(error(runner.jq(". |", json!(1))).contains("expected"));
        assert!(error(runner.jq(".a", json!(1))).contains("index"));
        assert!(error(runner.jq("nan", json!(1))).contains("as JSON"));
        assert_eq!(error(runner.jq("error(\"no lines\")", json!(1))), "no lines");
        still_works(&mut runner);
    });
}

#[test]
fn the_machine_is_out_of_reach() {
    as_everybody(|mut runner| {
        for filter in [
            "env",
            "$ENV",
            "now",
            "input",
            "halt",
            "halt_error",
            "debug",
            "import \"x\" as x; 1",
            "include \"/etc/passwd\"; 1",
        ] {
            error(runner.jq(filter, json!(1)));
        }
        still_works(&mut runner);
    });
}

#[test]
fn recursion_loops_and_bombs_end_with_their_worker() {
    as_everybody(|mut runner| {
        let message = error(runner.jq("def f: 1 + f; f", json!(1)));
        assert!(message.contains("too deep"), "{message}");
        still_works(&mut runner);
        let limits = Limits { memory_bytes: 64 << 20, wall_ms: 20_000, ..Limits::default() };
        let message = error(runner.jq_with("[repeat(\"a long enough text\")]", json!(1), limits));
        assert!(message.contains("memory"), "{message}");
        still_works(&mut runner);
        let message = error(runner.jq_with("reduce range(60) as $i (\"x\"; . + .)", json!(1), limits));
        assert!(message.contains("memory"), "{message}");
        still_works(&mut runner);
        let limits = Limits { wall_ms: 300, ..Limits::default() };
        for filter in ["def f: f; f", "last(repeat(1))", "repeat(empty)"] {
            let begun = Instant::now();
            assert_eq!(runner.jq_with(filter, json!(1), limits), CallResult::TimedOut, "{filter}");
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
        still_works(&mut runner);
        let limits = Limits { cpu_s: 1, ..Limits::default() };
        assert_eq!(runner.jq_with("def f: f; f", json!(1), limits), CallResult::TimedOut);
        let limits = Limits { output_bytes: 1_000, ..Limits::default() };
        let message = error(runner.jq_with("[range(100000)]", json!(1), limits));
        assert!(message.contains("larger than 1000 bytes"), "{message}");
        still_works(&mut runner);
    });
}

#[test]
fn deep_values_do_not_take_the_runner_down() {
    as_everybody(|mut runner| {
        let deep = runner.jq("reduce range(100000) as $i (1; [.])", json!(1));
        assert!(matches!(deep, CallResult::JqError(_)), "{deep:?}");
        still_works(&mut runner);
    });
}

#[test]
fn endless_filters_do_not_keep_others_from_their_turn_for_ever() {
    as_everybody(|mut runner| {
        let endless = || RunnerCall::Jq { filter: "def f: f; f".to_owned(), input: json!(1) };
        let limits = Limits { wall_ms: 500, ..Limits::default() };
        let ids: Vec<_> = (0..12).map(|_| runner.begin(endless(), limits)).collect();
        let fine =
            runner.begin(RunnerCall::Jq { filter: ".".to_owned(), input: json!(7) }, Limits::default());
        assert_eq!(runner.wait(fine).result(), &value(json!(7)));
        for id in ids {
            assert_eq!(runner.wait(id).result(), &CallResult::TimedOut);
        }
    });
}

#[test]
fn a_filter_can_be_cancelled_running_and_waiting() {
    as_everybody(|mut runner| {
        let endless = || RunnerCall::Jq { filter: "def f: f; f".to_owned(), input: json!(1) };
        let ids: Vec<_> = (0..12).map(|_| runner.begin(endless(), Limits::default())).collect();
        for id in ids.iter().rev() {
            runner.send(&ToRunner::Cancel { id: *id });
        }
        for id in ids {
            assert_eq!(runner.wait(id).result(), &CallResult::Cancelled);
        }
        still_works(&mut runner);
    });
}

#[test]
fn workers_are_replaced_after_their_share() {
    let mut runner = Runner::start(Who::Me, |_| {});
    for n in 0..2_500 {
        assert_eq!(runner.jq(". * 2", json!(n)), value(json!(n * 2)));
    }
}
