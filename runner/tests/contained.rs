//! Machines that allow less: the runner says what is missing, and what still stands holds.
//!
//! Needs root to make such machines: a container's half-covered /proc, and a user namespace that allows no other.

mod support;

use std::fs;
use std::process::Command;

use support::skip::skipped;
use support::{ORDINARY, Runner, Who, eventually, marker, processes_with, script_call};
use tenantry_protocol::runner::{CallResult, Limits};

/// As in most containers: part of /proc is covered, so the kernel allows no fresh one.
fn covered_proc() -> Option<Runner> {
    contained(
        Who::Ordinary,
        &["--mount"],
        &format!(
            "mount -t tmpfs none /proc/fs && exec setpriv --reuid={ORDINARY} --regid={ORDINARY} --clear-groups \"$0\" runner"
        ),
    )
}

/// As where an administrator switched user namespaces off.
fn no_namespaces() -> Option<Runner> {
    contained(
        Who::Me,
        &["--user", "--map-root-user"],
        "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-sys_admin \"$0\" runner",
    )
}

/// As where a user namespace may be made and then nothing be done in it.
fn sealed_proc() -> Option<Runner> {
    contained(
        Who::Ordinary,
        &["--mount"],
        &format!(
            "mount -o remount,bind,ro /proc && exec setpriv --reuid={ORDINARY} --regid={ORDINARY} --clear-groups \
             \"$0\" runner"
        ),
    )
}

fn contained(who: Who, flags: &[&str], script: &str) -> Option<Runner> {
    if !rustix::process::geteuid().is_root() {
        skipped("a test of a machine that allows less", "only root can make such a machine");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(flags).args(["sh", "-c", script]).arg(support::program());
    Some(Runner::start_as(command, who, |_| {}))
}

fn missing(runner: &Runner, measure: &str) -> String {
    let found = runner.ready.sandbox.missing.iter().find(|missing| missing.measure == measure);
    found.map_or_else(
        || format!("{measure} is not missing: {:?}", runner.ready.sandbox),
        |found| found.reason.clone(),
    )
}

#[test]
fn without_a_process_tree_the_file_tree_still_stands() {
    let Some(mut runner) = covered_proc() else { return };
    assert!(
        missing(&runner, "pid-namespace").contains("cannot start the process inside"),
        "{:?}",
        runner.ready
    );
    assert!(runner.has("own-file-tree") && runner.has("own-tmp") && runner.has("landlock-files"));
    what_always_holds(&mut runner);
    let me = std::process::id();
    assert_eq!(
        runner.run(&format!("cat /proc/{me}/cmdline")).text(),
        "",
        "a process of the machine was read"
    );
}

#[test]
fn without_namespaces_the_walls_still_stand() {
    let Some(mut runner) = no_namespaces() else { return };
    for measure in ["pid-namespace", "own-file-tree", "own-user-namespace", "own-tmp"] {
        assert!(!missing(&runner, measure).contains("is not missing"), "{}", missing(&runner, measure));
    }
    assert!(runner.has("landlock-files"), "{:?}", runner.ready);
    what_always_holds(&mut runner);
}

#[test]
fn a_user_namespace_that_is_of_no_use_is_done_without() {
    let Some(mut runner) = sealed_proc() else { return };
    assert!(missing(&runner, "own-file-tree").contains("cannot"), "{}", missing(&runner, "own-file-tree"));
    assert!(missing(&runner, "own-user-namespace").contains("processes"), "{:?}", runner.ready.sandbox);
    what_always_holds(&mut runner);
}

#[test]
fn nothing_survives_the_runner_without_a_process_tree_either() {
    for make in [covered_proc, no_namespaces, sealed_proc] {
        for by_link in [true, false] {
            let Some(mut runner) = make() else { return };
            let mark = marker(if by_link { "open-link" } else { "open-kill" });
            let id = runner.begin(script_call(&support::daemon(&mark)), Limits::default());
            let second = runner.begin(
                script_call(&format!("{} echo up; sleep 300; : {mark}", support::daemon(&mark))),
                Limits::default(),
            );
            assert_eq!(runner.wait(id).result(), &CallResult::Exited(0));
            runner.wait_for_output(second, "up");
            assert!(processes_with(&mark).len() >= 3);
            if by_link {
                runner.close_link();
            } else {
                runner.child.kill().unwrap();
            }
            eventually("everything is dead", || processes_with(&mark).is_empty());
        }
    }
}

#[expect(clippy::unwrap_used, reason = "a test that fails")]
fn what_always_holds(runner: &mut Runner) {
    let data = runner.base.path().join("data");
    fs::write(data.join("tenant.db"), "rows of a tenant").unwrap();
    for script in [
        format!("cat {}/tenant.db", data.display()),
        format!("echo 1 > {}/planted", data.display()),
        "cat /etc/shadow".to_owned(),
        "echo 1 > /usr/planted".to_owned(),
    ] {
        let outcome = runner.run(&script);
        assert!(matches!(outcome.result(), CallResult::Exited(1..)), "{script}: {outcome:?}");
        assert_eq!(outcome.text(), "", "{script}");
    }
    assert_eq!(
        runner
            .output_of("echo 1 > a; cat a; grep -E 'NoNewPrivs|CapEff' /proc/self/status 2>/dev/null; :")
            .lines()
            .next(),
        Some("1")
    );
    let mark = marker("contained");
    assert_eq!(runner.output_of(&format!("{} echo up", support::daemon(&mark))), "up\n");
    assert_eq!(processes_with(&mark), Vec::<String>::new());
    assert_eq!(runner.jq(". + 1", serde_json::json!(1)), CallResult::JqValue(serde_json::json!(2)));
    let limits = Limits { wall_ms: 300, ..Limits::default() };
    assert_eq!(runner.jq_with("def f: f; f", serde_json::json!(1), limits), CallResult::TimedOut);
    assert!(runner.leftovers().is_empty());
}
