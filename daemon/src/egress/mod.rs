//! The only way out to the network: one HTTP client for http actions, notifications and everything else.
//!
//! A request goes where its tenant's policy lets it, by addresses that were judged at the moment of connecting
//! (`guard`, `connect`); redirects are followed by hand with the same judgement. Proxy variables of the environment
//! mean nothing here. HTTP/1.1 only.
//!
//! **Invariant:** no other module opens a connection to the outside; no connection opened under one policy serves
//! a tenant with another.
//! Go next to `request` for what may be sent, `pool` for reuse, `sign` for signatures on webhooks.

mod address;
mod allow;
mod connect;
mod error;
mod exchange;
mod guard;
mod pool;
mod request;
mod resolve;
pub mod sign;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::response::Parts;
use tenantry_protocol::error::ErrorCode;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::config;
use crate::error::{Error, Result};
use crate::supervise::Supervisor;
use connect::Connector;
use exchange::{Failure, Line, Unanswered};
use guard::{Guard, Origin};
use pool::{Key, Limits, Pool};
use request::Outgoing;
use resolve::{Resolve, SystemResolver};

pub use allow::{AllowEntry, BadEntry, TenantEgress};
pub use connect::MAX_TRIES;
pub use error::EgressError;
pub use exchange::MAX_RESPONSE_HEAD;
pub use guard::MAX_URL;
pub use request::{MAX_HEADER_BYTES, MAX_HEADERS, OutRequest, OutResponse};
pub use resolve::{MAX_ADDRESSES, MAX_LOOKUPS, MAX_TENANT_LOOKUPS};

/// The client; share it by `Arc`.
pub struct Egress {
    clock: Clock,
    allow: Vec<AllowEntry>,
    response_limit: usize,
    redirect_limit: u32,
    connector: Connector,
    pool: Pool,
    in_flight: Semaphore,
    listeners: OnceLock<Vec<SocketAddr>>,
}

impl Egress {
    /// A client with the operating system's resolver.
    pub fn new(config: &config::Egress, clock: Clock, supervisor: &Supervisor) -> Result<Self> {
        Self::with_resolver(config, clock, Box::new(SystemResolver::new(supervisor.clone())))
    }

    fn with_resolver(config: &config::Egress, clock: Clock, resolver: Box<dyn Resolve>) -> Result<Self> {
        let allow = config.allow.iter().map(AllowEntry::try_from).collect::<Result<_, BadEntry>>();
        let allow =
            allow.map_err(|error| Error::new(ErrorCode::ConfigInvalid, format!("egress.allow: {error}")))?;
        let tls = connect::tls_config()
            .map_err(|error| Error::internal("set up TLS for egress").with_source(error))?;
        let connector = Connector { clock: clock.clone(), resolver, tls, limit: config.connect_timeout };
        let limits =
            Limits { per_key: config.pool_per_host, keys: config.pool_hosts, idle: config.pool_idle };
        Ok(Self {
            allow,
            response_limit: config.response_limit.as_usize(),
            redirect_limit: config.redirect_limit,
            connector,
            pool: Pool::new(clock.clone(), limits),
            in_flight: Semaphore::new(config.max_in_flight),
            listeners: OnceLock::new(),
            clock,
        })
    }

    /// Says what the daemon itself listens on, once, before the first request: no tenant reaches these ports
    /// unless an exception names host and port. Returns whether this was the first time.
    pub fn guard_listeners(&self, listeners: Vec<SocketAddr>) -> bool {
        self.listeners.set(listeners).is_ok()
    }

