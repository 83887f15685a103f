//! The life of processes: nothing of a call survives the call, and no call survives the daemon.

mod support;

use std::time::{Duration, Instant};

use support::{Runner, Who, as_everybody, daemon, eventually, marker, processes_with, script_call};
use tenantry_protocol::runner::{CallResult, Limits, ToRunner};

#[test]
fn nothing_survives_a_normal_end() {
    as_everybody(|mut runner| {
        let mark = marker("normal-end");
        let text = runner.output_of(&format!("{} echo done", daemon(&mark)));
        assert_eq!(text, "done\n");
        assert_eq!(processes_with(&mark), Vec::<String>::new());
        assert!(runner.leftovers().is_empty());
    });
}

#[test]
fn nothing_survives_a_deadline_a_cancel_or_too_much_output() {
    as_everybody(|mut runner| {
        let mark = marker("kill");
        let limits = Limits { wall_ms: 300, ..Limits::default() };
        let outcome = runner.run_with(&format!("{} sleep 300; : {mark}", daemon(&mark)), limits);
        assert_eq!(outcome.result(), &CallResult::TimedOut);
        assert_eq!(processes_with(&mark), Vec::<String>::new());

        let id = runner.begin(
            script_call(&format!("{} echo up; sleep 300; : {mark}", daemon(&mark))),
            Limits::default(),
        );
        runner.wait_for_output(id, "up");
        runner.send(&ToRunner::Cancel { id });
        assert_eq!(runner.wait(id).result(), &CallResult::Cancelled);
        assert_eq!(processes_with(&mark), Vec::<String>::new());

        let limits = Limits { output_bytes: 10, ..Limits::default() };
        let outcome = runner.run_with(&format!("{} yes {mark}", daemon(&mark)), limits);
        assert_eq!(outcome.result(), &CallResult::OutputLimit);
        assert_eq!(processes_with(&mark), Vec::<String>::new());
    });
}

#[test]
fn everything_dies_when_the_link_closes() {
    as_everybody(|mut runner| {
        let mark = marker("link");
        let id = runner.begin(
            script_call(&format!("{} echo up; sleep 300; : {mark}", daemon(&mark))),
            Limits::default(),
        );
        runner.wait_for_output(id, "up");
        eventually("the daemonised process runs", || processes_with(&mark).len() >= 3);
        let begun = Instant::now();
        runner.close_link();
        eventually("everything is dead", || processes_with(&mark).is_empty());
        assert!(begun.elapsed() < Duration::from_secs(10));
        runner.child.wait().unwrap();
    });
}

#[test]
fn everything_dies_when_the_runner_is_killed() {
    as_everybody(|mut runner| {
        let mark = marker("killed");
        let id = runner.begin(
            script_call(&format!("{} echo up; sleep 300; : {mark}", daemon(&mark))),
            Limits::default(),
        );
        runner.wait_for_output(id, "up");
        eventually("the daemonised process runs", || processes_with(&mark).len() >= 3);
        runner.child.kill().unwrap();
        eventually("everything is dead", || processes_with(&mark).is_empty());
    });
}

#[test]
fn a_killed_keeper_takes_its_call_along_and_nobody_else() {
    as_everybody(|mut runner| {
        let mark = marker("keeper");
        let other =
            runner.begin(script_call("echo up; while [ ! -e go ]; do sleep 0.01; done"), Limits::default());
        runner.wait_for_output(other, "up");
        let id = runner.begin(
            script_call(&format!("{} echo up; sleep 300; : {mark}", daemon(&mark))),
            Limits::default(),
        );
        runner.wait_for_output(id, "up");
        eventually("the daemonised process runs", || processes_with(&mark).len() >= 3);
        let shell = support::pid_of_script(&format!("echo up; sleep 300; : {mark}"));
        let keeper = support::parent_of(shell);
        rustix::process::kill_process(keeper, rustix::process::Signal::KILL).unwrap();
        assert_eq!(runner.wait(id).result(), &CallResult::Signalled(9));
        eventually("everything is dead", || processes_with(&mark).is_empty());
        std::fs::write(runner.scratch_root.join(format!("call-{other}/go")), "").unwrap();
        assert_eq!(runner.wait(other).result(), &CallResult::Exited(0));
    });
}

#[test]
fn a_runner_without_a_link_or_of_another_version_does_not_start() {
    let program = support::program();
    let status = std::process::Command::new(&program)
        .arg("runner")
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_folder_a_script_locked_is_removed_all_the_same() {
    as_everybody(|mut runner| {
        runner.output_of(
            "mkdir -p a/b/c && touch a/b/c/d && ln -s / a/root && ln -s .. a/up && chmod 0 a/b/c a/b a",
        );
        eventually("the folder is gone", || runner.leftovers().is_empty());
        assert!(std::path::Path::new("/etc/passwd").exists());
    });
}

#[test]
fn start_overhead() {
    // Not a benchmark: a bound that only a broken design would miss. `tests/bench` measures.
    let mut runner = Runner::start(Who::Me, |_| {});
    runner.output_of(":");
    let begun = Instant::now();
    for _ in 0..50 {
        runner.output_of(":");
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "50 scripts took {:?}", begun.elapsed());
}
