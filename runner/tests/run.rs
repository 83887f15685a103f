//! Scripts: output, exit, environment, input, limits of time and output.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::{as_everybody, script_call};
use tenantry_protocol::runner::{CallResult, FromRunner, Limits, RunnerCall, Start, Stream, ToRunner};

#[test]
fn output_comes_while_the_script_runs_and_the_exit_code_at_the_end() {
    as_everybody(|mut runner| {
        let id = runner.begin(
            script_call("echo one; echo two >&2; while [ ! -e go ]; do :; done; exit 7"),
            Limits::default(),
        );
        runner.wait_for_output(id, "one");
        // The script is still running: its folder is there, and this file lets it end.
        std::fs::write(runner.scratch_root.join(format!("call-{id}/go")), "").unwrap();
        let outcome = runner.wait(id);
        assert_eq!(outcome.result(), &CallResult::Exited(7));
        assert_eq!((outcome.text().as_str(), outcome.errors().as_str()), ("one\n", "two\n"));
        assert!(runner.leftovers().is_empty());
    });
}

#[test]
fn a_signal_is_told_apart_from_an_exit() {
    as_everybody(|mut runner| {
        assert_eq!(runner.run("kill -TERM $$").result(), &CallResult::Signalled(15));
        assert_eq!(runner.run("kill -KILL $$").result(), &CallResult::Signalled(9));
        assert_eq!(runner.run("exit 255").result(), &CallResult::Exited(255));
        assert_eq!(runner.run("no-such-command-anywhere").result(), &CallResult::Exited(127));
    });
}

#[test]
fn the_environment_is_what_was_given_and_nothing_of_the_daemon() {
    as_everybody(|mut runner| {
        let call = RunnerCall::Run {
            script: "env | sort".to_owned(),
            shell: PathBuf::from("/bin/sh"),
            env: BTreeMap::from([
                ("AMOUNT".to_owned(), "a b\nc".to_owned()),
                ("TENANTRY_RUN_ID".to_owned(), "run_1".to_owned()),
            ]),
            stdin: Vec::new(),
        };
        let id = runner.begin(call, Limits::default());
        let outcome = runner.wait(id);
        let text = outcome.text();
        let home = runner.scratch_root.join(format!("call-{id}"));
        for line in
            ["AMOUNT=a b", "c", "TENANTRY_RUN_ID=run_1", "LANG=C.UTF-8", &format!("HOME={}", home.display())]
        {
            assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
        }
        assert!(!text.contains("leaked"), "{text}");
        let folders = runner.output_of("pwd; cd; pwd");
        let expected = runner.scratch_root.join("call-2").display().to_string();
        assert_eq!(folders, format!("{expected}\n{expected}\n"));
    });
}

#[test]
fn standard_input_is_whole_and_binary() {
    as_everybody(|mut runner| {
        let stdin: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let call = RunnerCall::Run {
            script: "cat".to_owned(),
            shell: PathBuf::from("/bin/sh"),
            env: BTreeMap::new(),
            stdin: stdin.clone(),
        };
        let id = runner.begin(call, Limits::default());
        let outcome = runner.wait(id);
        assert_eq!(outcome.result(), &CallResult::Exited(0));
        assert!(outcome.stdout == stdin, "{} bytes came back", outcome.stdout.len());
        assert_eq!(runner.output_of("cat | wc -c").trim(), "0");
    });
}

#[test]
fn the_deadline_ends_the_script() {
    as_everybody(|mut runner| {
        let limits = Limits { wall_ms: 200, ..Limits::default() };
        let begun = Instant::now();
        let outcome = runner.run_with("echo begun; sleep 300", limits);
        assert_eq!(outcome.result(), &CallResult::TimedOut);
        assert_eq!(outcome.text(), "begun\n");
        assert!(begun.elapsed() >= Duration::from_millis(200));
        assert!(begun.elapsed() < Duration::from_secs(30));
    });
}

