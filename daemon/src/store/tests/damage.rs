//! Disks that fail, files that are damaged, folders that are shared: nobody is lied to, and the neighbours go
//! on.

use rusqlite::ffi;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;
use tenantry_protocol::state::TenantState;

use super::{House, PATIENCE};
use crate::clock::Clock;
use crate::error::Result;
use crate::store::committer::fault_point::{self, Fault};
use crate::store::control::tenants::{self, Tenant};
use crate::store::tenant::keys::{self, DataKey};
use crate::store::tenant::secrets;
use crate::store::{Condition, Database, Lane, Store};

fn add_key(version: u32) -> impl FnOnce(&crate::store::WriteTx) -> Result<()> + Send + 'static {
    move |tx| keys::insert(tx, &DataKey { version, wrapped: vec![7; 40], created_at: 1 })
}

async fn versions(database: &Database) -> Vec<u32> {
    let found = database
        .read(|tx| {
            let all = (1..20).map(|version| keys::get(tx, version));
            Ok(all.collect::<Result<Vec<_>>>()?.into_iter().flatten().map(|key| key.version).collect())
        })
        .await;
    found.expect("readable")
}

/// Waits until the file is healthy again.
async fn healed(database: &Database) {
    let clock = Clock::system();
    let start = clock.instant();
    while database.condition() != Condition::Healthy {
        assert!(clock.elapsed(start) < PATIENCE, "still {:?}", database.condition());
        tokio::task::yield_now().await;
    }
}