    /// Sends a request under the tenant's policy and waits for the whole answer. Every status is an answer.
    /// Dropping the future closes the connection.
    pub async fn send(&self, policy: &TenantEgress, request: OutRequest) -> Result<OutResponse, EgressError> {
        let started = self.clock.instant();
        let OutRequest { method, url, headers, body, timeout, follow_redirects } = request;
        let mut outgoing = Outgoing::new(method, &url, headers, body)?;
        let redirects = if follow_redirects { self.redirect_limit } else { 0 };
        let answer = {
            // Pinned here, and so only once: a future that is passed on by value has room for itself at every stop.
            let exchange = pin!(self.follow(policy, &mut outgoing, redirects));
            self.clock.timeout(timeout, exchange).await
        };
        let (head, body) = answer.unwrap_or_else(|late| {
            let host = outgoing.target.origin.host.to_string();
            Err(EgressError::Timeout { host, after_ms: late.0.as_millis() as u64 })
        })?;
        let elapsed_ms = self.clock.elapsed(started).as_millis() as u64;
        Ok(OutResponse { status: head.status, headers: head.headers, body, elapsed_ms })
    }

    /// Closes connections that have waited too long; for upkeep. Sending sweeps as well.
    pub fn sweep(&self) {
        self.pool.sweep();
    }

    /// How many connections wait for their next request.
    pub fn idle_connections(&self) -> usize {
        self.pool.idle()
    }

    async fn follow(
        &self,
        policy: &TenantEgress,
        outgoing: &mut Outgoing,
        redirects: u32,
    ) -> Result<(Parts, Bytes), EgressError> {
        // Never closed, so waiting is the only thing that can happen.
        let _permit = self.in_flight.acquire().await;
        let mut left = redirects;
        loop {
            let (head, body) = self.exchange(policy, outgoing).await?;
            if redirects == 0 || !outgoing.redirected(head.status, &head.headers)? {
                return Ok((head, body));
            }
            if left == 0 {
                let why = format!("it redirects more than {redirects} times");
                return Err(EgressError::Protocol { host: outgoing.target.origin.host.to_string(), why });
            }
            left -= 1;
        }
    }

    /// One request and its answer, over a waiting connection where there is one.
    async fn exchange(
        &self,
        policy: &TenantEgress,
        outgoing: &Outgoing,
    ) -> Result<(Parts, Bytes), EgressError> {
        let origin = &outgoing.target.origin;
        let failed = |failure| described(origin, failure, self.response_limit);
        let key = Key { class: policy.class(), origin: origin.clone() };
        let mut waiting = self.pool.take(&key);
        loop {
            let mut line = match waiting.take() {
                Some(line) => line,
                // Rare and large.
                None => Box::pin(self.line(policy, origin)).await?,
            };
            let reused = line.is_used();
            match line.head(outgoing.message()).await {
                Ok(answer) => {
                    let answer = line.body(answer, self.response_limit).await.map_err(failed)?;
                    let promised = promised_idle(&answer.0.headers);
                    self.pool.give(key, line, promised);
                    return Ok(answer);
                }
                // The other side closed the connection while it waited. What it has certainly not seen, and what
                // may be seen twice, goes over a fresh one.
                Err(Unanswered { failure: Failure::Lost(_), unsent })
                    if reused && (unsent.is_some() || outgoing.is_idempotent()) => {}
                Err(unanswered) => return Err(failed(unanswered.failure)),
            }
        }
    }

    /// A fresh connection.
    async fn line(&self, policy: &TenantEgress, origin: &Origin) -> Result<Line, EgressError> {
        let stream = self.connector.open(origin, self.guard(policy)).await?;
        Line::new(stream).await.map_err(|failure| described(origin, failure, self.response_limit))
    }

    fn guard<'a>(&'a self, policy: &'a TenantEgress) -> Guard<'a> {
        let listeners = self.listeners.get().map_or(&[][..], Vec::as_slice);
        Guard { tenant: policy, host_wide: &self.allow, listeners }
    }
}

fn described(origin: &Origin, failure: Failure, limit: usize) -> EgressError {
    let host = origin.host.to_string();
    match failure {
        Failure::Lost(why) => EgressError::Lost { host, why },
        Failure::Protocol(why) => EgressError::Protocol { host, why },
        Failure::TooLarge => EgressError::TooLarge { host, limit },
    }
}

/// How long the other side keeps the connection, less a second for the way there: `Keep-Alive: timeout=5`.
fn promised_idle(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let timeout = value.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    Some(Duration::from_secs(timeout.parse::<u32>().ok()?.saturating_sub(1).into()))
}
