//! What the policy refuses is in the audit log, and a loop of it does not flood the log.

use serde_json::Value;
use tenantry_protocol::audit::{AuditQuery, AuditVerified, AuditView};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::Page;
use tenantry_protocol::path::{Access, Operation};
use tenantry_protocol::permission::{Permission, Role};
use tenantry_protocol::principal::{KeyCreate, KeyCreated, Login};
use tenantry_tests::daemon::TestDaemon;
use tenantry_tests::tenant::TestTenant;

use crate::auth::{call, is_asked, token_of};
use crate::refused;

/// The default of `[api] refusal-records`.
const RECORDS: usize = 6;

async fn records(daemon: &TestDaemon, log: Operation, path: &[&str]) -> Vec<AuditView> {
    let query =
        AuditQuery { verb: Some("call.refuse".to_owned()), limit: Some(500), ..AuditQuery::default() };
    let page: Page<AuditView> = daemon.client().get(log, path, &query).await.unwrap();
    page.items
}

#[tokio::test]
async fn every_route_that_refuses_a_member_is_audited_in_its_tenant() {
    let mut daemon = TestDaemon::start().await.unwrap();
    let own = TestTenant::start(&daemon, "own").await.unwrap();
    let (_, key) = own.member(&daemon, Role::Viewer).await.unwrap();
    let actor = format!("key:{}", key.view.principal);
    let token = token_of(&daemon, &Login::Key { key: key.key, scope: None }).await;
    let ask = async |operation: Operation| {
        let answer = call(operation, "own").bearer(&token).unix(&daemon.socket()).await.unwrap();
        assert_eq!(answer.code(), "permission-denied", "{}: {answer:?}", operation.name());
    };
    let mut asked = Vec::new();
    for operation in Operation::ALL.iter().copied().filter(|op| is_asked(*op)) {
        let (Access::Tenant(permission) | Access::Host(permission)) = operation.access() else { continue };
        if !Role::Viewer.allows(permission) {
            ask(operation).await;
            asked.push((operation.name().to_owned(), permission.as_str().to_owned()));
        }
    }
    assert!(asked.len() > 20, "{asked:?}");
    let mut told: Vec<_> = records(&daemon, Operation::AuditList, &["own"]).await;
    told.reverse();
    assert!(told.iter().all(|r| r.actor == actor && r.outcome == "permission-denied"), "{told:?}");
    let permission = |record: &AuditView| record.detail["permission"].as_str().unwrap_or_default().to_owned();
    let told: Vec<_> = told.iter().map(|record| (record.resource.clone(), permission(record))).collect();
    assert_eq!(told, asked);

    for _ in 0..50 {
        ask(Operation::RunCancel).await;
    }
    let of_cancel = async |daemon: &TestDaemon| {
        let all = records(daemon, Operation::AuditList, &["own"]).await;
        all.into_iter().filter(|record| record.resource == "RunCancel").collect::<Vec<_>>()
    };
    assert_eq!(of_cancel(&daemon).await.len(), RECORDS);
    daemon.stop().await.unwrap();
    daemon.restart().await.unwrap();
    let all = of_cancel(&daemon).await;
    assert_eq!(all.len(), RECORDS + 1, "the rest is counted in one");
    assert_eq!(all[0].detail["more"], 51 - RECORDS, "{:?}", all[0]);
    let verified: AuditVerified = daemon.client().send(Operation::AuditVerify, &["own"], &()).await.unwrap();
    assert!(verified.ok, "{verified:?}");
    assert_eq!(records(&daemon, Operation::HostAudit, &[]).await, [], "nothing of it is the host's affair");
}

#[tokio::test]
async fn a_refused_principal_of_the_host_is_in_the_hosts_log() {
    let daemon = TestDaemon::start().await.unwrap();
    TestTenant::start(&daemon, "acme").await.unwrap();
    let body = KeyCreate { name: "narrow".to_owned(), role: Role::HostAdmin, expires_in_days: None };
    let key: KeyCreated = daemon.client().send(Operation::HostKeyCreate, &[], &body).await.unwrap();
    let client = daemon.stranger();
    client.login(&Login::Key { key: key.key, scope: Some(vec![Permission::TenantRead]) }).await.unwrap();
    let status = client.get::<Value>(Operation::HostStatus, &[], &()).await;
    assert_eq!(refused(status), ErrorCode::PermissionDenied);
    let runs = client.get::<Value>(Operation::RunList, &["acme"], &()).await;
    assert_eq!(refused(runs), ErrorCode::PermissionDenied);
    let told: Vec<_> = records(&daemon, Operation::HostAudit, &[])
        .await
        .into_iter()
        .map(|record| (record.actor, record.resource))
        .collect();
    let actor = format!("key:{}", key.view.principal);
    assert_eq!(told, [(actor.clone(), "RunList".to_owned()), (actor, "HostStatus".to_owned())]);
    assert_eq!(records(&daemon, Operation::AuditList, &["acme"]).await, []);
}
