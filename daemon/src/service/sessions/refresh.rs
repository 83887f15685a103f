//! A session goes on: its refresh token is exchanged for the next one and a new token.
//!
//! **Invariant:** a refresh token is good for one use; used again after a short grace, it ends the session.

use std::sync::Arc;

use serde_json::json;
use tenantry_protocol::permission::Role;
use tenantry_protocol::principal::LoggedIn;

use super::{Admitted, actor_of, is_good, record, refused};
use crate::auth::key::{Home, KeyDigest, Kind, SecretText};
use crate::auth::refresh::{Family, Turn, decide};
use crate::context::Context;
use crate::error::Result;
use crate::service::Service;
use crate::store::identity::{credentials, principals, sessions};
use crate::store::{Lane, WriteTx};

/// Whose session it is.
struct Owner {
    subject: String,
    name: String,
    role: Role,
}

impl Service {
    pub(super) async fn refresh(self: &Arc<Self>, context: &Context, text: &str) -> Result<LoggedIn> {
        let shown = SecretText::parse(Kind::Refresh, text).ok_or_else(refused)?;
        let home = shown.home();
        let next = SecretText::generate(Kind::Refresh, home)?;
        let (now, request) = (self.clock.now_ms(), context.request);
        let (digest, next_digest) = (shown.digest(), next.digest());
        let turned = self.home(home)?.write(Lane::Api, move |tx| {
            let Some(row) = sessions::by_refresh(tx, &digest.0)? else { return Ok(None) };
            let Some(owner) = owner(tx, home, &row, now)? else { return Ok(None) };
            let turn = decide(&family(&row), &digest, now);
            match turn {
                Turn::Rotate => {
                    sessions::replace_refresh(tx, row.id, &next_digest.0, now)?;
                }
                Turn::Revoke => {
                    sessions::revoke(tx, row.id, now)?;
                    let detail = json!({ "why": "a replaced refresh token was shown again" });
                    let actor = actor_of(&owner.subject);
                    record(tx, now, request, &actor, "session.revoke", row.id, &detail)?;
                }
                Turn::Refuse => return Ok(None),
            }
            Ok(Some((turn, row, owner)))
        });
        let (turn, row, owner) = turned.await?.ok_or_else(refused)?;
        if turn == Turn::Revoke {
            self.identity.end(row.id, now);
            return Err(refused());
        }
        let admitted = Admitted {
            home,
            principal: row.principal_id,
            credential: row.credential_id,
            subject: owner.subject,
            name: owner.name,
            role: owner.role,
        };
        self.answer(&admitted, row.id, None, &next)
    }
}

fn family(row: &sessions::Session) -> Family {
    Family {
        current: KeyDigest(row.refresh_hash.unwrap_or_default()),
        previous: row.previous_refresh_hash.map(KeyDigest).zip(row.refreshed_at),
        expires_at: row.expires_at,
        revoked: row.revoked_at.is_some(),
    }
}

/// Whose session it is, if its key is still good: a refresh never outlives the key it came from.
fn owner(tx: &WriteTx<'_>, home: Home, row: &sessions::Session, now: i64) -> Result<Option<Owner>> {
    let Some(principal) = principals::get(tx, row.principal_id)? else { return Ok(None) };
    let Some(credential) = row.credential_id else {
        let subject = format!("host:{}", principal.name);
        let owner = Owner { subject, name: principal.name, role: principal.role };
        return Ok(Some(owner).filter(|_| home == Home::Host));
    };
    let key = credentials::get(tx, credential)?.filter(|key| is_good(key, now));
    Ok(key.map(|key| Owner { subject: principal.id.to_string(), name: principal.name, role: key.role }))
}
