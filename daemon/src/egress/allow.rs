//! Exceptions of the guard: what an operator opens on purpose, for the host or for one tenant.
//!
//! Written as `HOST`, `HOST:PORT` or `HOST:*`, where HOST is an address (`127.0.0.1`, `[fd00::1]`), a network
//! (`10.0.0.0/8`), a name (`db.internal`) or everything below a name (`*.internal`). Without a port, or with `*`,
//! every port is meant.
//!
//! A name opens private networks, because that is what names inside lead to. It never opens this machine or
//! link-local addresses, because whoever answers for the name could then point at them; only `localhost` does, and
//! networks written as such.
//!
//! What must never happen here: an entry that opens more than its text says.
//! Go next to `guard` for the decision.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ring::digest;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::address::Kind;
use super::guard::Host;
use super::resolve::MAX_TENANT_LOOKUPS;
use crate::config::{HostPort, Network};

/// One exception.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllowEntry {
    place: Place,
    /// `None` for every port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Network(Network),
    Name(Box<str>),
    /// With its leading dot.
    Below(Box<str>),
}

/// The text is not an exception.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an allow-list entry; write HOST, HOST:PORT or NETWORK/PREFIX, such as 10.0.0.0/8 or db.internal:443"
)]
pub struct BadEntry(String);

/// How wide a matching entry opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// The entry names exactly this port.
    pub(super) names_port: bool,
}

impl AllowEntry {
    /// Whether this entry opens the address, reached by that host's name, and how.
    pub(super) fn opens(&self, host: &Host, address: IpAddr, kind: Kind, port: u16) -> Option<Opening> {
        if self.port.is_some_and(|own| own != port) {
            return None;
        }
        let by_name = |matches: bool| {
            let local = host.is_localhost() && kind == Kind::Loopback;
            matches && (matches!(kind, Kind::Private | Kind::Public) || local)
        };
        let opens = match (&self.place, host) {
            (Place::Network(network), _) => network.contains(address),
            (Place::Name(own), Host::Name(name)) => by_name(**own == **name),
            (Place::Below(suffix), Host::Name(name)) => {
                by_name(name.len() > suffix.len() && name.ends_with(&**suffix))
            }
            (Place::Name(_) | Place::Below(_), Host::Address(_)) => false,
        };
        opens.then_some(Opening { names_port: self.port.is_some() })
    }
}

impl FromStr for AllowEntry {
    type Err = BadEntry;

    fn from_str(text: &str) -> Result<Self, BadEntry> {
        parse(text.trim()).ok_or_else(|| BadEntry(text.chars().take(100).collect()))
    }
}

impl TryFrom<&HostPort> for AllowEntry {
    type Error = BadEntry;

    fn try_from(entry: &HostPort) -> Result<Self, BadEntry> {
        match entry {
            HostPort::Network(network) => Ok(Self { place: Place::Network(*network), port: None }),
            HostPort::Host(..) => entry.to_text().parse(),
        }
    }
}

fn parse(text: &str) -> Option<AllowEntry> {
    // A bare v6 address or network is full of colons; none of them separates a port.
    if let Some(network) = Network::parse(text) {
        return Some(AllowEntry { place: Place::Network(network), port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, "*")) => (host, None),
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0)?)),
        None => (text, None),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let place = match Network::parse(bare.unwrap_or(host)) {
        Some(network) => Place::Network(network),
        None if bare.is_some() => return None,
        None => name(host)?,
    };
    Some(AllowEntry { place, port })
}

fn name(text: &str) -> Option<Place> {
    let (below, bare) = match text.strip_prefix("*.") {
        Some(bare) => (true, bare),
        None => (false, text),
    };
    let bare = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if bare.len() > 253 || !bare.split('.').all(label) {
        return None;
    }
    // All digits in the last label is an address that was mistyped, not a name (WHATWG URL, "ends in a number").
    if bare.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    Some(if below { Place::Below(format!(".{bare}").into()) } else { Place::Name(bare.into()) })
}

