//! Damaged files: whatever bytes a disk gives back, the store answers, loses no file, and no audit record changes unseen.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tenantry_daemon::clock::Clock;
use tenantry_daemon::config;
use tenantry_daemon::error::Error;
use tenantry_daemon::store::tenant::{events, jobs, runs};
use tenantry_daemon::store::{Lane, Store, audit};
use tenantry_daemon::supervise::Supervisor;
use tenantry_protocol::audit::AuditView;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;
use tenantry_tests::powercut::workload::{self, Acks};
use tenantry_tests::random::Random;
use tenantry_tests::{SOON, eventually};

/// Damaged copies that are looked at.
const COPIES: u64 = 150;

/// A folder with one tenant that has done some work, and that tenant.
async fn healthy(folder: &Path) -> (PathBuf, TenantId) {
    let (data, acks) = (folder.join("healthy"), folder.join("acks"));
    fs::create_dir(&data).unwrap();
    fs::write(&acks, "").unwrap();
    workload::store::run(&data, Acks::open(&acks).unwrap(), 160).await.unwrap();
    let entry = fs::read_dir(data.join("tenants")).unwrap().next().unwrap().unwrap();
    let tenant = entry.file_name().to_string_lossy().parse().unwrap();
    (data, tenant)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Damages a file in one of the ways in which disks and people do.
fn damage(path: &Path, random: &mut Random) -> String {
    let mut bytes = fs::read(path).unwrap();
    let len = bytes.len() as u64;
    let at = random.below(len) as usize;
    let how = match random.below(6) {
        0 => {
            bytes[at] ^= 1 << random.below(8);
            format!("a bit at {at}")
        }
        1 => {
            for byte in bytes.iter_mut().skip(at).take(8) {
                *byte = random.bits() as u8;
            }
            format!("eight bytes at {at}")
        }
        2 => {
            let sector = at / 512 * 512;
            for byte in bytes.iter_mut().skip(sector).take(512) {
                *byte = 0;
            }
            format!("a sector of zeros at {sector}")
        }
        3 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        4 => {
            let page = at / 4096 * 4096;
            let other = random.below(len / 4096) as usize * 4096;
            let copied = bytes[other..(other + 4096).min(bytes.len())].to_vec();
            bytes.splice(page..(page + copied.len()).min(bytes.len()), copied);
            format!("the page at {other} in place of the one at {page}")
        }
        _ => {
            // The first page says what the file is.
            let at = random.below(100) as usize;
            bytes[at] = random.bits() as u8;
            format!("a byte of the header at {at}")
        }
    };
    fs::write(path, bytes).unwrap();
    how
}

/// Reads everything, verifies the audit log, and writes. Answers the audit records if they verified.
async fn use_it(store: &Store, tenant: TenantId) -> Result<Option<Vec<AuditView>>, Error> {
    let database = store.tenant(tenant)?;
    database
        .read(|tx| {
            events::list(tx, None, 500)?;
            runs::live(tx)?;
            jobs::depths(tx)?;
            Ok(())
        })
        .await?;
    let verified = database
        .read(|tx| {
            let verified = audit::verify(tx, None)?;
            Ok(if verified.ok { Some(audit::export(tx, 0, 500)?) } else { None })
        })
        .await?;
    database.write(Lane::Api, |tx| jobs::recover(tx).map(drop)).await?;
    Ok(verified)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_damage_is_fatal_unseen_or_thrown_away() {
    let seed = Random::seed_of_this_run();
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let (healthy, tenant) = healthy(folder.path()).await;
    let mut told = std::collections::BTreeMap::<String, u32>::new();
    let mut original = None;
    for number in 0..=COPIES {
        let data = folder.path().join("copy");
        copy(&healthy, &data);
        let file = data.join("tenants").join(tenant.to_string()).join("tenant.db");
        let how = if number == 0 { "nothing".to_owned() } else { damage(&file, &mut random) };
        let context = format!("seed {seed}, copy {number}, {how}");

        let clock = Clock::system();
        let supervisor = Supervisor::new(clock.clone());
        let store = Store::open(&data, &config::Store::default(), clock, &supervisor).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(20), use_it(&store, tenant)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{context}: no answer"));
        assert_eq!(supervisor.panics(), 0, "{context}");
        let damaged = [ErrorCode::StoreCorrupt, ErrorCode::TenantQuarantined];
        if answer.as_ref().is_err_and(|error| damaged.contains(&error.code())) {
            // A reader answers first and then has the file set aside.
            let aside = async || set_aside(&data).then_some(());
            eventually(SOON, &format!("{context}: the file is set aside"), aside).await;
        }
        drop(store);
        supervisor.drain(Duration::from_secs(10)).await;

        let word = match answer {
            Ok(None) => "the audit log does not verify".to_owned(),
            Ok(Some(records)) => {
                let first = original.get_or_insert_with(|| records.clone());
                assert_eq!(&records, first, "{context}: an audit record changed and still verifies");
                "works".to_owned()
            }
            Err(error) => {
                let code = error.code();
                let known = matches!(
                    code,
                    ErrorCode::TenantQuarantined
                        | ErrorCode::TenantDegraded
                        | ErrorCode::StoreCorrupt
                        | ErrorCode::StoreForeign
                        | ErrorCode::StoreNewer
                );
                assert!(known, "{context}: {code} {} {error:?}", error.operator_line());
                code.to_string()
            }
        };
        assert!(number > 0 || word == "works", "{context}: {word}");
        assert!(file.exists() || set_aside(&data), "{context}: the damaged file is gone");
        *told.entry(word).or_default() += 1;
        fs::remove_dir_all(&data).unwrap();
    }
    // The test looks at something only if damage is found often and not always.
    let works = told.get("works").copied().unwrap_or_default();
    assert!(works > 1 && u64::from(works) < COPIES, "{told:?}");
}

fn set_aside(data: &Path) -> bool {
    let Ok(entries) = fs::read_dir(data.join("quarantine")) else { return false };
    entries.map(Result::unwrap).any(|entry| entry.path().join("tenant.db").exists())
}
