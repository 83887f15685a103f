//! control.db, and who may act: the same tables for the host and for a tenant.

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{CredentialId, PrincipalId, SessionId, TenantId};
use tenantry_protocol::permission::Role;
use tenantry_protocol::state::{StageName, TenantState};

use super::House;
use crate::error::Result;
use crate::store::control::due;
use crate::store::control::signing_keys::{self, SigningKey};
use crate::store::control::tenants::{self, Tenant};
use crate::store::identity::credentials::{self, Credential};
use crate::store::identity::principals::{self, Principal};
use crate::store::identity::sessions::{self, Session};
use crate::store::{Lane, WriteTx};

fn identity(tx: &WriteTx) -> Result<()> {
    let (who, key, login) = (PrincipalId::new(1), CredentialId::new(2), SessionId::new(3));
    let principal = Principal { id: who, name: "ci".to_owned(), role: Role::Editor, created_at: 1 };
    principals::insert(tx, &principal)?;
    assert_eq!(principals::insert(tx, &principal).expect_err("twice").code(), ErrorCode::Conflict);
    assert_eq!(principals::by_name(tx, "ci")?.as_ref(), Some(&principal));
    assert!(principals::set_role(tx, who, Role::Viewer)?);
    assert_eq!(principals::list(tx, "", 5)?[0].role, Role::Viewer);

    let credential = Credential {
        id: key,
        principal_id: who,
        name: "deploy".to_owned(),
        hash: [8; 32],
        role: Role::Viewer,
        created_at: 1,
        expires_at: Some(100),
        last_used_at: None,
        revoked_at: None,
    };
    credentials::insert(tx, &credential)?;
    assert_eq!(credentials::by_hash(tx, &[8; 32])?.as_ref(), Some(&credential));
    credentials::touch(tx, key, 7)?;
    assert!(credentials::revoke(tx, key, 9)? && !credentials::revoke(tx, key, 9)?);
    let found = credentials::get(tx, key)?.expect("inserted");
    assert_eq!((found.last_used_at, found.revoked_at), (Some(7), Some(9)));
    assert_eq!(credentials::list(tx, None, 5)?, [found]);

    let session = Session {
        id: login,
        principal_id: who,
        credential_id: Some(key),
        created_at: 1,
        expires_at: 50,
        revoked_at: None,
        refresh_hash: Some([1; 32]),
        refreshed_at: Some(1),
        previous_refresh_hash: None,
    };
    sessions::insert(tx, &session)?;
    assert_eq!(sessions::get(tx, login)?.as_ref(), Some(&session));
    assert!(sessions::rotate(tx, login, &[1; 32], &[2; 32], 10)?);
    assert!(!sessions::rotate(tx, login, &[1; 32], &[3; 32], 11)?, "a refresh token is used once");
    assert!(!sessions::rotate(tx, login, &[2; 32], &[3; 32], 50)?, "an expired session is not prolonged");
    assert_eq!(sessions::get(tx, login)?.and_then(|found| found.previous_refresh_hash), Some([1; 32]));
    assert_eq!(sessions::revoke_by_credential(tx, key, 12)?, [login]);
    assert!(sessions::revoke_by_principal(tx, who, 12)?.is_empty() && !sessions::revoke(tx, login, 12)?);
    assert!(!sessions::rotate(tx, login, &[2; 32], &[3; 32], 13)?, "a revoked session is not prolonged");
    assert_eq!(sessions::revoked(tx, 20, 5)?, [login]);
    assert!(sessions::revoked(tx, 50, 5)?.is_empty());
    assert_eq!(sessions::purge(tx, 51, 5)?, 1);
    assert!(principals::delete(tx, who)?);
    assert_eq!(credentials::get(tx, key)?, None, "a principal takes its keys with it");
    assert_eq!(principals::get(tx, who)?, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_and_a_tenant_keep_their_people_apart() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    house.store.control().write(Lane::Api, identity).await.expect("as told");
    tenant.write(Lane::Api, identity).await.expect("as told");
    drop(tenant);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn control() {
    let house = House::new().await;
    let database = house.store.control();
    let checked = database.write(Lane::Api, |tx| {
        let tenant = Tenant {
            id: TenantId::new(1),
            name: "acme".to_owned(),
            title: "Acme".to_owned(),
            state: TenantState::Active,
            weight: 1,
            limits: "{}".to_owned(),
            created_at: 1,
            updated_at: 1,
            deleted_at: None,
        };
        tenants::insert(tx, &tenant)?;
        let twin = Tenant { id: TenantId::new(2), ..tenant.clone() };
        assert_eq!(tenants::insert(tx, &twin).expect_err("a twin").code(), ErrorCode::Conflict);
        assert!(tenants::update(tx, tenant.id, "ACME", 5, "{\"queue\":1}", 2)?);
        let (active, suspended) = (TenantState::Active, TenantState::Suspended);
        assert!(tenants::set_state(tx, tenant.id, active, suspended, 3)?);
        assert!(!tenants::set_state(tx, tenant.id, active, suspended, 3)?);
        assert_eq!(
            tenants::by_name(tx, "acme")?.map(|found| (found.state, found.weight)),
            Some((suspended, 5))
        );
        assert_eq!(tenants::list(tx, "", 5)?.len(), 1);
        assert!(tenants::delete(tx, tenant.id, 4)?);
        assert_eq!(tenants::get(tx, tenant.id)?, None);
        tenants::insert(tx, &twin)?;

        due::put(tx, twin.id, StageName::Action, Some(30))?;
        due::put(tx, twin.id, StageName::Action, Some(20))?;
        due::put(tx, twin.id, StageName::Logging, Some(10))?;
        due::put(tx, twin.id, StageName::Logging, None)?;
        assert_eq!(due::list(tx, 20, 5)?, [(twin.id, StageName::Action, 20)]);
        assert!(due::list(tx, 19, 5)?.is_empty());

        let key = SigningKey {
            kid: "k1".to_owned(),
            purpose: "token".to_owned(),
            public: vec![1],
            sealed_private: vec![2],
            created_at: 1,
            retire_at: None,
        };
        signing_keys::insert(tx, &key)?;
        assert_eq!(signing_keys::list(tx, "token", 5)?, [key]);
        assert!(signing_keys::retire(tx, "k1", 5)?);
        assert!(
            signing_keys::list(tx, "token", 5)?.is_empty() && signing_keys::list(tx, "audit", 1)?.is_empty()
        );
        Ok(())
    });
    checked.await.expect("as told");
    drop(database);
    house.stop().await;
}