#[test]
fn a_cancelled_script_ends_and_others_go_on() {
    as_everybody(|mut runner| {
        let other = runner.begin(script_call("echo up; while [ ! -e go ]; do :; done"), Limits::default());
        let id = runner.begin(script_call("echo up; sleep 300"), Limits::default());
        runner.wait_for_output(id, "up");
        runner.wait_for_output(other, "up");
        runner.send(&ToRunner::Cancel { id });
        runner.send(&ToRunner::Cancel { id: 4_711 });
        assert_eq!(runner.wait(id).result(), &CallResult::Cancelled);
        std::fs::write(runner.scratch_root.join(format!("call-{other}/go")), "").unwrap();
        assert_eq!(runner.wait(other).result(), &CallResult::Exited(0));
    });
}

#[test]
fn output_is_cut_at_its_limit() {
    as_everybody(|mut runner| {
        let limits = Limits { output_bytes: 100_000, ..Limits::default() };
        let outcome = runner.run_with("yes", limits);
        assert_eq!(outcome.result(), &CallResult::OutputLimit);
        assert_eq!(outcome.stdout.len(), 100_000);
        let outcome = runner.run_with("head -c 60000 /dev/zero; head -c 40000 /dev/zero >&2", limits);
        assert_eq!(outcome.result(), &CallResult::Exited(0));
        assert_eq!((outcome.stdout.len(), outcome.stderr.len()), (60_000, 40_000));
    });
}

#[test]
fn what_cannot_be_started_is_refused_with_a_reason() {
    as_everybody(|mut runner| {
        let mut refused = |call: RunnerCall, scratch: &str, id| {
            let start = Start { id, call, limits: Limits::default(), scratch: scratch.to_owned() };
            runner.send(&ToRunner::Start(Box::new(start)));
            match runner.wait(id).result.unwrap() {
                CallResult::Refused(why) => why,
                other => panic!("not refused: {other:?}"),
            }
        };
        assert!(refused(script_call(":"), "../escape", 100).contains("cannot name a folder"));
        assert!(refused(script_call(&"x".repeat(200_000)), "a", 101).contains("longer than"));
        assert!(refused(script_call("a\0b"), "a", 102).contains("NUL"));
        let with = |shell: &str, name: &str| RunnerCall::Run {
            script: ":".to_owned(),
            shell: PathBuf::from(shell),
            env: BTreeMap::from([(name.to_owned(), "1".to_owned())]),
            stdin: Vec::new(),
        };
        assert!(refused(with("sh", "A"), "a", 103).contains("absolute"));
        assert!(
            refused(with("/bin/no-such-shell", "A"), "a", 104).contains("cannot start /bin/no-such-shell")
        );
        assert!(refused(with("/bin/sh", "A=B"), "a", 105).contains("variable"));
        assert!(runner.leftovers().is_empty());
    });
}

#[test]
fn the_same_folder_is_never_given_twice() {
    as_everybody(|mut runner| {
        let first = runner.begin(script_call("echo up; sleep 300"), Limits::default());
        runner.wait_for_output(first, "up");
        let start =
            Start { id: 50, call: script_call(":"), limits: Limits::default(), scratch: "call-1".to_owned() };
        runner.send(&ToRunner::Start(Box::new(start)));
        assert!(matches!(runner.wait(50).result(), CallResult::Refused(_)));
        runner.send(&ToRunner::Cancel { id: first });
        runner.wait(first);
    });
}

#[test]
fn two_hundred_scripts_at_once() {
    as_everybody(|mut runner| {
        let ids: Vec<_> = (0..200)
            .map(|n| {
                runner.begin(
                    script_call(&format!("echo out-{n}; sleep 0.2; exit {}", n % 5)),
                    Limits::default(),
                )
            })
            .collect();
        for (n, id) in ids.into_iter().enumerate() {
            let outcome = runner.wait(id);
            assert_eq!(outcome.result(), &CallResult::Exited(n as i32 % 5), "call {n}: {}", outcome.errors());
            assert_eq!(outcome.text(), format!("out-{n}\n"));
        }
        assert!(runner.leftovers().is_empty());
    });
}

#[test]
fn output_is_marked_with_its_stream() {
    as_everybody(|mut runner| {
        let id = runner.begin(script_call("echo err >&2"), Limits::default());
        let FromRunner::Output { id: of, stream, bytes } = runner.receive() else { panic!("no output") };
        assert_eq!((of, stream, bytes.as_slice()), (id, Stream::Stderr, b"err\n".as_slice()));
        runner.wait(id);
    });
}
