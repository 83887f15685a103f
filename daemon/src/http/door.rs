//! The door in front of every operation: request id, rates, token, tenant of the path.
//!
//! Who may call is read from the operation that the router matched, never from the text of a path.
//! Every call that the policy refused is noted for the audit log here, whatever handler it was meant for.
//! **Invariant:** a handler behind the door of a non-public operation sees a verified caller or is not called.

use std::sync::{Arc, PoisonError};

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::RequestId;
use tenantry_protocol::path::{Access, Operation};

use super::Api;
use super::listen::PeerInfo;
use super::reply::{Carried, REQUEST_ID, problem};
use crate::auth::limit::{IpKey, Standing};
use crate::context::{Context, Origin, Principal, PrincipalKind};
use crate::error::{Error, Result};
use crate::service::Authorized;
use crate::supervise::catch_panic;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The longest token that is looked at, in bytes; the verifier has its own limit below it.
const BEARER_LIMIT: usize = 8 * 1024;

/// Lets a request in, or answers it.
pub async fn door(
    State((api, operation)): State<(Arc<Api>, Operation)>,
    path: std::result::Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::new(api.service.clock.now_ms());
    let Ok(path) = path else {
        return problem(
            &Error::new(ErrorCode::BadIdentifier, "the path is not UTF-8 once it is decoded"),
            id,
        );
    };
    let tenant = path.iter().find(|(name, _)| *name == "tenant").map(|(_, value)| value.to_owned());
    let mut response = match admit(&api, operation, tenant.as_deref(), &mut request, id) {
        Err(error) => problem(&error, id),
        Ok((standing, context)) => {
            let mut response = run(&api, operation, &context, request, next).await;
            if let Some(value) =
                standing.and_then(|standing| HeaderValue::from_str(&standing.to_string()).ok())
            {
                response.headers_mut().insert(RATE_LIMIT, value);
            }
            response
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

async fn run(api: &Api, operation: Operation, by: &Context, request: Request, next: Next) -> Response {
    let id = by.request;
    let limit = api.service.config.api.request_timeout;
    let answer = catch_panic(api.service.clock.timeout(limit, next.run(request))).await;
    let response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            return problem(&Error::new(ErrorCode::Timeout, "the answer took too long"), id);
        }
        Err(panicked) => {
            let operator = format!("{} {panicked}", operation.name());
            return problem(&Error::internal(operator), id);
        }
    };
    let carried = response.extensions().get::<Carried>().map(Arc::clone);
    let error = carried.and_then(|carried| carried.lock().unwrap_or_else(PoisonError::into_inner).take());
    match error {
        Some(error) => {
            if error.code() == ErrorCode::PermissionDenied {
                api.service.note_refused_call(by, operation).await;
            }
            problem(&error, id)
        }
        None => response,
    }
}

/// Checks everything that can be checked before a handler runs. Answers who calls.
fn admit(
    api: &Api,
    operation: Operation,
    tenant: Option<&str>,
    request: &mut Request,
    id: RequestId,
) -> Result<(Option<Standing>, Context)> {
    let peer = request.extensions().get::<Arc<PeerInfo>>().map(Arc::clone);
    if let Some(ip) = peer.as_ref().and_then(|peer| peer.ip) {
        api.limits.addresses.check(&IpKey::from(ip))?;
    }
    let context = anonymous(peer.as_deref(), id);
    if operation.access() == Access::Public {
        if operation == Operation::Login {
            api.limits.logins.check(&context.principal.name)?;
        }
        request.extensions_mut().insert(context.clone());
        return Ok((None, context));
    }
    let claims = api.service.identity.verifier.verify(bearer(request.headers())?)?;
    let standing = api.limits.principals.check(&claims.subject)?;
    if let Some(own) = claims.grant.tenant {
        api.limits.tenants.check(&own)?;
    }
    let context = api.service.caller(&claims, context);
    let found = tenant.and_then(|name| api.service.directory.find(name));
    request.extensions_mut().insert(Authorized {
        context: context.clone(),
        grant: claims.grant.clone(),
        session: claims.session,
        tenant: found,
    });
    Ok((Some(standing), context))
}

fn anonymous(peer: Option<&PeerInfo>, request: RequestId) -> Context {
    let name = match peer {
        Some(PeerInfo { uid: Some(uid), .. }) => format!("uid-{uid}"),
        Some(PeerInfo { ip: Some(ip), .. }) => format!("ip-{ip}"),
        _ => "unknown".to_owned(),
    };
    let principal = Principal { kind: PrincipalKind::System, id: name.clone(), name };
    Context { tenant: None, principal, request, origin: Origin::Api }
}

fn bearer(headers: &HeaderMap) -> Result<&str> {
    let missing = || Error::from(ErrorCode::AuthRequired);
    let value = headers.get(AUTHORIZATION).ok_or_else(missing)?;
    let text = value.to_str().ok().filter(|text| text.len() <= BEARER_LIMIT).ok_or_else(missing)?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(missing()) }
}
