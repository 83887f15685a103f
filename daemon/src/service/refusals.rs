//! Calls that the policy refused, in the audit log: of the caller's tenant, or of the host for the host's principals.
//!
//! The door of the API notes every answer `permission-denied` here, so that no route can forget it. Which of them
//! become records is decided in `auth::refusals`. Must never happen here: a refusal that fails because it could not be
//! recorded.

use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{RequestId, TenantId};
use tenantry_protocol::path::{Access, Operation};

use super::Service;
use crate::auth::refusals::{Caller, Noted, Untold};
use crate::context::Context;
use crate::error::Result;
use crate::store::{Lane, audit};

/// What the records are called.
const VERB: &str = "call.refuse";

/// One record about refused calls.
struct Record {
    actor: String,
    resource: String,
    request: RequestId,
    detail: Value,
}

impl Service {
    /// Notes that a caller may not call the operation.
    pub async fn note_refused_call(self: &Arc<Self>, by: &Context, operation: Operation) {
        let (tenant, actor) = (by.tenant, by.actor());
        let caller = Caller { tenant, actor: actor.clone(), operation };
        if self.refusals.note(caller, self.clock.now_ms()) == Noted::Counted {
            return;
        }
        let resource = operation.name().to_owned();
        let record = Record { actor, resource, request: by.request, detail: detail_of(operation) };
        self.record_refusal(tenant, record).await;
    }

    /// Records what was counted in the minutes that are over.
    pub async fn tell_refused_calls(self: &Arc<Self>) {
        self.tell(self.refusals.close(self.clock.now_ms())).await;
    }

    /// Records everything that was counted: the daemon stops.
    pub async fn tell_all_refused_calls(self: &Arc<Self>) {
        self.tell(self.refusals.close(i64::MAX)).await;
    }

    async fn tell(self: &Arc<Self>, untold: Vec<Untold>) {
        for Untold { tenant, caller, count } in untold {
            let request = RequestId::new(self.clock.now_ms());
            let (actor, resource, mut detail) = caller.map_or_else(
                || ("system:daemon".to_owned(), "many", json!({})),
                |caller| (caller.actor, caller.operation.name(), detail_of(caller.operation)),
            );
            detail["more"] = json!(count);
            let record = Record { actor, resource: resource.to_owned(), request, detail };
            self.record_refusal(tenant, record).await;
        }
    }

    async fn record_refusal(self: &Arc<Self>, tenant: Option<TenantId>, record: Record) {
        if let Err(error) = self.write_refusal(tenant, record).await {
            tracing::warn!(tenant = ?tenant, code = %error.code(), "a refused call could not be recorded");
        }
    }

    async fn write_refusal(&self, tenant: Option<TenantId>, record: Record) -> Result<()> {
        let at = self.clock.now_ms();
        let write = self.log(tenant)?.write(Lane::Api, move |tx| {
            let Record { actor, resource, request, detail } = record;
            let record = audit::Record {
                at,
                actor: &actor,
                verb: VERB,
                resource: &resource,
                outcome: ErrorCode::PermissionDenied.as_str(),
                request_id: request,
                detail: &detail,
            };
            audit::append(tx, &record).map(drop)
        });
        write.await
    }
}

fn detail_of(operation: Operation) -> Value {
    match operation.access() {
        Access::Tenant(permission) | Access::Host(permission) => json!({ "permission": permission.as_str() }),
        Access::Public | Access::Token => json!({}),
    }
}
