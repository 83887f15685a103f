//! The ingress: the public listener where webhooks arrive. `POST /hooks/<tenant>/<path>`.
//!
//! The order is the defence: address rate → tenant → tenant rate → method → body limit → signature over the raw bytes
//! → parsing → deduplication and event in one transaction → 202. An unknown tenant and an unknown path answer alike.
//! **Invariant:** nothing is parsed before it is verified, and nothing is acknowledged before its commit.
//! Go next to [`verify`] for signatures and to `service::events` for what accepting does.

mod dedupe;
mod handshake;
mod rates;
mod reply;
mod respond;
pub mod verify;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{EventId, RequestId};
use tenantry_protocol::state::EventKind;
use tenantry_workflow::WebhookTrigger;

use self::rates::Rates;
use self::respond::{Answer, Asked};
use self::verify::{Verified, VerifySpec};
use crate::context::{Context, Origin, Principal, PrincipalKind};
use crate::error::{Error, Result};
use crate::http::listen::{PeerInfo, RequestBody, client_ip, read_body};
use crate::service::Service;
use crate::service::directory::{Tenant, count};
use crate::service::event::{Event, is_multipart, kept_headers};
use crate::service::events::Arriving;
use crate::vault::SecretValue;

/// How much of a content type or an encoding an answer repeats, in characters.
const MEDIA_SHOWN: usize = 100;
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
            Ok(Received::Answered(answer)) => reply::answered(answer),
            Ok(Received::Challenged(answer)) => reply::text(answer),
            Err(Refused { error, allow }) => {
                if error.code() == ErrorCode::Internal {
                    tracing::error!(request = %id, operator = error.operator_line(), "webhook failed");
                }
                reply::problem(&error, id, allow.as_deref())
            }
        }
    }

    async fn receive(
        &self,
        request: Request<RequestBody>,
        peer: &PeerInfo,
        id: RequestId,
    ) -> std::result::Result<Received, Refused> {
        let (head, body) = request.into_parts();
        let config = &self.service.config.ingress;
        let direct = peer.ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let ip = client_ip(&head.headers, direct, &config.trusted_proxies);
        self.rates.address(ip)?;
        let (tenant, path) = self.hook_of(head.uri.path())?;
        let refused = || count(&tenant.tally.events_refused);
        self.rates.tenant(&tenant).inspect_err(|_| refused())?;
        let catalog = self.service.catalog.of(tenant.id).await?;
        let (live, trigger) = catalog.hooks.get(path).ok_or_else(no_hook)?;
        let hook = live.workflow.triggers.webhooks.get(*trigger).ok_or_else(no_hook)?;
        takes_method(hook, &head.method)?;
        takes_media(&head.headers).inspect_err(|_| refused())?;
        let limit = config.body_limit.as_usize();
        let body = read_body(body, limit, config.body_timeout, &self.service.clock).await;
        let body = body.inspect_err(|_| refused()).map_err(|e| Error::new(e.code(), e.to_string()))?;
        let context = context(tenant.id, ip, id);
        let verified = match self.verify(&tenant, hook, &head.headers, &body).await {
            Ok(verified) => verified,
            Err(error) => {
                refused();
                self.note_refusal(&tenant, hook, &context, &error).await;
                return Err(error.into());
            }
        };
        if let Some(answer) = handshake::answer(hook.verify.scheme, &body) {
            return Ok(Received::Challenged(answer));
        }
        let event = Arc::new(self.event(hook, &head, body).inspect_err(|_| refused())?);
        let value = value_of(hook, &event).inspect_err(|_| refused())?;
        let dedupe = dedupe::key_of(hook, &verified, &event, value.as_ref())?;
        let asked = Asked { tenant: &tenant, live, hook, vars: &catalog.vars };
        let waiter = respond::waiter(&self.service, &asked, event.id).inspect_err(|_| refused())?;
        let arriving = Arriving { event, value: value.clone(), dedupe };
        let accepted = self.service.accept(&context, &tenant, arriving).await?;
        let answer = match waiter {
            Some(waiter) => respond::result(&self.service, &asked, &accepted, waiter).await?,
            None => respond::acknowledge(&asked, &accepted, value.as_deref())?,
        };
        Ok(Received::Answered(answer))
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
        verify::verify(&spec, &secrets, headers, body, now).map_err(|refusal| {
            let error = Error::new(refusal.code(), refusal.to_string());
            if secrets.is_empty() {
                let names = hook.verify.secrets.join(" and no secret ");
                error.with_operator(format!("the tenant has no secret {names}"))
            } else {
                error
            }
        })
    }

    fn event(&self, hook: &WebhookTrigger, head: &http::request::Parts, body: Bytes) -> Result<Event> {
        let now = self.service.clock.now_ms();
        let query = head.uri.query();
        if query.is_some_and(|query| query.len() > QUERY_LIMIT) {
            let detail = format!("the query is longer than {QUERY_LIMIT} bytes");
            return Err(Error::new(ErrorCode::BadRequest, detail));
        }
        Ok(Event {
            id: EventId::new(now),
            kind: EventKind::Webhook,
            source: hook.path.clone(),
            method: Some(head.method.as_str().to_owned()),
            content_type: content_type(&head.headers).map(str::to_owned),
            headers: kept_headers(&head.headers, hook.headers.as_deref(), hook.verify.header.as_deref()),
            query: query.map(str::to_owned),
            body,
            received_at: now,
            depth: 0,
        })
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
        // The sender is not told; whoever reads the tenant's audit log may know.
        let why = error.operator().filter(|_| error.code() == ErrorCode::SignatureInvalid);
        let detail = match why {
            Some(why) => json!({ "reason": why }),
            None => json!({}),
        };
        let noted = self.service.change(tenant, move |ledger| {
            ledger.audit_outcome(&context, "event.refuse", &path, code.as_str(), &detail)
        });
        if let Err(error) = noted.await {
            tracing::warn!(tenant = %tenant.id, code = %error.code(), "refusal could not be recorded");
        }
    }
}

