//! The `tenantry` program as a person or a script uses it: what it prints where, and its exit codes.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use tenantry_tests::binary::tenantry;
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::tenant::TestTenant;

use crate::workflow;

pub(crate) struct Shell<'d> {
    pub(crate) daemon: &'d TestDaemon,
}

impl Shell<'_> {
    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let home = self.daemon.home().path().join("user");
        std::fs::create_dir_all(&home).unwrap();
        let mut command = Command::new(tenantry());
        command
            .args(args)
            .arg("--socket")
            .arg(self.daemon.socket())
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env("NO_COLOR", "1")
            .env_remove("TENANTRY_TENANT")
            .env_remove("TENANTRY_SOCKET")
            .env_remove("TENANTRY_KEY_FILE");
        command
    }

    /// Runs with something on standard input, expects an exit code, gives standard output.
    #[track_caller]
    pub(crate) fn fed(&self, code: i32, args: &[&str], input: &str) -> String {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "tenantry {args:?}\nerr: {err}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs and expects an exit code.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.run(args);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "tenantry {args:?}\nout: {out}\nerr: {err}");
        (out, err)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_what_kind_of_end_it_was() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    acme.apply(&workflow("good", "  - { id: a, jq: \"1\" }\n", "")).await.unwrap();
    acme.apply(&workflow("bad", "  - { id: a, run: \"exit 1\" }\n", "")).await.unwrap();
    let shell = Shell { daemon: &daemon };
    shell.ends(0, &["tenant", "list"]);
    shell.ends(2, &["tenant", "lsit"]);
    shell.ends(2, &["nonsense"]);
    shell.ends(3, &["tenant", "show", "absent"]);
    shell.ends(3, &["run", "show", "run_01990000000070008000000000000000", "-t", "acme"]);
    shell.ends(6, &["tenant", "create", "acme"]);
    shell.ends(0, &["workflow", "run", "good", "-t", "acme", "--wait"]);
    shell.ends(5, &["workflow", "run", "bad", "-t", "acme", "--wait"]);
    shell.ends(2, &["workflow", "run", "good"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_it_says_how_to_get_one() {
    let mut daemon = TestDaemon::start().await.unwrap();
    daemon.stop().await.unwrap();
    let shell = Shell { daemon: &daemon };
    let (out, err) = shell.ends(69, &["tenant", "list"]);
    assert_eq!(out, "");
    assert!(err.contains("daemon-unreachable") && err.contains("tenantry up"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_formats_are_whole_and_alone_on_standard_output() {
    let daemon = TestDaemon::start().await.unwrap();
    TestTenant::start(&daemon, "acme").await.unwrap();
    TestTenant::start(&daemon, "other").await.unwrap();
    let shell = Shell { daemon: &daemon };
    let (json, err) = shell.ends(0, &["tenant", "list", "-o", "json"]);
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    let names = |value: &serde_json::Value| {
        let items = value.as_array().or_else(|| value["items"].as_array()).cloned().unwrap_or_default();
        items.iter().map(|t| t["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let mut found = names(&parsed);
    found.sort();
    assert_eq!(found, ["acme", "other"], "{json}");
    assert_eq!(err, "");
    let (lines, _) = shell.ends(0, &["tenant", "list", "-o", "jsonl"]);
    assert_eq!(
        lines.lines().filter(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()).count(),
        2,
        "{lines}"
    );
    let (table, _) = shell.ends(0, &["tenant", "list"]);
    assert!(table.contains("acme") && !table.contains('\u{1b}'), "{table}");
    let (_, err) = shell.ends(3, &["tenant", "show", "absent", "-o", "json"]);
    assert!(err.contains("not-found"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_noun_lists_itself_for_people_and_programs() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    acme.inbox_channel("mail").await.unwrap();
    let notify = "  - { on: [success], channel: mail, message: done }\n";
    acme.apply(&workflow("job", "  - { id: a, run: \"echo hello\" }\n", notify)).await.unwrap();
    let run = acme.run("job", serde_json::Value::Null).await.unwrap().id.to_string();
    acme.ended(&run).await;
    soon("the notification is delivered", || async { acme.run_view(&run).await.ok()?.notified_at }).await;
    let shell = Shell { daemon: &daemon };
    for args in [
        &["tenant", "list"][..],
        &["tenant", "show", "acme"],
        &["tenant", "stats", "acme"],
        &["workflow", "list"],
        &["workflow", "show", "job"],
        &["workflow", "revisions", "job"],
        &["event", "list"],
        &["run", "list"],
        &["run", "show", &run],
        &["run", "steps", &run],
        &["run", "logs", &run],
        &["queue", "list"],
        &["dead", "list"],
        &["channel", "list"],
        &["notification", "list"],
        &["inbox", "list"],
        &["secret", "list"],
        &["key", "list"],
        &["audit", "list"],
        &["audit", "verify"],
        &["status"],
        &["whoami"],
    ] {
        let with = |more: &[&'static str]| [args, &["-t", "acme"], more].concat();
        let (out, err) = shell.ends(0, &with(&["-o", "json"]));
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{args:?}: {out} {err}");
        let (out, err) = shell.ends(0, &with(&[]));
        assert!(!(out + &err).trim().is_empty(), "{args:?} says nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_wrote_cannot_speak_to_the_terminal() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let steps = "  - { id: a, run: \"printf 'red \\\\033[31mtext \\\\033]0;title\\\\007 \\\\302\\\\233 end\\\\n'\" }\n";
    acme.apply(&workflow("job", steps, "")).await.unwrap();
    let run = acme.run("job", serde_json::Value::Null).await.unwrap();
    acme.ended(&run.id.to_string()).await;
    let shell = Shell { daemon: &daemon };
    let (out, _) = shell.ends(0, &["run", "logs", &run.id.to_string(), "-t", "acme"]);
    assert!(out.contains("red") && out.contains("end"), "{out:?}");
    assert!(!out.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{out:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_are_checked_offline_with_places() {
    let daemon = TestDaemon::start().await.unwrap();
    let shell = Shell { daemon: &daemon };
    let file = daemon.home().path().join("broken.yaml");
    std::fs::write(&file, "name: job\non: { manual: {} }\nsteps:\n  - { id: a, jqq: \"1\" }\n").unwrap();
    let path = file.to_string_lossy().into_owned();
    let output = shell.run(&["workflow", "check", &path]);
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_ne!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("broken.yaml:4:") && told.contains("jq"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_repeated_by_a_filter_only_after_a_yes() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    acme.apply(&workflow("bad", "  - { id: a, run: \"exit 1\" }\n", "")).await.unwrap();
    for _ in 0..2 {
        let run = acme.run("bad", serde_json::Value::Null).await.unwrap();
        acme.ended(&run.id.to_string()).await;
    }
    let shell = Shell { daemon: &daemon };
    let filter = ["run", "retry", "-t", "acme", "--filter", "workflow=bad state=failed since=1h"];
    let with = |more: &[&'static str]| [&filter[..], more].concat();
    let (out, _) = shell.ends(0, &with(&["--dry-run"]));
    assert_eq!(out.matches("would").count(), 2, "{out}");
    let (_, err) = shell.ends(2, &with(&[]));
    assert!(err.contains("Retry 2 runs of acme?") && err.contains("--yes"), "{err}");
    assert_eq!(acme.runs().await.unwrap().len(), 2, "nothing was done");
    let (out, err) = shell.ends(0, &with(&["--yes"]));
    assert_eq!(out.matches("done").count(), 2, "{out}");
    assert!(err.contains("2 of 2"), "progress is on standard error: {err}");
    assert_eq!(acme.runs().await.unwrap().len(), 4);
    shell.ends(2, &["run", "retry", "-t", "acme", "--filter", "colour=red"]);
    shell.ends(2, &["run", "retry", "-t", "acme"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_set_shown_and_deleted() {
    let daemon = TestDaemon::start().await.unwrap();
    TestTenant::start(&daemon, "acme").await.unwrap();
    let shell = Shell { daemon: &daemon };
    shell.ends(0, &["var", "set", "REGION", "eu", "-t", "acme"]);
    shell.ends(0, &["var", "set", "LIMITS", "{\"daily\":100}", "--json", "-t", "acme"]);
    let (out, _) = shell.ends(0, &["var", "list", "-t", "acme", "-o", "name"]);
    assert_eq!(out, "LIMITS\nREGION\n");
    let (out, _) = shell.ends(0, &["var", "get", "LIMITS", "-t", "acme", "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["value"]["daily"], 100);
    shell.ends(2, &["var", "set", "not-a-name", "x", "-t", "acme"]);
    shell.ends(2, &["var", "set", "X", "{", "--json", "-t", "acme"]);
    shell.ends(0, &["var", "delete", "REGION", "--yes", "-t", "acme"]);
    shell.ends(3, &["var", "get", "REGION", "-t", "acme"]);
}
