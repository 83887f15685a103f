//! Whether a request may go where its address points (server-side request forgery, OWASP API7:2023).
//!
//! Two questions, both pure: what does the text of the address name, and may this resolved address be connected to.
//! `connect` asks the second one about exactly the addresses it then connects to, so that no name can change its
//! meaning between check and use.
//!
//! What must never happen here: a decision by the text of a host; a way around for literals, redirects or names.
//! Go next to `address` for what addresses are for, to `allow` for the exceptions.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderValue;
use http::uri::PathAndQuery;
use url::Url;

use super::address::{self, Kind};
use super::allow::{AllowEntry, TenantEgress};
use super::error::EgressError;

/// The longest address that is taken, in bytes.
pub const MAX_URL: usize = 8 * 1024;

/// Whom an address names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Host {
    /// Lower case, punycode, without a final dot.
    Name(Arc<str>),
    Address(IpAddr),
}

impl Host {
    /// RFC 6761 §6.3.
    pub(super) fn is_localhost(&self) -> bool {
        matches!(self, Self::Name(name) if &**name == "localhost" || name.ends_with(".localhost"))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Where a request goes: the part of an address that a connection depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) tls: bool,
    pub(super) host: Host,
    pub(super) port: u16,
}

/// An address, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) origin: Origin,
    /// The value of the header `Host`.
    pub(super) authority: HeaderValue,
    /// What is asked of the origin.
    pub(super) path: PathAndQuery,
    /// The whole address, to resolve a redirect against.
    pub(super) url: Url,
}

impl Target {
    /// Reads an absolute http or https address.
    pub(super) fn parse(text: &str) -> Result<Self, EgressError> {
        if text.len() > MAX_URL {
            return Err(EgressError::bad_url(text, "it is longer than 8 KiB"));
        }
        let url = Url::parse(text).map_err(|error| EgressError::bad_url(text, error))?;
        Self::from_url(url)
    }

    /// Reads the address in a redirect's `Location`, relative to this one.
    pub(super) fn redirect(&self, location: &str) -> Result<Self, EgressError> {
        if location.len() > MAX_URL {
            return Err(EgressError::bad_url(location, "the redirect is longer than 8 KiB"));
        }
        let url = self.url.join(location).map_err(|error| EgressError::bad_url(location, error))?;
        Self::from_url(url)
    }

    fn from_url(mut url: Url) -> Result<Self, EgressError> {
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(EgressError::bad_url(url.as_str(), "only http and https are spoken")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            let why = "it holds credentials; put them into a header";
            return Err(EgressError::bad_url(&format!("{}://…", url.scheme()), why));
        }
        url.set_fragment(None);
        let host = match url.host() {
            Some(url::Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                if name.is_empty() || name.len() > 253 {
                    return Err(EgressError::bad_url(url.as_str(), "the host is not a name"));
                }
                Host::Name(name.into())
            }
            Some(url::Host::Ipv4(address)) => Host::Address(address.into()),
            Some(url::Host::Ipv6(address)) => Host::Address(address.into()),
            None => return Err(EgressError::bad_url(url.as_str(), "it names no host")),
        };
        let Some(port) = url.port_or_known_default().filter(|port| *port != 0) else {
            return Err(EgressError::bad_url(url.as_str(), "port 0 does not exist"));
        };
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let authority = HeaderValue::try_from(authority);
        let path = PathAndQuery::try_from(&url[url::Position::BeforePath..url::Position::AfterQuery]);
        let (Ok(authority), Ok(path)) = (authority, path) else {
            return Err(EgressError::bad_url(url.as_str(), "it cannot be written into a request"));
        };
        Ok(Self { origin: Origin { tls, host, port }, authority, path, url })
    }
}

/// Everything the decision about an address depends on.
#[derive(Clone, Copy)]
pub(super) struct Guard<'a> {
    /// The exceptions of the tenant.
    pub(super) tenant: &'a TenantEgress,
    /// The exceptions that hold for every tenant.
    pub(super) host_wide: &'a [AllowEntry],
    /// What the daemon itself listens on.
    pub(super) listeners: &'a [SocketAddr],
}

impl Guard<'_> {
    /// Decides about one resolved address; the refusal says what the address is. `is_own` says whether an address
    /// belongs to this machine, and is asked only where it matters.
    pub(super) fn judge(
        self,
        origin: &Origin,
        address: IpAddr,
        is_own: impl Fn(IpAddr) -> bool,
    ) -> Result<(), &'static str> {
        let (kind, words) = address::kind(address);
        let openings = self.tenant.allow().iter().chain(self.host_wide);
        let openings = openings.filter_map(|entry| entry.opens(&origin.host, address, kind, origin.port));
        let (mut opened, mut names_port) = (false, false);
        for opening in openings {
            opened = true;
            names_port |= opening.names_port;
        }
        if !opened {
            if kind != Kind::Public {
                return Err(words);
            }
            return if is_own(address) { Err("this machine") } else { Ok(()) };
        }
        // An entry for a whole network or for every port does not mean the daemon's own doors.
        if !names_port && self.listens(address, origin.port, is_own) {
            return Err("a port that the daemon itself listens on");
        }
        Ok(())
    }

    fn listens(self, address: IpAddr, port: u16, is_own: impl Fn(IpAddr) -> bool) -> bool {
        let address = address.to_canonical();
        let local = || address.is_loopback() || address.is_unspecified() || is_own(address);
        self.listeners.iter().filter(|listener| listener.port() == port).any(|listener| {
            let own = listener.ip().to_canonical();
            own == address || ((own.is_unspecified() || address.is_unspecified()) && local())
        })
    }
}
