//! Disks that are full, read-only or damaged: said by name, nothing acknowledged is lost, the others do not notice.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tenantry_protocol::path::Operation;
use tenantry_protocol::state::TenantState;
use tenantry_protocol::tenant::TenantView;
use tenantry_tests::daemon::{Home, TestDaemon, soon, wait};
use tenantry_tests::skip::skipped;
use tenantry_tests::tenant::{TestTenant, signed_hook};

use crate::{disk_contains, with_job, workflow};

#[tokio::test]
async fn a_corrupt_tenant_file_is_set_aside_and_the_others_work() {
    let (mut daemon, acme) = with_job().await;
    let other = TestTenant::start(&daemon, "other").await.unwrap();
    other.apply(&workflow("job", "  - { id: a, jq: \"1\" }\n", "")).await.unwrap();
    daemon.stop().await.unwrap();
    let file = acme.folder(&daemon).join("tenant.db");
    let size = file.metadata().unwrap().len();
    std::fs::write(&file, vec![0x5a; size as usize]).unwrap();
    daemon.restart().await.unwrap();
    let answer = acme.hook(&daemon, "job", "1", b"{}").await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "tenant-quarantined"), "{answer:?}");
    let view: TenantView = daemon.client().get(Operation::TenantGet, &["acme"], &()).await.unwrap();
    assert_eq!(view.state, TenantState::Quarantined);
    let kept = disk_contains(&daemon.data(), &[0x5a; 4096]);
    assert!(kept, "the damaged file is never deleted");
    let answer = other.hook(&daemon, "job", "1", b"{}").await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let run = other.run_of_event(answer.json()["event"].as_str().unwrap()).await.unwrap();
    other.ended(&run.id.to_string()).await;
}

#[tokio::test]
async fn a_foreign_or_newer_file_is_refused_by_name() {
    let home = Home::new("").unwrap();
    std::fs::create_dir_all(home.data()).unwrap();
    let foreign = rusqlite::Connection::open(home.data().join("control.db")).unwrap();
    foreign.execute_batch("create table x (a); insert into x values (1);").unwrap();
    drop(foreign);
    let mut child = home.command().unwrap().spawn().unwrap();
    let status = wait(&mut child, Duration::from_secs(10)).await.expect("it must not start");
    assert!(!status.success());
    assert!(home.telemetry().contains("store-foreign"), "{}", home.telemetry());
    let kept = rusqlite::Connection::open(home.data().join("control.db")).unwrap();
    assert_eq!(
        kept.query_row("select a from x", [], |row| row.get::<_, i64>(0)).unwrap(),
        1,
        "it was left alone"
    );

    let (mut daemon, _acme) = with_job().await;
    daemon.stop().await.unwrap();
    let control = rusqlite::Connection::open(daemon.data().join("control.db")).unwrap();
    control.execute_batch("pragma user_version = 9999;").unwrap();
    drop(control);
    let error = daemon.restart().await.unwrap_err().to_string();
    assert!(error.contains("store-newer"), "{error}");
}

#[tokio::test]
async fn a_read_only_folder_is_said_to_be_one() {
    // Root may write anywhere, so the folder is read-only by a bind mount in a mount namespace of its own.
    let home = Home::new("").unwrap();
    std::fs::create_dir_all(home.data()).unwrap();
    let script = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@""#;
    let Some(told) = in_namespace(&home, script).await else {
        return skipped("a_read_only_folder_is_said_to_be_one", "this user may make no mount namespace");
    };
    assert!(told.contains("store-read-only"), "{told}");
}

#[tokio::test]
async fn what_cannot_be_a_data_folder_is_named_with_its_own_code() {
    let home = Home::new("").unwrap();
    let file = home.path().join("a-file");
    std::fs::write(&file, "not a folder").unwrap();
    for folder in [std::path::PathBuf::from("/proc/nope"), file.clone(), file.join("below")] {
        let program = home.command().unwrap().get_program().to_owned();
        let output = std::process::Command::new(program)
            .args(["daemon", "--ingress", "127.0.0.1:0", "--data"])
            .arg(&folder)
            .arg("--socket")
            .arg(home.path().join("api.sock"))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("data-folder-invalid"), "{told}");
        assert!(told.contains(&folder.display().to_string()), "{told}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a folder");
}

/// Runs the daemon below a shell in a mount namespace; `None` where the kernel does not let us make one. Returns what
/// it said when it ended.
async fn in_namespace(home: &Home, script: &str) -> Option<String> {
    let plain = home.command().unwrap();
    let can = std::process::Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut command = std::process::Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", script, "sh"])
        .arg(home.data())
        .arg(plain.get_program())
        .args(plain.get_args());
    let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = output;
    let status = wait(&mut child, Duration::from_secs(20)).await;
    if status.is_none() {
        drop(child.kill());
    }
    let output = child.wait_with_output().unwrap();
    assert!(status.is_some_and(|status| !status.success()), "it must not start: {output:?}");
    Some(String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout))
}

/// On a machine without `unshare` and `mount`.
#[test]
fn a_test_that_cannot_look_says_so_and_fails_where_everything_is_demanded() {
    for (demanded, passes) in [("0", true), ("1", false)] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bad_disk::a_read_only_folder_is_said_to_be_one"])
            .args(["bad_disk::a_full_disk_refuses_and_heals"])
            .env("TENANTRY_TESTS_ALL", demanded)
            .env("TENANTRY_BIN", tenantry_tests::binary::tenantry())
            .env("PATH", "/nonexistent")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.success(), passes, "{told}");
        assert_eq!(told.matches("SKIPPED").count(), if passes { 2 } else { 0 }, "{told}");
        assert_eq!(
            told.matches("cannot be skipped with TENANTRY_TESTS_ALL=1").count() > 0,
            !passes,
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_heals() {
    let Some(disk) = SmallDisk::mount() else {
        return skipped("a_full_disk_refuses_and_heals", "this user may not mount");
    };
    let home = Home::new("").unwrap();
    std::os::unix::fs::symlink(disk.path(), home.data()).unwrap();
    let daemon = TestDaemon::start_in(home).await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    acme.apply(&workflow("job", "  - { id: a, jq: \"1\" }\n", "")).await.unwrap();
    let filler = disk.path().join("filler");
    let mut accepted = Vec::new();
    let send = async |number: u32| {
        let body = format!("{{\"n\": {number}, \"filler\": \"{}\"}}", "x".repeat(20_000));
        signed_hook("acme", "job", &format!("d{number}"), body.as_bytes())
            .tcp(daemon.ingress())
            .await
            .unwrap()
    };
    assert_eq!(send(0).await.status, 202);
    // Everything that is free goes, down to the last block.
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let mut refusal = None;
    for number in 1..200 {
        let answer = send(number).await;
        if answer.status == 202 {
            accepted.push(answer.json()["event"].as_str().unwrap().to_owned());
            continue;
        }
        refusal = Some(answer);
        break;
    }
    let refusal = refusal.expect("a full disk took 200 webhooks");
    assert!(matches!(refusal.code().as_str(), "store-full" | "tenant-degraded"), "{refusal:?}");
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    soon("it accepts again without a restart", || async { (send(1_000).await.status == 202).then_some(()) })
        .await;
    for event in &accepted {
        let path = ["acme", event.as_str()];
        daemon
            .client()
            .get::<Value>(Operation::EventGet, &path, &())
            .await
            .expect("an accepted event is kept");
    }
    drop(daemon);
}

/// A file system of a few megabytes.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tenantry-test"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success()).then_some(Self(folder))
    }

    fn path(&self) -> &std::path::Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}
