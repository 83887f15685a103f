//! A quarantined tenant and its way back: nothing is served that was not checked, and what passes is served again.

use tenantry_protocol::audit::{AuditQuery, AuditView};
use tenantry_protocol::client::ClientError;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{EventView, RunView};
use tenantry_protocol::state::TenantState;
use tenantry_protocol::tenant::{TenantUpdate, TenantView};
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::tenant::TestTenant;

use crate::cli::Shell;
use crate::{refused, with_job, workflow};

/// A daemon with the tenant `acme`, whose file was damaged and set aside, its neighbour `other`, and a copy of the file
/// of `acme` from before the damage.
struct House {
    daemon: TestDaemon,
    acme: TestTenant,
    other: TestTenant,
    copy: Vec<u8>,
    /// An event that `acme` had accepted.
    event: String,
}

impl House {
    async fn damaged() -> Self {
        let (mut daemon, acme) = with_job().await;
        let other = TestTenant::start(&daemon, "other").await.unwrap();
        other.apply(&workflow("job", "  - { id: a, jq: \"1\" }\n", "")).await.unwrap();
        let answer = acme.hook(&daemon, "job", "1", b"{}").await.unwrap();
        let event = answer.json()["event"].as_str().unwrap().to_owned();
        let run = acme.run_of_event(&event).await.unwrap();
        acme.ended(&run.id.to_string()).await;
        daemon.stop().await.unwrap();
        let file = acme.folder(&daemon).join("tenant.db");
        let copy = std::fs::read(&file).unwrap();
        std::fs::write(&file, vec![0x5a; copy.len()]).unwrap();
        daemon.restart().await.unwrap();
        let house = Self { daemon, acme, other, copy, event };
        assert_eq!(house.hook_code("q").await, "tenant-quarantined");
        house
    }

    async fn hook_code(&self, delivery: &str) -> String {
        self.acme.hook(&self.daemon, "job", delivery, b"{}").await.unwrap().code()
    }

    async fn restore(&self) -> Result<TenantView, ClientError> {
        self.daemon.client().send(Operation::TenantRestore, &["acme"], &()).await
    }

    fn put_back(&self, bytes: &[u8]) {
        let folder = self.acme.folder(&self.daemon);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("tenant.db"), bytes).unwrap();
    }

    async fn state(&self) -> TenantState {
        let view: TenantView = self.daemon.client().get(Operation::TenantGet, &["acme"], &()).await.unwrap();
        view.state
    }
}

#[tokio::test]
async fn a_copy_that_passes_is_served_again_and_audited() {
    let mut house = House::damaged().await;
    let resume = TenantUpdate { state: Some(TenantState::Active), ..TenantUpdate::default() };
    let resumed = house.daemon.client().send::<TenantView>(Operation::TenantUpdate, &["acme"], &resume).await;
    assert_eq!(refused(resumed), ErrorCode::StateConflict, "there is no way around the check");
    assert_eq!(refused(house.restore().await), ErrorCode::StateConflict, "nothing was put back yet");

    house.put_back(&house.copy);
    // Not before somebody says so, not even by a new start.
    house.daemon.stop().await.unwrap();
    house.daemon.restart().await.unwrap();
    assert_eq!(house.hook_code("q2").await, "tenant-quarantined");
    let runs = house.daemon.client().get::<Page<RunView>>(Operation::RunList, &["acme"], &()).await;
    assert_eq!(refused(runs), ErrorCode::TenantQuarantined);

    let shell = Shell { daemon: &house.daemon };
    let (out, _) = shell.ends(0, &["tenant", "restore", "acme", "-o", "json"]);
    let view: TenantView = serde_json::from_str(&out).unwrap();
    assert_eq!((view.state, view.id), (TenantState::Active, house.acme.view.id));
    let path = ["acme", house.event.as_str()];
    house.daemon.client().get::<EventView>(Operation::EventGet, &path, &()).await.unwrap();
    assert_eq!(house.hook_code("2").await, "");
    let answer = house.acme.hook(&house.daemon, "job", "3", b"{}").await.unwrap();
    let run = house.acme.run_of_event(answer.json()["event"].as_str().unwrap()).await.unwrap();
    assert!(house.acme.ended(&run.id.to_string()).await.error.is_none());

    let query = AuditQuery { verb: Some("tenant.restore".to_owned()), ..AuditQuery::default() };
    let told: Page<AuditView> = house.daemon.client().get(Operation::HostAudit, &[], &query).await.unwrap();
    assert_eq!(told.items.len(), 1, "{told:?}");
    assert_eq!(told.items[0].resource, house.acme.view.id.to_string());
    assert_eq!(told.items[0].detail["audit-whole"], true, "{told:?}");
    assert_eq!(refused(house.restore().await), ErrorCode::StateConflict, "it is not quarantined any more");
    shell.ends(0, &["-t", "acme", "audit", "verify"]);
    // It is so after the next start too.
    house.daemon.stop().await.unwrap();
    house.daemon.restart().await.unwrap();
    assert_eq!(house.state().await, TenantState::Active);
    assert_eq!(house.hook_code("4").await, "");
}

#[tokio::test]
async fn what_does_not_pass_is_not_served_and_left_alone() {
    let mut house = House::damaged().await;
    house.daemon.stop().await.unwrap();
    let foreign = std::fs::read(house.other.folder(&house.daemon).join("tenant.db")).unwrap();
    house.daemon.restart().await.unwrap();
    let newer = tempfile::tempdir().unwrap().keep().join("newer.db");
    std::fs::write(&newer, &house.copy).unwrap();
    rusqlite::Connection::open(&newer).unwrap().execute_batch("pragma user_version = 9999").unwrap();
    let newer = std::fs::read(&newer).unwrap();
    // The header is good; the middle is not.
    let mut torn = house.copy.clone();
    let half = torn.len() / 2 / 4096 * 4096;
    torn[half..].fill(0xa5);
    for (bytes, code) in [
        (&vec![0x5a; house.copy.len()], ErrorCode::StoreCorrupt),
        (&torn, ErrorCode::StoreCorrupt),
        (&foreign, ErrorCode::StoreForeign),
        (&newer, ErrorCode::StoreNewer),
        (&Vec::new(), ErrorCode::StoreForeign),
    ] {
        house.put_back(bytes);
        assert_eq!(refused(house.restore().await), code);
        assert_eq!(house.state().await, TenantState::Quarantined, "{code}");
        assert_eq!(house.hook_code("q").await, "tenant-quarantined", "{code}");
        let answer = house.other.hook(&house.daemon, "job", code.as_str(), b"{}").await.unwrap();
        assert!(answer.status.is_success(), "{code}: {answer:?}");
    }
    house.put_back(&house.copy);
    house.restore().await.unwrap();
    assert_eq!(house.hook_code("2").await, "");
}

#[tokio::test]
async fn a_quarantined_tenant_can_be_deleted_and_its_name_used_again() {
    let house = House::damaged().await;
    house.daemon.client().send::<serde_json::Value>(Operation::TenantDelete, &["acme"], &()).await.unwrap();
    assert!(crate::disk_contains(&house.daemon.data(), &[0x5a; 4096]), "what was set aside is never deleted");
    let again = TestTenant::start(&house.daemon, "acme").await.unwrap();
    assert_ne!(again.view.id, house.acme.view.id);
    soon("the new tenant serves", || async {
        again.apply(&workflow("job", "  - { id: a, jq: \"1\" }\n", "")).await.ok()
    })
    .await;
}