impl fmt::Display for AllowEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.place, self.port) {
            (Place::Network(Network { address, prefix }), None) => write!(f, "{address}/{prefix}"),
            (Place::Network(Network { address: address @ IpAddr::V6(_), prefix }), Some(port)) => {
                write!(f, "[{address}/{prefix}]:{port}")
            }
            (Place::Network(Network { address, prefix }), Some(port)) => {
                write!(f, "{address}/{prefix}:{port}")
            }
            (Place::Name(name), None) => f.write_str(name),
            (Place::Name(name), Some(port)) => write!(f, "{name}:{port}"),
            (Place::Below(suffix), None) => write!(f, "*{suffix}"),
            (Place::Below(suffix), Some(port)) => write!(f, "*{suffix}:{port}"),
        }
    }
}

/// What one tenant may reach beyond the public internet, and its share of name lookups; cheap to clone. Make it when
/// the tenant's allow-list is read, not for every request.
#[derive(Clone, Debug)]
pub struct TenantEgress {
    allow: Arc<[AllowEntry]>,
    class: PolicyClass,
    lookups: Arc<Semaphore>,
}

/// Tenants with equal allow-lists are of one class and may share connections; others never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PolicyClass([u8; 32]);

impl TenantEgress {
    /// The policy with these exceptions; their order and repetitions mean nothing.
    pub fn new(mut allow: Vec<AllowEntry>) -> Self {
        allow.sort_by_cached_key(ToString::to_string);
        allow.dedup();
        let mut context = digest::Context::new(&digest::SHA256);
        for entry in &allow {
            context.update(entry.to_string().as_bytes());
            context.update(b"\n");
        }
        let mut class = [0; 32];
        class.copy_from_slice(context.finish().as_ref());
        let lookups = Arc::new(Semaphore::new(MAX_TENANT_LOOKUPS));
        Self { allow: allow.into(), class: PolicyClass(class), lookups }
    }

    /// The policy that the texts describe, or the first text that is wrong.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, BadEntry> {
        let entries = texts.into_iter().map(|text| text.as_ref().parse());
        Ok(Self::new(entries.collect::<Result<Vec<_>, _>>()?))
    }

    /// The exceptions.
    pub fn allow(&self) -> &[AllowEntry] {
        &self.allow
    }

    /// Waits until this tenant may look up one more name.
    pub(super) async fn lookup_turn(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.lookups).acquire_owned().await
    }

    pub(super) const fn class(&self) -> PolicyClass {
        self.class
    }
}

impl Default for TenantEgress {
    /// No exceptions: the public internet only.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_round_trip_in_their_canonical_form() {
        let cases = [
            ("127.0.0.1:9000", "127.0.0.1/32:9000"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.0/8:443", "10.0.0.0/8:443"),
            ("fd00::/8", "fd00::/8"),
            ("::1", "::1/128"),
            ("[::1]:80", "[::1/128]:80"),
            ("[fd00::/8]:*", "fd00::/8"),
            ("Internal.Example:443", "internal.example:443"),
            ("localhost:*", "localhost"),
            ("*.internal:8080", "*.internal:8080"),
        ];
        for (text, canonical) in cases {
            let entry: AllowEntry = text.parse().unwrap();
            assert_eq!(entry.to_string(), canonical);
            assert_eq!(canonical.parse::<AllowEntry>().unwrap(), entry);
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let cases = [
            "",
            "*",
            "*:80",
            "host:",
            "host:0",
            "host:65536",
            "host:http",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0",
            "1.2.3.4.5:80",
            "[host]:80",
            "[::1",
            "a b",
            "http://host",
            "user@host",
            "host/path",
            "ho*st",
            "..",
        ];
        for text in cases {
            assert!(text.parse::<AllowEntry>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn equal_lists_are_one_class_and_others_are_not() {
        let class = |texts: &[&str]| TenantEgress::parse(texts).unwrap().class();
        assert_eq!(class(&["a:1", "b:2"]), class(&["b:2", "a:1", "a:1"]));
        assert_eq!(class(&[]), TenantEgress::default().class());
        assert_ne!(class(&["a:1"]), class(&["a:2"]));
        assert_ne!(class(&["a:1"]), class(&[]));
    }
}
