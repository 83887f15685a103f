//! Who is at the other end, as far as the kernel and trusted proxies vouch for it.
//!
//! What must never happen here: a forwarded address that is believed although nobody trusted wrote it. Peer
//! credentials only narrow what a token allows; a child of the daemon has the daemon's uid.

use std::net::IpAddr;
use std::os::fd::AsFd;

use http::{HeaderMap, HeaderName};
use rustix::net::sockopt::socket_peercred;

use crate::config::Network;

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PeerInfo {
    /// Its address, on a TCP socket.
    pub ip: Option<IpAddr>,
    /// Its user when it connected, on a unix socket.
    pub uid: Option<u32>,
    /// Its process when it connected, on a unix socket; 0 where that process is not visible here.
    pub pid: Option<i32>,
}

impl PeerInfo {
    /// The peer of a TCP connection. A v4 address written as v6 is told as v4.
    pub(super) const fn of_tcp(address: IpAddr) -> Self {
        Self { ip: Some(address.to_canonical()), uid: None, pid: None }
    }

    /// The peer of a unix connection, by `SO_PEERCRED` (unix(7)).
    pub(super) fn of_unix(stream: impl AsFd) -> std::io::Result<Self> {
        let credentials = socket_peercred(stream)?;
        let pid = credentials.pid.as_raw_nonzero().get();
        Ok(Self { ip: None, uid: Some(credentials.uid.as_raw()), pid: Some(pid) })
    }
}

/// The most addresses of one `X-Forwarded-For` that are looked at.
const MAX_HOPS: usize = 32;

/// The address that a request comes from: the peer's, or where a trusted proxy is the peer, the first address from
/// the right of `X-Forwarded-For` that is not a trusted proxy. Several headers count as one, in their order. What
/// is not an address ends the walk, for it was not written by a proxy that can be trusted.
pub fn client_ip(headers: &HeaderMap, peer: IpAddr, trusted_proxies: &[Network]) -> IpAddr {
    const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    let is_trusted = |address| trusted_proxies.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let values: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    let hops = values.iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(MAX_HOPS) {
        let Some(address) = address_of(hop) else { break };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address: Option<IpAddr> = bare.unwrap_or(text).parse().ok();
    let address = address.or_else(|| Some(text.parse::<std::net::SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(forwarded: &[&str], peer: &str, trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(value).unwrap());
        }
        let trusted: Vec<_> = trusted.iter().map(|text| Network::parse(text).unwrap()).collect();
        client_ip(&headers, peer.parse().unwrap(), &trusted).to_string()
    }

    #[test]
    fn nobody_is_believed_unless_trusted() {
        assert_eq!(client(&["1.1.1.1"], "9.9.9.9", &[]), "9.9.9.9");
        assert_eq!(client(&["1.1.1.1"], "9.9.9.9", &["127.0.0.1"]), "9.9.9.9");
        assert_eq!(client(&["1.1.1.1"], "127.0.0.1", &["127.0.0.1"]), "1.1.1.1");
        assert_eq!(client(&["1.1.1.1"], "::ffff:127.0.0.1", &["127.0.0.1"]), "1.1.1.1");
    }

    #[test]
    fn the_walk_goes_from_the_right_over_trusted_hops() {
        let trusted = &["127.0.0.1", "10.0.0.0/8"];
        assert_eq!(client(&["6.6.6.6, 1.1.1.1"], "127.0.0.1", trusted), "1.1.1.1");
        assert_eq!(client(&["6.6.6.6, 1.1.1.1, 10.0.0.7"], "127.0.0.1", trusted), "1.1.1.1");
        assert_eq!(client(&["6.6.6.6", "1.1.1.1", "10.0.0.7"], "127.0.0.1", trusted), "1.1.1.1");
        assert_eq!(client(&["10.0.0.8, 10.0.0.7"], "127.0.0.1", trusted), "10.0.0.8");
        assert_eq!(client(&[], "127.0.0.1", trusted), "127.0.0.1");
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        let trusted = &["127.0.0.1", "10.0.0.0/8"];
        assert_eq!(client(&["1.1.1.1, unknown"], "127.0.0.1", trusted), "127.0.0.1");
        assert_eq!(client(&["1.1.1.1, _hidden, 10.0.0.7"], "127.0.0.1", trusted), "10.0.0.7");
        assert_eq!(client(&["1.1.1.1,,"], "127.0.0.1", trusted), "127.0.0.1");
    }

    #[test]
    fn addresses_are_read_in_every_form_that_proxies_write() {
        let forms = [
            ("1.1.1.1:443", "1.1.1.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            (" 1.1.1.1 ", "1.1.1.1"),
            ("::ffff:1.1.1.1", "1.1.1.1"),
        ];
        for (form, expected) in forms {
            assert_eq!(client(&[form], "127.0.0.1", &["127.0.0.1"]), expected);
        }
    }
}