/// What became of a request that was believed.
enum Received {
    /// An event, or the repeat of one.
    Answered(Answer),
    /// A sender that asked whether this is the right place; the answer that it waits for.
    Challenged(String),
}

/// Why a request was not taken.
struct Refused {
    error: Error,
    /// The methods that would be.
    allow: Option<String>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, allow: None }
    }
}

/// The event's value where the hook's own expressions need it; else its body is only looked at, which is a fraction of
/// the work.
fn value_of(hook: &WebhookTrigger, event: &Event) -> Result<Option<Arc<Value>>> {
    let value = if hook.dedupe.is_some() || !hook.respond.is_usual() {
        event.value().map(Some)
    } else {
        event.check().map(|()| None)
    };
    value.map_err(|error| Error::new(ErrorCode::BadRequest, error.to_string()))
}

fn takes_method(hook: &WebhookTrigger, method: &Method) -> std::result::Result<(), Refused> {
    if hook.methods.iter().any(|taken| taken.as_str() == method.as_str()) {
        return Ok(());
    }
    let taken: Vec<_> = hook.methods.iter().map(|method| method.as_str()).collect();
    let allow = taken.join(", ");
    let error = Error::new(ErrorCode::MethodNotAllowed, format!("this webhook is sent with {allow}"));
    Err(Refused {
        error: error.with_hint("`methods` of the trigger says which are taken"),
        allow: Some(allow),
    })
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

/// The beginning of what a header says, for a message.
fn beginning(text: &str) -> String {
    text.chars().take(MEDIA_SHOWN).collect()
}

/// Refuses bodies that nothing here can read. What is refused is not looked into.
fn takes_media(headers: &HeaderMap) -> Result<()> {
    let refuse = |detail: String, hint: &'static str| {
        Err(Error::new(ErrorCode::UnsupportedMedia, detail).with_hint(hint))
    };
    let media = content_type(headers);
    if is_multipart(media) {
        return refuse(
            format!("a webhook's body has one part, not those of {:?}", beginning(media.unwrap_or_default())),
            "send application/json, application/x-www-form-urlencoded, text, or one file as it is",
        );
    }
    let encoding = headers.get(http::header::CONTENT_ENCODING);
    let coded = |encoding: &&http::HeaderValue| !encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    if let Some(encoding) = encoding.filter(coded) {
        let named = encoding.to_str().unwrap_or("bytes that are no text");
        return refuse(
            format!("a webhook's body is not compressed; its Content-Encoding is {:?}", beginning(named)),
            "send it without Content-Encoding",
        );
    }
    Ok(())
}

fn context(tenant: tenantry_protocol::id::TenantId, ip: IpAddr, request: RequestId) -> Context {
    let principal =
        Principal { kind: PrincipalKind::System, id: format!("ingress-{ip}"), name: ip.to_string() };
    Context { tenant: Some(tenant), principal, request, origin: Origin::Ingress }
}

fn no_hook() -> Error {
    Error::new(ErrorCode::HookNotFound, "no enabled workflow listens here")
}
