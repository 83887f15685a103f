//! The walls around a script: what it cannot read, write, reach, keep or see.

mod support;

use std::fs;
use std::os::unix::net::UnixListener;

use support::skip::{said, skipped};
use support::{Runner, Who, as_everybody};
use tenantry_protocol::runner::{CallResult, Limits};

/// Runs a script that must fail, and gives what it wrote.
fn fails(runner: &mut Runner, script: &str) -> String {
    let outcome = runner.run(script);
    let result = outcome.result().clone();
    assert!(matches!(result, CallResult::Exited(1..)), "{script} gave {result:?}: {}", outcome.text());
    assert_eq!(outcome.text(), "", "{script} wrote something");
    outcome.errors()
}

#[test]
fn every_measure_of_this_machine_is_reported() {
    as_everybody(|runner| {
        let sandbox = &runner.ready.sandbox;
        assert!(sandbox.landlock_abi >= 1, "{sandbox:?}");
        for measure in
            ["no-new-privileges", "no-capabilities", "landlock-files", "resource-limits", "subreaper"]
        {
            assert!(runner.has(measure), "{measure} is not in force: {sandbox:?}");
        }
        for missing in &sandbox.missing {
            assert!(!missing.reason.is_empty(), "{} is missing for no reason", missing.measure);
            assert!(!runner.has(&missing.measure), "{} is both in force and missing", missing.measure);
        }
    });
}

#[test]
fn writing_is_possible_in_the_own_folder_only() {
    as_everybody(|mut runner| {
        let outside = runner.base.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::set_permissions(&outside, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(runner.output_of("echo 1 > a && mkdir b && mv a b/c && ln -s b/c d && cat d"), "1\n");
        for place in [
            outside.display().to_string(),
            runner.scratch_root.display().to_string(),
            "/usr".to_owned(),
            "/etc".to_owned(),
            "/var/tmp".to_owned(),
            "/dev".to_owned(),
            "/".to_owned(),
        ] {
            fails(&mut runner, &format!("echo 1 > {place}/planted"));
            fails(&mut runner, &format!("mkdir {place}/planted.d"));
            assert!(!std::path::Path::new(&place).join("planted").exists());
        }
        assert!(runner.leftovers().is_empty());
    });
}

#[test]
fn temporary_files_have_a_folder_of_the_call() {
    as_everybody(|mut runner| {
        if runner.has("own-tmp") {
            assert_eq!(runner.output_of("echo 1 > /tmp/x && cat /tmp/x && ls"), "1\nx\n");
            assert_eq!(runner.output_of("ls /tmp"), "", "one call sees another's /tmp");
        }
        assert_eq!(runner.output_of("f=$(mktemp) && echo 1 > $f && cat $f"), "1\n");
        assert!(runner.leftovers().is_empty());
    });
}

#[test]
fn other_peoples_files_cannot_be_read() {
    as_everybody(|mut runner| {
        let data = runner.base.path().join("data");
        fs::write(data.join("tenant.db"), "rows of a tenant").unwrap();
        let other = runner.scratch_root.join("call-of-another-tenant");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("note"), "note of another tenant").unwrap();
        for folder in [&data, &other] {
            fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        }
        for path in [
            data.join("tenant.db").display().to_string(),
            other.join("note").display().to_string(),
            "/etc/shadow".to_owned(),
            "/root/.bashrc".to_owned(),
            format!("/proc/{}/environ", std::process::id()),
            "/proc/1/environ".to_owned(),
            "/proc/1/root/etc/hostname".to_owned(),
        ] {
            fails(&mut runner, &format!("cat {path}"));
            fails(&mut runner, &format!("ln -s {path} link && cat link"));
            fails(&mut runner, &format!("ln {path} link && cat link"));
        }
        fails(&mut runner, &format!("ls {}", data.display()));
        fails(&mut runner, "ls /root");
        fails(&mut runner, "ls /home");
        fs::remove_dir_all(&other).unwrap();
    });
}

