//! Tenants are apart: in their files, in the API, in their fates.

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::permission::Role;
use tenantry_protocol::principal::Login;
use tenantry_protocol::run::EventView;
use tenantry_protocol::state::TenantState;
use tenantry_protocol::tenant::{TenantUpdate, TenantView};
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::tenant::TestTenant;

use crate::{disk_contains, refused, workflow};

#[tokio::test]
async fn what_one_tenant_is_sent_lies_in_its_own_folder_only() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    let other = TestTenant::start(&daemon, "other").await.unwrap();
    for tenant in [&acme, &other] {
        tenant.apply(&workflow("job", "  - { id: a, jq: .event.body.marker }\n", "")).await.unwrap();
    }
    let marker = "MARKER-0af31c99";
    let answer =
        acme.hook(&daemon, "job", "1", format!("{{\"marker\": \"{marker}\"}}").as_bytes()).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let run = acme.run_of_event(answer.json()["event"].as_str().unwrap()).await.unwrap();
    acme.ended(&run.id.to_string()).await;
    assert!(disk_contains(&acme.folder(&daemon), marker.as_bytes()), "the search finds what is there");
    assert!(!disk_contains(&other.folder(&daemon), marker.as_bytes()));
    let events: Page<EventView> = daemon.client().get(Operation::EventList, &["other"], &()).await.unwrap();
    assert_eq!(events.items, []);
}

#[tokio::test]
async fn a_suspended_tenant_takes_nothing_and_resumes() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    acme.apply(&workflow("job", "  - { id: a, jq: \"1\" }\n", "")).await.unwrap();
    let set = |state| TenantUpdate { state: Some(state), ..TenantUpdate::default() };
    let view: TenantView =
        daemon.client().send(Operation::TenantUpdate, &["acme"], &set(TenantState::Suspended)).await.unwrap();
    assert_eq!(view.state, TenantState::Suspended);
    let answer = acme.hook(&daemon, "job", "1", b"{}").await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "tenant-suspended"));
    daemon
        .client()
        .send::<TenantView>(Operation::TenantUpdate, &["acme"], &set(TenantState::Active))
        .await
        .unwrap();
    assert_eq!(acme.hook(&daemon, "job", "2", b"{}").await.unwrap().status, 202);
}

#[tokio::test]
async fn an_erased_tenant_takes_files_and_keys_with_it() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    TestTenant::start(&daemon, "other").await.unwrap();
    let (member, key) = acme.member(&daemon, Role::Admin).await.unwrap();
    let folder = acme.folder(&daemon);
    assert!(folder.is_dir());
    daemon.client().send::<serde_json::Value>(Operation::TenantDelete, &["acme"], &()).await.unwrap();
    soon("the folder is gone", || async { (!folder.exists()).then_some(()) }).await;
    let code = refused(member.get::<TenantView>(Operation::TenantGet, &["acme"], &()).await);
    assert!(matches!(code, ErrorCode::NotFound | ErrorCode::TokenRevoked), "{code}");
    let again = daemon.stranger().login(&Login::Key { key: key.key, scope: None }).await.map(drop);
    assert_eq!(refused(again), ErrorCode::LoginRefused);
    let left: Page<TenantView> = daemon.client().get(Operation::TenantList, &[], &()).await.unwrap();
    assert_eq!(left.items.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["other"]);
}

#[tokio::test]
async fn a_member_sees_its_own_tenant_in_lists() {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    TestTenant::start(&daemon, "other").await.unwrap();
    let (member, _) = acme.member(&daemon, Role::Viewer).await.unwrap();
    let seen: Page<TenantView> = member.get(Operation::TenantList, &[], &()).await.unwrap();
    assert_eq!(seen.items.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["acme"]);
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let daemon = TestDaemon::start().await.unwrap();
    TestTenant::start(&daemon, "acme").await.unwrap();
    assert_eq!(refused(TestTenant::start(&daemon, "acme").await.map(drop)), ErrorCode::Conflict);
}
