//! The local API: HTTP/1.1 and JSON over a unix socket, the URL space of `tenantry_protocol::path`.
//!
//! Every operation passes the same door ([`door`]): request id, rate, token, tenant of the path. A handler gets a
//! verified caller and calls one verb of `service`; the verb asks for the permission.
//! **Invariant:** a route exists because `Operation` names it, and with it who may call it.
//! Go next to [`router`] for the URL space and to `routes` for the handlers, one file a noun.

pub mod door;
pub mod extract;
pub mod listen;
pub mod openapi;
pub mod reply;
pub mod router;
mod routes;
mod stream;

use std::sync::Arc;

use tenantry_protocol::id::TenantId;

use crate::auth::limit::{IpKey, Limiter};
use crate::config;
use crate::service::Service;
use crate::stage::action::runner_link::RunnerLink;
use crate::supervise::{Stop, Supervisor};

/// Keys that a limiter of the API remembers.
const KEYS: usize = 16_384;

/// What handlers share.
pub struct Api {
    /// The verbs.
    pub service: Arc<Service>,
    /// Which processes are tenants' scripts, and what shuts them in.
    pub runner: RunnerLink,
    /// What runs and how it is.
    pub supervisor: Supervisor,
    /// Ends streams when the daemon drains.
    pub stop: Stop,
    /// The listeners, for status.
    pub addresses: Addresses,
    limits: Limits,
}

/// Where the daemon listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The API socket.
    pub socket: String,
    /// The ingress listener, `address:port`.
    pub ingress: String,
    /// The base of webhook URLs as the outside sees it.
    pub public_url: String,
}

struct Limits {
    addresses: Limiter<IpKey>,
    tenants: Limiter<TenantId>,
    principals: Limiter<String>,
    logins: Limiter<String>,
    streams: Arc<tokio::sync::Semaphore>,
}

impl Api {
    /// The API of this service.
    pub fn new(
        service: Arc<Service>,
        runner: RunnerLink,
        supervisor: Supervisor,
        addresses: Addresses,
    ) -> Self {
        let config::Api { rate_per_ip, rate_per_tenant, rate_per_principal, rate_login, max_streams, .. } =
            service.config.api;
        let clock = &service.clock;
        let limits = Limits {
            addresses: Limiter::new(rate_per_ip, KEYS, clock),
            tenants: Limiter::new(rate_per_tenant, KEYS, clock),
            principals: Limiter::new(rate_per_principal, KEYS, clock),
            logins: Limiter::new(rate_login, KEYS, clock),
            streams: Arc::new(tokio::sync::Semaphore::new(max_streams)),
        };
        let stop = supervisor.stop().clone();
        Self { service, runner, supervisor, stop, addresses, limits }
    }
}