#[test]
fn a_socket_of_the_daemon_cannot_be_reached() {
    if !python() {
        return skipped("a_socket_of_the_daemon_cannot_be_reached", "there is no /usr/bin/python3");
    }
    as_everybody(|mut runner| {
        let path = runner.base.path().join("api.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let connect = |path: &str| {
            format!(
                "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"{path}\"); print(\"in\")'"
            )
        };
        let outcome = runner.run(&connect(&path.display().to_string()));
        assert!(runner.has("own-file-tree"), "this machine gives no file tree: {:?}", runner.ready.sandbox);
        assert_eq!(outcome.result(), &CallResult::Exited(1));
        assert!(outcome.errors().contains("FileNotFoundError"), "{}", outcome.errors());
        // The way there through another process's root is closed as well.
        for pid in ["1", "self", &std::process::id().to_string()] {
            fails(&mut runner, &connect(&format!("/proc/{pid}/root{}", path.display())));
        }
        // An abstract socket has no path; scopes keep it away.
        if runner.has("landlock-scopes") {
            let name = format!("tenantry-test-{}", std::process::id());
            let address =
                <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(
                    &name,
                )
                .unwrap();
            let _abstract = UnixListener::bind_addr(&address).unwrap();
            let errors = fails(&mut runner, &connect(&format!("\\0{name}")));
            assert!(errors.contains("PermissionError"), "{errors}");
        }
    });
}

#[test]
fn hidden_places_are_empty_even_inside_of_what_is_exposed() {
    let exposed = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::create_dir(exposed.path().join("open")).unwrap();
    fs::create_dir(exposed.path().join("hidden")).unwrap();
    fs::write(exposed.path().join("open/tool"), "#!/bin/sh\necho tool\n").unwrap();
    fs::write(exposed.path().join("hidden/key"), "key").unwrap();
    fs::write(exposed.path().join("file"), "key").unwrap();
    for path in ["", "open", "hidden", "open/tool"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(exposed.path().join(path), mode).unwrap();
    }
    for who in [Who::Me, Who::Ordinary] {
        if who == Who::Ordinary && !rustix::process::geteuid().is_root() {
            continue;
        }
        let mut runner = Runner::start(who, |open| {
            open.expose.push(exposed.path().to_owned());
            open.hide.push(exposed.path().join("hidden"));
            open.hide.push(exposed.path().join("file"));
        });
        let base = exposed.path().display();
        assert_eq!(runner.output_of(&format!("{base}/open/tool")), "tool\n");
        assert_eq!(runner.output_of(&format!("ls {base}/hidden; ls {base}")), "file\nhidden\nopen\n");
        let outcome = runner.run(&format!("cat {base}/file"));
        assert_eq!(outcome.text(), "", "a hidden file was read");
    }
}

#[test]
fn no_privileges_and_no_files_come_along() {
    as_everybody(|mut runner| {
        let status = runner.output_of("cat /proc/self/status");
        let field = |name: &str| {
            let line =
                status.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        assert_eq!(field("NoNewPrivs:"), "1");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(field(set), "0000000000000000", "{set}");
        }
        assert_ne!(field("Uid:"), "0");
        // `ls` itself has the folder open.
        assert_eq!(runner.output_of("ls /proc/self/fd"), "0\n1\n2\n3\n");
        assert_eq!(runner.output_of("umask"), "0077\n");
        assert_eq!(runner.output_of("cat /proc/self/oom_score_adj"), "800\n");
    });
}

#[test]
fn limits_are_those_of_the_call() {
    as_everybody(|mut runner| {
        let limits = Limits {
            cpu_s: 3,
            file_bytes: 4096,
            memory_bytes: 128 << 20,
            processes: 20,
            ..Limits::default()
        };
        let outcome = runner.run_with("cat /proc/self/limits", limits);
        let text = outcome.text();
        let soft = |name: &str| {
            let line =
                text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
            line[26..].split_whitespace().next().unwrap().to_owned()
        };
        assert_eq!(soft("Max core file size"), "0");
        assert_eq!(soft("Max open files"), "256");
        assert_eq!(soft("Max cpu time"), "3");
        assert_eq!(soft("Max file size"), "4096");
        assert_eq!(soft("Max data size"), (128_u64 << 20).to_string());
        if runner.has("own-user-namespace") {
            assert_eq!(soft("Max processes"), "20");
        }
    });
}

