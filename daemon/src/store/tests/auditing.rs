//! The audit log: one leaf a record, whatever happens around it.

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::RequestId;
use tenantry_protocol::merkle::note::VerifyingKey;
use tenantry_protocol::merkle::record::verify_export;
use tenantry_protocol::merkle::{TreeHead, root_of, verify_consistency, verify_inclusion};

use super::House;
use crate::error::{Error, Result};
use crate::store::audit::{self, Filter, Record};
use crate::store::connection::{self, Sizes, Use};
use crate::store::{Database, Lane, WriteTx};

fn append(tx: &WriteTx, verb: &str) -> Result<u64> {
    let detail = json!({ "why": "because", "a": 1 });
    let (actor, resource, request_id) = ("host:uid-0", "ten_1", RequestId::new(3));
    audit::append(tx, &Record { at: 5, actor, verb, resource, outcome: "ok", request_id, detail: &detail })
}

async fn record(database: &Database, verb: &'static str) -> u64 {
    database.write(Lane::Api, move |tx| append(tx, verb)).await.expect("recorded")
}

fn signer() -> (Ed25519KeyPair, VerifyingKey) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).expect("a key");
    let public = pair.public_key().as_ref().try_into().expect("32 bytes");
    (pair, VerifyingKey { name: "tenantry/host".to_owned(), public })
}

async fn checkpoint(database: &Database) -> Option<String> {
    let signed = database.write(Lane::Api, |tx| {
        let (pair, key) = signer();
        audit::checkpoint(tx, "tenantry/ten_1", &key, 9, |body| Ok(pair.sign(body).as_ref().to_vec()))
    });
    signed.await.expect("signed")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_verifies_over_failures_restarts_and_exports() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let id = tenant.tenant_id().expect("a tenant");
    assert_eq!(checkpoint(&tenant).await, None, "an empty log has nothing to sign");
    for seq in 0..5 {
        assert_eq!(record(&tenant, "run.cancel").await, seq);
    }
    let failed = tenant
        .write(Lane::Api, |tx| {
            append(tx, "never.happened")?;
            Err::<(), _>(Error::from(ErrorCode::Conflict))
        })
        .await;
    assert_eq!(failed.expect_err("on purpose").code(), ErrorCode::Conflict);
    assert_eq!(record(&tenant, "key.create").await, 5);
    assert!(checkpoint(&tenant).await.is_some());
    assert_eq!(checkpoint(&tenant).await, None, "nothing happened since");
    drop(tenant);

    let house = House::at(house.stop().await, |_| {}).await;
    let tenant = house.store.tenant(id).expect("there");
    assert_eq!(record(&tenant, "run.cancel").await, 6);
    let head = tenant.write(Lane::Api, |tx| Ok(audit::head(tx))).await.expect("a head");
    assert!(checkpoint(&tenant).await.is_some());

    let (_, key) = signer();
    let verifier = key.clone();
    let verified = tenant.read(move |tx| audit::verify(tx, Some(&verifier))).await.expect("verified");
    assert!(verified.ok, "{verified:?}");
    assert_eq!((verified.records, verified.checkpoints), (7, 2));

    let (views, checkpoints) = tenant
        .read(|tx| Ok((audit::export(tx, 0, 100)?, audit::checkpoints(tx, 0, 100)?)))
        .await
        .expect("exported");
    let lines: Vec<_> = views.iter().map(|view| serde_json::to_string(view).expect("JSON")).collect();
    let exported = verify_export(lines.iter().map(String::as_str), checkpoints, Some(&key));
    assert_eq!(exported, verified);

    let (inclusion, consistency, leaves) = tenant
        .read(|tx| {
            let leaves = audit::export(tx, 0, 100)?;
            Ok((audit::inclusion_proof(tx, 2, 7)?, audit::consistency_proof(tx, 4, 7)?, leaves))
        })
        .await
        .expect("proofs");
    let leaves: Vec<_> = leaves
        .iter()
        .map(|view| tenantry_protocol::merkle::record::from_hex(&view.leaf).expect("a hash"))
        .collect();
    assert!(verify_inclusion(&leaves[2], 2, 7, &inclusion, &head.root));
    let before = TreeHead { size: 4, root: root_of(&leaves[..4]) };
    assert!(verify_consistency(&before, &head, &consistency));

    let filter = Filter { verb: Some("run."), resource: None };
    let found = tenant.read(move |tx| audit::list(tx, filter, Some(6), 2)).await.expect("a list");
    assert_eq!(found.iter().map(|view| view.seq).collect::<Vec<_>>(), [4, 3]);
    drop(tenant);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_edits_the_file_by_hand_is_found_out() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let path = house.store.tenant_folder(tenant.tenant_id().expect("a tenant")).join("tenant.db");
    for _ in 0..6 {
        record(&tenant, "run.cancel").await;
    }
    checkpoint(&tenant).await.expect("signed");
    for (what, sql) in [
        ("a changed record", "update audit set actor = 'host:uid-7' where seq = 2"),
        (
            "a record swapped with its leaf",
            "update audit set detail = '{}', leaf = zeroblob(32) where seq = 3",
        ),
        ("a record cut off", "delete from audit where seq = 5"),
    ] {
        let keeper = connection::open(&path, Use::Maintain, Sizes::new(&crate::config::Store::default()));
        let keeper = keeper.expect("opened");
        keeper.execute_batch("drop trigger audit_is_never_changed; drop trigger audit_is_never_deleted").ok();
        keeper.execute_batch("savepoint before").expect("begun");
        keeper.execute(sql, []).expect(what);
        let verified = audit::verify(&crate::store::ReadTx::new(&keeper), None).expect("verified");
        assert!(!verified.ok, "{what} went unnoticed");
        keeper.execute_batch("rollback to before; release before").expect("undone");
        assert!(audit::verify(&crate::store::ReadTx::new(&keeper), None).expect("verified").ok);
    }
    drop(tenant);
    house.stop().await;
}
