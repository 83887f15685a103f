//! Starting, stopping, crashing and starting again.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::time::Duration;

use tenantry_protocol::health::{Health, HealthState, Status};
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::tenant::TenantView;
use tenantry_tests::daemon::{Home, TestDaemon, wait};
use tenantry_tests::tenant::TestTenant;

use crate::workflow;

fn mode(path: &std::path::Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn it_starts_in_an_empty_folder_and_says_how_to_reach_it() {
    let daemon = TestDaemon::start().await.unwrap();
    let health: Health = daemon.stranger().get(Operation::Health, &[], &()).await.unwrap();
    assert_eq!(health.state, HealthState::Serving);
    let status: Status = daemon.client().get(Operation::HostStatus, &[], &()).await.unwrap();
    assert_eq!(status.pid, daemon.pid());
    assert_eq!(status.ingress, daemon.ready().ingress);
    assert_eq!(status.data, daemon.data().to_string_lossy());
    assert_eq!(status.degraded_tasks, []);
}

#[tokio::test]
async fn nobody_else_on_the_host_can_read_its_files() {
    let daemon = TestDaemon::start().await.unwrap();
    let tenant = TestTenant::start(&daemon, "acme").await.unwrap();
    assert_eq!(mode(&daemon.data()), 0o700);
    assert!(daemon.socket().metadata().unwrap().file_type().is_socket());
    assert_eq!(mode(&daemon.socket()) & 0o007, 0, "the socket is open to the world");
    let mut open = vec![daemon.data()];
    let mut files = 0;
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                assert_eq!(mode(&path), 0o700, "{}", path.display());
                open.push(path);
            } else {
                assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
                files += 1;
            }
        }
    }
    assert!(files >= 2, "control.db and a tenant.db at least");
    assert!(tenant.folder(&daemon).join("tenant.db").is_file());
}

#[tokio::test]
async fn it_stops_when_asked_and_keeps_what_it_had() {
    let mut daemon = TestDaemon::start().await.unwrap();
    let tenant = TestTenant::start(&daemon, "acme").await.unwrap();
    tenant.apply(&workflow("job", "  - { id: a, jq: \"1\" }\n", "")).await.unwrap();
    let run = tenant.run("job", serde_json::Value::Null).await.unwrap();
    tenant.ended(&run.id.to_string()).await;
    let status = daemon.stop().await.unwrap();
    assert!(status.success(), "{status}");
    assert!(!daemon.socket().exists(), "the socket outlives the daemon");
    daemon.restart().await.unwrap();
    let tenants: Page<TenantView> = daemon.client().get(Operation::TenantList, &[], &()).await.unwrap();
    assert_eq!(tenants.items.iter().map(|t| t.id).collect::<Vec<_>>(), [tenant.view.id]);
    assert_eq!(tenant.runs().await.unwrap().iter().map(|r| r.id).collect::<Vec<_>>(), [run.id]);
}

#[tokio::test]
async fn a_killed_daemon_is_followed_by_one_that_takes_over_its_socket() {
    let mut daemon = TestDaemon::start().await.unwrap();
    let tenant = TestTenant::start(&daemon, "acme").await.unwrap();
    daemon.kill();
    assert!(daemon.socket().exists(), "a killed daemon cannot tidy up");
    let took = daemon.restart().await.unwrap();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let view: TenantView = daemon.client().get(Operation::TenantGet, &[&tenant.name], &()).await.unwrap();
    assert_eq!(view, tenant.view);
}

#[tokio::test]
async fn a_second_daemon_on_one_folder_is_refused_and_the_first_serves_on() {
    let daemon = TestDaemon::start().await.unwrap();
    let mut command = daemon.home().command().unwrap();
    let output =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).output().unwrap();
    let told =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(6), "{told}");
    assert!(told.contains("data-folder-locked"), "{told}");
    daemon.client().get::<Status>(Operation::HostStatus, &[], &()).await.unwrap();
    TestTenant::start(&daemon, "acme").await.expect("the first daemon still writes");
}

#[tokio::test]
async fn a_wrong_setting_is_named_with_its_place() {
    let home = Home::new("[stages.action]\nconcurrencyy = 3\n").unwrap();
    let mut child = home.command().unwrap().spawn().unwrap();
    let status = wait(&mut child, Duration::from_secs(10)).await.expect("it must not start");
    let told = home.telemetry();
    assert_eq!(status.code(), Some(2), "{told}");
    assert!(told.contains("concurrencyy") && told.contains("config-invalid"), "{told}");
    assert!(told.contains("did you mean"), "{told}");
    assert!(!home.data().join("ready.json").exists());
}