#[test]
fn limits_hold() {
    as_everybody(|mut runner| {
        let limits = Limits { cpu_s: 1, ..Limits::default() };
        assert_eq!(runner.run_with("while :; do :; done", limits).result(), &CallResult::Signalled(24));
        let limits = Limits { file_bytes: 4096, ..Limits::default() };
        let outcome = runner.run_with("head -c 100000 /dev/zero > big; wc -c < big", limits);
        assert_eq!(outcome.text().trim(), "4096");
        if python() {
            let limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
            let outcome = runner.run_with("python3 -c 'x = bytearray(256 << 20); print(1)'", limits);
            assert!(outcome.errors().contains("MemoryError"), "{outcome:?}");
        }
    });
}

#[test]
fn a_fork_bomb_hurts_nobody_else() {
    as_everybody(|mut runner| {
        assert!(runner.has("own-user-namespace"), "{:?}", runner.ready.sandbox);
        let limits = Limits { processes: 40, wall_ms: 1_000, output_bytes: 1 << 30, ..Limits::default() };
        let bomb = runner.begin(support::script_call("b() { b | b & b; }; b"), limits);
        // While it rages another call gets its processes.
        assert_eq!(
            runner.output_of("for i in 1 2 3 4 5 6 7 8 9; do sleep 0.01 & done; wait; echo fine"),
            "fine\n"
        );
        let outcome = runner.wait(bomb);
        assert!(!matches!(outcome.result(), CallResult::Refused(_)), "{:?}", outcome.result());
        assert_eq!(runner.output_of("echo after"), "after\n");
    });
}

#[test]
fn one_call_cannot_signal_or_trace_another() {
    as_everybody(|mut runner| {
        if !runner.has("landlock-scopes") || !runner.has("pid-namespace") {
            return said("one_call_cannot_signal_or_trace_another", "the kernel has no such walls");
        }
        let victim = runner.begin(
            support::script_call("echo $$ up; while [ ! -e go ]; do sleep 0.01; done"),
            Limits::default(),
        );
        let pid = runner.wait_for_output(victim, "up");
        let pid = pid.split_whitespace().next().unwrap().to_owned();
        fails(&mut runner, &format!("kill -9 {pid}"));
        fails(&mut runner, "kill -9 1");
        fails(&mut runner, "kill -9 $PPID");
        fails(&mut runner, &format!("cat /proc/{pid}/cmdline"));
        fails(&mut runner, &format!("ls /proc/{pid}"));
        assert_eq!(runner.run("kill -9 -1; echo still here").text(), "still here\n");
        fs::write(runner.scratch_root.join(format!("call-{victim}/go")), "").unwrap();
        assert_eq!(runner.wait(victim).result(), &CallResult::Exited(0));
    });
}

#[test]
fn mounts_cannot_be_changed() {
    as_everybody(|mut runner| {
        fails(&mut runner, "umount /etc");
        fails(&mut runner, "mount -t tmpfs none /tmp");
        fails(&mut runner, "unshare -Urm sh -c 'umount /tmp && echo out'");
        fails(&mut runner, "unshare -Urm sh -c 'mount -t tmpfs none /usr && echo out'");
    });
}

#[test]
fn ordinary_programs_work() {
    as_everybody(|mut runner| {
        assert_eq!(runner.output_of("printf 'b\\na\\n' | sort | tr a-z A-Z | sed 's/A/x/'"), "x\nB\n");
        assert_eq!(
            runner.output_of("date -d @0 -u +%Y; id -u >/dev/null; awk 'BEGIN { print 6*7 }'"),
            "1970\n42\n"
        );
        assert_eq!(
            runner.output_of("echo x > /dev/null; head -c 4 /dev/urandom | wc -c; echo e > /dev/stderr"),
            "4\n"
        );
        assert_eq!(runner.output_of("cat < /dev/null; echo hi | tee /dev/fd/1 | sort -u"), "hi\n");
        if std::path::Path::new("/bin/bash").exists() {
            assert_eq!(runner.output_of("bash -c 'diff <(echo 1) <(echo 1) && echo same'"), "same\n");
        }
        if python() {
            assert_eq!(runner.output_of("python3 -c 'import json, ssl; print(json.dumps([1]))'"), "[1]\n");
        }
    });
}

fn python() -> bool {
    std::path::Path::new("/usr/bin/python3").exists()
}
