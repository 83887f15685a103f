//! The ingress: the public listener where webhooks arrive. `POST /hooks/<tenant>/<path>`.
//!
//! The order is the defence: address rate → tenant → tenant rate → body limit → signature over the raw bytes →
//! parsing → deduplication and event in one transaction → 202. An unknown tenant and an unknown path answer alike.
//! **Invariant:** nothing is parsed before it is verified, and nothing is acknowledged before its commit.
//! Go next to [`verify`] for signatures and to `service::events` for what accepting does.

mod dedupe;
mod rates;
mod reply;
pub mod verify;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use serde_json::json;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{EventId, RequestId};
use tenantry_protocol::run::Accepted;
use tenantry_protocol::state::EventKind;
use tenantry_workflow::{Scheme, WebhookTrigger};

use self::rates::Rates;
use self::verify::{Verified, VerifySpec};
use crate::context::{Context, Origin, Principal, PrincipalKind};
use crate::error::{Error, Result};
use crate::http::listen::{PeerInfo, RequestBody, client_ip, read_body};
use crate::service::Service;
use crate::service::directory::{Tenant, count};
use crate::service::event::{Event, kept_headers};
use crate::service::events::Arriving;
use crate::service::material::EventMaterial;
use crate::vault::SecretValue;

/// The longest path that is looked at, in bytes.
const PATH_LIMIT: usize = 512;
/// The longest query that is kept, in bytes.
const QUERY_LIMIT: usize = 4 * 1024;

/// The door.
pub struct Ingress {
    service: Arc<Service>,
    rates: Rates,
}

impl Ingress {
    /// A door to this service.
    pub fn new(service: Arc<Service>) -> Self {
        let rates = Rates::new(&service.config.ingress, &service.clock);
        Self { service, rates }
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<RequestBody>, peer: Arc<PeerInfo>) -> Response<Full<Bytes>> {
        let id = RequestId::new(self.service.clock.now_ms());
        match self.receive(request, &peer, id).await {
            Ok(accepted) => reply::accepted(&accepted),
            Err(error) => {
                if error.code() == ErrorCode::Internal {
                    tracing::error!(request = %id, operator = error.operator_line(), "webhook failed");
                }
                reply::problem(&error, id)
            }
        }
    }

    async fn receive(
        &self,
        request: Request<RequestBody>,
        peer: &PeerInfo,
        id: RequestId,
    ) -> Result<Accepted> {
        let (head, body) = request.into_parts();
        let config = &self.service.config.ingress;
        let direct = peer.ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let ip = client_ip(&head.headers, direct, &config.trusted_proxies);
        self.rates.address(ip)?;
        let (tenant, path) = self.hook_of(head.uri.path())?;
        let refused = || count(&tenant.tally.events_refused);
        self.rates.tenant(&tenant).inspect_err(|_| refused())?;
        if head.method != Method::POST {
            return Err(Error::new(ErrorCode::MethodNotAllowed, "webhooks are sent with POST"));
        }
        let catalog = self.service.catalog.of(tenant.id).await?;
        let (live, trigger) = catalog.hooks.get(path).ok_or_else(no_hook)?;
        let hook = live.workflow.triggers.webhooks.get(*trigger).ok_or_else(no_hook)?;
        let limit = config.body_limit.as_usize();
        let body = read_body(body, limit, config.body_timeout, &self.service.clock).await;
        let body = body.inspect_err(|_| refused()).map_err(|e| Error::new(e.code(), e.to_string()))?;
        let context = context(tenant.id, ip, id);
        let verified = match self.verify(&tenant, hook, &head.headers, &body).await {
            Ok(verified) => verified,
            Err(error) => {
                refused();
                self.note_refusal(&tenant, hook, &context, &error).await;
                return Err(error);
            }
        };
        let query = head.uri.query().filter(|query| query.len() <= QUERY_LIMIT);
        let material = self.material(hook, &head.headers, query, body).inspect_err(|_| refused())?;
        let dedupe = dedupe::key_of(hook, &verified, &material)?;
        self.service.accept(&context, &tenant, Arriving { material, dedupe }).await
    }

    /// The tenant and the hook's path out of `/hooks/<tenant>/<path>`.
    fn hook_of<'p>(&self, path: &'p str) -> Result<(Arc<Tenant>, &'p str)> {
        if path.len() > PATH_LIMIT {
            return Err(no_hook());
        }
        let (name, hook) =
            path.strip_prefix("/hooks/").and_then(|rest| rest.split_once('/')).ok_or_else(no_hook)?;
        let tenant = self.service.directory.find(name).ok_or_else(no_hook)?;
        Ok((tenant, hook))
    }

    async fn verify(
        &self,
        tenant: &Tenant,
        hook: &WebhookTrigger,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Verified> {
        let Some(spec) = VerifySpec::of_trigger(&hook.verify).map_err(|e| Error::internal(e.to_string()))?
        else {
            return Ok(Verified::default());
        };
        let open = self.service.secrets.open(tenant.id).await?;
        let secrets = hook.verify.secrets.iter().filter_map(|name| open.values.get(name));
        let secrets: Vec<&[u8]> = secrets.map(SecretValue::expose).collect();
        if secrets.is_empty() {
            // What is missing is the tenant's business; the sender only learns that it is not believed.
            tracing::warn!(tenant = %tenant.name, hook = %hook.path, "none of the hook's secrets exists");
        }
        let now = self.service.clock.now_ms();
        verify::verify(&spec, &secrets, headers, body, now)
            .map_err(|refusal| Error::new(refusal.code(), refusal.to_string()))
    }

    fn material(
        &self,
        hook: &WebhookTrigger,
        headers: &HeaderMap,
        query: Option<&str>,
        body: Bytes,
    ) -> Result<EventMaterial> {
        let now = self.service.clock.now_ms();
        let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let token = (hook.verify.scheme == Scheme::Token).then_some(hook.verify.header.as_deref()).flatten();
        let event = Event {
            id: EventId::new(now),
            kind: EventKind::Webhook,
            source: hook.path.clone(),
            content_type: content_type.map(str::to_owned),
            headers: kept_headers(headers, token),
            query: query.map(str::to_owned),
            body,
            received_at: now,
        };
        let value = event.value().map_err(|error| Error::new(ErrorCode::BadRequest, error.to_string()))?;
        Ok(EventMaterial { event: Arc::new(event), value })
    }

    /// A refused signature is a record in the tenant's audit log; a storm of them is a few records.
    async fn note_refusal(
        &self,
        tenant: &Arc<Tenant>,
        hook: &WebhookTrigger,
        context: &Context,
        error: &Error,
    ) {
        if self.rates.refusal(tenant.id).is_err() {
            return;
        }
        let (path, code, context) = (hook.path.clone(), error.code(), context.clone());
        let noted = self.service.change(tenant, move |ledger| {
            ledger.audit_outcome(&context, "event.refuse", &path, code.as_str(), &json!({}))
        });
        if let Err(error) = noted.await {
            tracing::warn!(tenant = %tenant.id, code = %error.code(), "refusal could not be recorded");
        }
    }
}

fn context(tenant: tenantry_protocol::id::TenantId, ip: IpAddr, request: RequestId) -> Context {
    let principal =
        Principal { kind: PrincipalKind::System, id: format!("ingress-{ip}"), name: ip.to_string() };
    Context { tenant: Some(tenant), principal, request, origin: Origin::Ingress }
}

fn no_hook() -> Error {
    Error::new(ErrorCode::HookNotFound, "no enabled workflow listens here")
}
