//! Who may do what: every route, every role, own, foreign and absent tenants; tokens, keys and sessions.

use serde_json::{Value, json};
use tenantry_protocol::client::Client;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::path::{Access, Operation};
use tenantry_protocol::permission::{Permission, Role};
use tenantry_protocol::principal::{LoggedIn, Login, Whoami};
use tenantry_protocol::tenant::TenantView;
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::http::{Answer, Call};
use tenantry_tests::random::Random;
use tenantry_tests::tenant::TestTenant;

use crate::refused;

/// A value for every parameter of a path but the tenant: well-formed, and naming nothing that exists.
fn parameter(name: &str) -> &'static str {
    match name {
        "{workflow}" | "{channel}" | "{step}" => "absent",
        "{secret}" | "{var}" => "ABSENT",
        "{stage}" => "action",
        "{revision}" => "1",
        "{event}" => "evt_01990000000070008000000000000000",
        "{run}" => "run_01990000000070008000000000000000",
        "{job}" => "job_01990000000070008000000000000000",
        "{notification}" => "ntf_01990000000070008000000000000000",
        "{key}" => "crd_01990000000070008000000000000000",
        other => panic!("no sample for the path parameter {other}"),
    }
}

fn path(operation: Operation, tenant: &str) -> String {
    let parts = operation.path().split('/').map(|part| match part {
        "{tenant}" => tenant,
        part if part.starts_with('{') => parameter(part),
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// A body that the operation takes, so that nothing but the policy can refuse it.
fn body(operation: Operation) -> Option<Value> {
    match operation {
        Operation::TenantCreate => Some(json!({ "name": "made-by-the-test" })),
        Operation::WorkflowApply => Some(json!({ "source": "name: no-steps" })),
        Operation::WorkflowApplySet => Some(json!({ "files": [{ "source": "name: no-steps" }] })),
        Operation::WorkflowUpdate => Some(json!({ "enabled": true })),
        Operation::EventEmit => Some(json!({ "name": "made.by.the.test" })),
        Operation::ChannelPut => Some(json!({ "kind": "inbox" })),
        Operation::SecretPut => Some(json!({ "value": "long enough to be one" })),
        Operation::VarPut => Some(json!({ "value": 1 })),
        Operation::KeyCreate => Some(json!({ "name": "made-by-the-test", "role": "viewer" })),
        Operation::HostKeyCreate => Some(json!({ "name": "made-by-the-test", "role": "host-admin" })),
        Operation::TenantUpdate
        | Operation::WorkflowRun
        | Operation::RunReplay
        | Operation::RunCancelMany
        | Operation::RunRetryMany
        | Operation::RunReplayMany
        | Operation::StepApprove
        | Operation::StepReject => Some(json!({})),
        _ => None,
    }
}

pub(crate) fn call(operation: Operation, tenant: &str) -> Call {
    let call = Call::new(operation.method().as_str(), path(operation, tenant));
    match body(operation) {
        Some(body) => call.json(&body),
        None => call,
    }
}

/// Streams do not end, and these operations change who is asking.
pub(crate) fn is_asked(operation: Operation) -> bool {
    !matches!(
        operation,
        Operation::HostFeed
            | Operation::TenantFeed
            | Operation::Logout
            | Operation::Login
            | Operation::TenantDelete
    )
}

#[tokio::test]
async fn without_a_token_every_route_answers_401() {
    let daemon = TestDaemon::start().await.unwrap();
    TestTenant::start(&daemon, "acme").await.unwrap();
    for operation in Operation::ALL.iter().filter(|op| op.access() != Access::Public) {
        for tenant in ["acme", "absent"] {
            let answer = call(*operation, tenant).unix(&daemon.socket()).await.unwrap();
            assert_eq!(answer.status, 401, "{}", operation.name());
            assert_eq!(answer.code(), "auth-required", "{}", operation.name());
        }
    }
}

#[tokio::test]
async fn the_document_lists_exactly_the_routes_that_there_are() {
    let daemon = TestDaemon::start().await.unwrap();
    let token = token_of(&daemon, &Login::Peer).await;
    let answer = call(Operation::OpenApi, "").bearer(&token).unix(&daemon.socket()).await.unwrap();
    let document = answer.json();
    assert_eq!(document["openapi"].as_str().map(|v| &v[..3]), Some("3.1"), "{answer:?}");
    let mut listed = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let known =
                |op: &&Operation| op.path() == path && op.method().as_str().eq_ignore_ascii_case(method);
            let operation = Operation::ALL.iter().find(known).unwrap_or_else(|| panic!("{method} {path}"));
            listed += 1;
            if is_asked(*operation) && !matches!(operation.access(), Access::Public) {
                let answer = call(*operation, "absent").bearer(&token).unix(&daemon.socket()).await.unwrap();
                assert_ne!(answer.status, 401, "{}", operation.name());
                assert_ne!(answer.status, 405, "{}", operation.name());
                assert!(answer.status.as_u16() < 500, "{}: {answer:?}", operation.name());
            }
        }
    }
    assert_eq!(listed, Operation::ALL.len());
}

pub(crate) async fn token_of(daemon: &TestDaemon, login: &Login) -> String {
    daemon.stranger().login(login).await.unwrap().token
}

/// The answer without what differs between two requests by nature.
fn comparable(answer: &Answer, tenant: &str) -> String {
    let mut body = answer.json();
    if let Some(body) = body.as_object_mut() {
        body.remove("request-id");
        body.remove("request_id");
    }
    format!("{} {}", answer.status, body).replace(tenant, "TENANT")
}

#[tokio::test]
async fn every_route_asks_for_its_permission_and_tells_nothing_of_others() {
    let daemon = TestDaemon::start().await.unwrap();
    let own = TestTenant::start(&daemon, "tenant-own").await.unwrap();
    TestTenant::start(&daemon, "tenant-foreign").await.unwrap();
    for role in [Role::Viewer, Role::Operator, Role::Editor, Role::Admin] {
        let (_, key) = own.member(&daemon, role).await.unwrap();
        let token = token_of(&daemon, &Login::Key { key: key.key, scope: None }).await;
        for operation in Operation::ALL.iter().copied().filter(|op| is_asked(*op)) {
            let ask = async |tenant: &str| {
                call(operation, tenant).bearer(&token).unix(&daemon.socket()).await.unwrap()
            };
            let name = operation.name();
            let answer = ask("tenant-own").await;
            let code = answer.code();
            let may = match operation.access() {
                Access::Public | Access::Token => true,
                Access::Tenant(permission) | Access::Host(permission) => role.allows(permission),
            };
            if may {
                assert!(![401, 403].contains(&answer.status.as_u16()), "{role} {name}: {answer:?}");
                assert!(answer.status.as_u16() < 500, "{role} {name}: {answer:?}");
            } else {
                assert_eq!(code, "permission-denied", "{role} {name}: {answer:?}");
                assert_eq!(answer.status, 403, "{role} {name}: {answer:?}");
            }
            if operation.path().contains("{tenant}") {
                let foreign = ask("tenant-foreign").await;
                let absent = ask("tenant-absent").await;
                assert_eq!(
                    comparable(&foreign, "tenant-foreign"),
                    comparable(&absent, "tenant-absent"),
                    "{role} {name}: foreign and absent differ"
                );
                assert_eq!(foreign.status, 404, "{role} {name}: {foreign:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_foreign_id_in_ones_own_tenant_names_nothing() {
    let daemon = TestDaemon::start().await.unwrap();
    let own = TestTenant::start(&daemon, "own").await.unwrap();
    let other = TestTenant::start(&daemon, "other").await.unwrap();
    other.apply(&crate::workflow("job", "  - { id: a, jq: \"1\" }\n", "")).await.unwrap();
    let run = other.run("job", Value::Null).await.unwrap();
    other.ended(&run.id.to_string()).await;
    let (member, _) = own.member(&daemon, Role::Admin).await.unwrap();
    let run = run.id.to_string();
    for operation in [Operation::RunGet, Operation::RunSteps, Operation::RunLogs] {
        let answer = member.get::<Value>(operation, &["own", &run], &()).await;
        assert_eq!(refused(answer), ErrorCode::NotFound, "{}", operation.name());
        let answer = member.get::<Value>(operation, &["other", &run], &()).await;
        assert_eq!(refused(answer), ErrorCode::NotFound, "{}", operation.name());
    }
    let cancel = member.send::<Value>(Operation::RunCancel, &["own", &run], &()).await;
    assert_eq!(refused(cancel), ErrorCode::NotFound);
}

#[tokio::test]
async fn no_changed_token_is_taken() {
    let daemon = TestDaemon::start().await.unwrap();
    let token = token_of(&daemon, &Login::Peer).await;
    let ask = async |token: &str| {
        call(Operation::Whoami, "")
            .bearer(token)
            .unix(&daemon.socket())
            .await
            .map(|a| (a.status.as_u16(), a.code()))
    };
    assert_eq!(ask(&token).await.unwrap().0, 200, "the token itself is good");
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("a token has three parts: {token}") };
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let mut bad = vec![
        String::new(),
        "..".to_owned(),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{claims}.{header}.{signature}"),
        "x".repeat(8_000),
        token.replace('.', "\u{20}"),
    ];
    let mut random = Random::new(7);
    for _ in 0..200 {
        let mut bytes = token.clone().into_bytes();
        let at = random.below(bytes.len() as u64) as usize;
        let other =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."[random.below(65) as usize];
        // The last character of the signature carries four bits that mean nothing; a strict decoder refuses them.
        if bytes[at] == other {
            continue;
        }
        bytes[at] = other;
        bad.push(String::from_utf8(bytes).unwrap());
    }
    for token in &bad {
        let (status, code) = ask(token).await.unwrap();
        assert_eq!(status, 401, "{token} {code}");
    }
}

#[tokio::test]
async fn a_key_from_nowhere_is_refused() {
    let daemon = TestDaemon::start().await.unwrap();
    let own = TestTenant::start(&daemon, "own").await.unwrap();
    let (_, key) = own.member(&daemon, Role::Viewer).await.unwrap();
    let flipped = key.key[..key.key.len() - 1].to_owned() + if key.key.ends_with('a') { "b" } else { "a" };
    let none = "tnk_".to_owned() + &"a".repeat(60);
    for bad in ["", "tnk_", "tnk_..", none.as_str(), &"k".repeat(10_000), "tnk_\0", "tnk_ü", &flipped] {
        let login = Login::Key { key: bad.to_owned(), scope: None };
        let code = refused(daemon.stranger().login(&login).await.map(drop));
        assert!(matches!(code, ErrorCode::LoginRefused | ErrorCode::BadRequest), "{bad:?}: {code}");
    }
}

#[tokio::test]
async fn a_scope_takes_away_and_never_adds() {
    let daemon = TestDaemon::start().await.unwrap();
    let own = TestTenant::start(&daemon, "own").await.unwrap();
    let (_, key) = own.member(&daemon, Role::Viewer).await.unwrap();
    let client = daemon.stranger();
    let scope = Some(vec![Permission::TenantRead, Permission::KeyEdit]);
    let login = client.login(&Login::Key { key: key.key, scope }).await;
    // Asking for more than the role gives is either refused, or gives only what the role has.
    if let Ok(LoggedIn { principal, .. }) = login {
        assert_eq!(principal.permissions, [Permission::TenantRead]);
        client.get::<TenantView>(Operation::TenantGet, &["own"], &()).await.unwrap();
        let runs = client.get::<Value>(Operation::RunList, &["own"], &()).await;
        assert_eq!(refused(runs), ErrorCode::PermissionDenied);
    }
}

async fn whoami(client: &Client) -> Result<Whoami, tenantry_protocol::client::ClientError> {
    client.get(Operation::Whoami, &[], &()).await
}

#[tokio::test]
async fn a_logout_ends_the_session_at_once() {
    let daemon = TestDaemon::start().await.unwrap();
    let own = TestTenant::start(&daemon, "own").await.unwrap();
    let (client, key) = own.member(&daemon, Role::Viewer).await.unwrap();
    let other = daemon.stranger();
    let second = other.login(&Login::Key { key: key.key, scope: None }).await.unwrap();
    whoami(&client).await.unwrap();
    client.send::<Value>(Operation::Logout, &[], &()).await.unwrap();
    assert_eq!(refused(whoami(&client).await), ErrorCode::TokenRevoked);
    assert_eq!(whoami(&other).await.unwrap().session, second.principal.session, "another session lives on");
}

#[tokio::test]
async fn a_revoked_key_ends_its_sessions_within_a_second() {
    let daemon = TestDaemon::start().await.unwrap();
    let own = TestTenant::start(&daemon, "own").await.unwrap();
    let (client, key) = own.member(&daemon, Role::Viewer).await.unwrap();
    whoami(&client).await.unwrap();
    let id = key.view.id.to_string();
    daemon.client().send::<Value>(Operation::KeyRevoke, &["own", &id], &()).await.unwrap();
    let begun = std::time::Instant::now();
    soon("the token stops working", || async { whoami(&client).await.is_err().then_some(()) }).await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
    let again = daemon.stranger().login(&Login::Key { key: key.key, scope: None }).await.map(drop);
    assert_eq!(refused(again), ErrorCode::LoginRefused);
}

#[tokio::test]
async fn sessions_survive_a_restart_and_revocations_too() {
    let mut daemon = TestDaemon::start().await.unwrap();
    let own = TestTenant::start(&daemon, "own").await.unwrap();
    let (client, _) = own.member(&daemon, Role::Viewer).await.unwrap();
    let (gone, key) = own.member(&daemon, Role::Operator).await.unwrap();
    let id = key.view.id.to_string();
    daemon.client().send::<Value>(Operation::KeyRevoke, &["own", &id], &()).await.unwrap();
    daemon.kill();
    daemon.restart().await.unwrap();
    whoami(&client).await.expect("a good token outlives a restart");
    assert!(whoami(&gone).await.is_err(), "a revoked one does not come back");
}