fn db_path(house: &House, database: &Database) -> std::path::PathBuf {
    house.store.tenant_folder(database.tenant_id().expect("a tenant")).join("tenant.db")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_failed_on_disk_is_told_as_failed_and_one_that_landed_as_done() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let path = db_path(&house, &tenant);
    tenant.write(Lane::Api, add_key(1)).await.expect("written");

    fault_point::inject(&path, &[Fault::Before(ffi::SQLITE_IOERR_FSYNC)]);
    let refused = tenant.write(Lane::Api, add_key(2)).await.expect_err("not on disk");
    assert_eq!(refused.code(), ErrorCode::TenantDegraded);
    healed(&tenant).await;
    assert_eq!(versions(&tenant).await, [1]);

    fault_point::inject(&path, &[Fault::After(ffi::SQLITE_IOERR_FSYNC)]);
    let (told, hooked) = std::sync::mpsc::channel();
    let landed = tenant
        .write(Lane::Api, move |tx| {
            tx.on_commit(move || told.send(()).expect("somebody listens"));
            add_key(3)(tx)
        })
        .await;
    landed.expect("it is on disk, whatever the disk said");
    hooked.try_recv().expect("its hook ran");
    healed(&tenant).await;
    assert_eq!(versions(&tenant).await, [1, 3]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_keeps_reads_and_needs_no_restart() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let path = db_path(&house, &tenant);
    tenant.write(Lane::Api, add_key(1)).await.expect("written");
    fault_point::inject(&path, &[Fault::Before(ffi::SQLITE_FULL); 3]);
    for version in 2..5 {
        let refused = tenant.write(Lane::Api, add_key(version)).await.expect_err("no space");
        assert_eq!(refused.code(), ErrorCode::StoreFull);
        assert_eq!(versions(&tenant).await, [1]);
    }
    tenant.write(Lane::Api, add_key(5)).await.expect("there is space again");
    assert_eq!(versions(&tenant).await, [1, 5]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_could_not_be_made_leaves_nothing_and_can_be_made_again() {
    let house = House::new().await;
    let id = TenantId::new(1);
    let folder = house.store.tenant_folder(id);
    fault_point::inject(&folder.join("tenant.db"), &[Fault::Before(ffi::SQLITE_FULL)]);
    let refused = house.store.create_tenant(id).await.expect_err("no space");
    assert_eq!(refused.code(), ErrorCode::StoreFull);
    assert!(!folder.exists(), "the folder was left behind");
    let tenant = house.store.create_tenant(id).await.expect("there is space again");
    tenant.write(Lane::Api, add_key(1)).await.expect("written");
    house.stop().await;
}

async fn registered(house: &House, name: &str, number: i64) -> Database {
    let id = TenantId::new(number);
    let database = house.store.create_tenant(id).await.expect("a tenant");
    let row = Tenant {
        id,
        name: name.to_owned(),
        title: name.to_owned(),
        state: TenantState::Active,
        weight: 1,
        limits: "{}".to_owned(),
        created_at: 1,
        updated_at: 1,
        deleted_at: None,
    };
    house.store.control().write(Lane::Api, move |tx| tenants::insert(tx, &row)).await.expect("registered");
    database
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_set_aside_and_its_neighbour_does_not_notice() {
    let house = House::new().await;
    let (sick, well) = (registered(&house, "sick", 1).await, registered(&house, "well", 2).await);
    let (sick_id, well_id) = (sick.tenant_id().expect("a tenant"), well.tenant_id().expect("a tenant"));
    for database in [&sick, &well] {
        database.write(Lane::Api, add_key(1)).await.expect("written");
    }
    let path = db_path(&house, &sick);
    drop((sick, well));
    let folder = house.stop().await;
    // Everything behind the header page is scribbled over.
    let mut bytes = std::fs::read(&path).expect("bytes");
    bytes.iter_mut().skip(4_096).for_each(|byte| *byte = 0xa5);
    std::fs::write(&path, &bytes).expect("scribbled");

    let house = House::at(folder, |_| {}).await;
    let sick = house.store.tenant(sick_id).expect("nobody knows yet");
    let well = house.store.tenant(well_id).expect("there");
    let refused = sick.write(Lane::Api, add_key(2)).await.expect_err("damaged");
    assert_eq!(refused.code(), ErrorCode::TenantQuarantined);
    assert_eq!(
        sick.read(|tx| secrets::get(tx, "A")).await.expect_err("damaged").code(),
        ErrorCode::TenantQuarantined
    );
    well.write(Lane::Api, add_key(2)).await.expect("the neighbour works");
    assert_eq!(versions(&well).await, [1, 2]);

    let aside: Vec<_> = std::fs::read_dir(house.store.folder().join("quarantine"))
        .expect("a quarantine")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(std::fs::read(aside[0].join("tenant.db")).expect("kept").len(), bytes.len());
    let clock = Clock::system();
    let start = clock.instant();
    loop {
        let row = house.store.control().read(move |tx| tenants::get(tx, sick_id)).await.expect("readable");
        if row.expect("kept").state == TenantState::Quarantined {
            break;
        }
        assert!(clock.elapsed(start) < PATIENCE, "control.db does not know");
    }
    drop((sick, well));
    let house = House::at(house.stop().await, |_| {}).await;
    assert_eq!(house.store.tenant(sick_id).expect_err("still aside").code(), ErrorCode::TenantQuarantined);
    assert_eq!(house.store.tenant(TenantId::new(9)).expect_err("never was").code(), ErrorCode::NotFound);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_is_kept_out_of_the_folder() {
    let house = House::new().await;
    let limits = crate::config::Store::default();
    let data = house.store.folder().to_owned();
    let refused = Store::open(&data, &limits, Clock::system(), &house.supervisor).await;
    assert_eq!(refused.expect_err("locked").code(), ErrorCode::DataFolderLocked);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_at_rest_make_room_for_others() {
    let idle_close = std::time::Duration::from_mins(1);
    let house = House::with(|limits| (limits.idle_tenants, limits.idle_close) = (2, idle_close / 15)).await;
    let (clock, mut tenants) = (Clock::system(), Vec::new());
    let (start, rest) = (clock.instant(), idle_close / 15 / 80);
    for number in 0..8 {
        if number == 4 {
            while clock.elapsed(start) < rest * 2 {
                tokio::task::yield_now().await;
            }
        }
        tenants.push(house.store.create_tenant(TenantId::new(number)).await.expect("a tenant"));
    }
    while house.store.open_count() > 4 {
        assert!(clock.elapsed(start) < idle_close / 80, "{} are open", house.store.open_count());
        tokio::task::yield_now().await;
    }
    for tenant in &tenants {
        tenant.write(Lane::Api, add_key(1)).await.expect("reopened");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_close_when_too_many_are_open_and_reopen_when_used() {
    let house = House::with(|limits| limits.open_tenants = 3).await;
    let mut tenants = Vec::new();
    for number in 0..10 {
        let tenant = house.store.create_tenant(TenantId::new(number)).await.expect("a tenant");
        tenant.write(Lane::Api, add_key(1)).await.expect("written");
        tenants.push(tenant);
    }
    for tenant in &tenants {
        tenant.write(Lane::Api, add_key(2)).await.expect("reopened");
        assert_eq!(versions(tenant).await, [1, 2]);
    }
    let clock = Clock::system();
    let start = clock.instant();
    while house.store.open_count() > 3 {
        assert!(clock.elapsed(start) < PATIENCE, "{} are open", house.store.open_count());
        tokio::task::yield_now().await;
    }
    drop(tenants);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_nobody_uses_is_closed_and_reopens_when_used() {
    let house = House::with(|limits| limits.idle_close = std::time::Duration::from_millis(40)).await;
    let tenant = house.tenant().await;
    tenant.write(Lane::Api, add_key(1)).await.expect("written");
    let clock = Clock::system();
    let start = clock.instant();
    while house.store.open_count() > 0 {
        assert!(clock.elapsed(start) < PATIENCE, "still open");
        tokio::task::yield_now().await;
    }
    tenant.write(Lane::Api, add_key(2)).await.expect("reopened");
    assert_eq!(versions(&tenant).await, [1, 2]);
    drop(tenant);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_tenant_leaves_nothing() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let id = tenant.tenant_id().expect("a tenant");
    tenant.write(Lane::Api, add_key(1)).await.expect("written");
    house.store.erase_tenant(id).await.expect("erased");
    assert!(!house.store.tenant_folder(id).exists());
    assert_eq!(house.store.tenant(id).expect_err("gone").code(), ErrorCode::NotFound);
    assert_eq!(tenant.write(Lane::Api, add_key(2)).await.expect_err("gone").code(), ErrorCode::NotFound);
    drop(tenant);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_takes_too_long_is_cut_off() {
    let house = House::with(|limits| limits.read_timeout = std::time::Duration::from_millis(100)).await;
    let tenant = house.tenant().await;
    let endless = tenant
        .read(|tx| {
            let sql =
                "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n";
            Ok(tx.one(sql, [], |row| row.get::<_, i64>(0))?)
        })
        .await;
    assert_eq!(endless.expect_err("cut off").code(), ErrorCode::StoreBusy);
    assert_eq!(versions(&tenant).await, Vec::<u32>::new());
    drop(tenant);
    house.stop().await;
}
