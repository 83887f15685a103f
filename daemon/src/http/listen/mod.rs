//! The accept loop that the local API and ingress share: HTTP/1.1 over unix and TCP sockets, with a limit on
//! everything a stranger can make last.
//!
//! HTTP/2 is not spoken: it has no time limit for a block of headers. A connection's handlers run in the
//! connection's own task. What a request means is not known here.
//!
//! What must never happen here: a connection without a time limit, a peer that takes all seats, a loop that spins
//! when the process is out of file descriptors.
//! Go next to `accept` for the loop, `connection` for one connection, `socket` for where listeners come from.

mod accept;
mod body;
mod connection;
mod linger;
mod peer;
mod seats;
mod socket;
#[cfg(test)]
mod tests;
mod timer;

use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};

use crate::config::{self, Network};

pub use accept::serve;
pub use body::{BodyError, read_body};
pub use linger::{LingerLimits, RequestBody};
pub use peer::{PeerInfo, client_ip};
pub use socket::{Inherited, SocketFile, bind_tcp, bind_unix, inherited};

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// The local socket.
    Unix(UnixListener),
    /// A network address.
    Tcp(TcpListener),
}

/// What one listener bears.
#[derive(Clone, Debug)]
pub struct ListenLimits {
    /// Open connections; one more is answered 503 and closed.
    pub max_connections: usize,
    /// Open connections of one peer: a v4 address, a /64 of v6, a uid; one more is answered 429 and closed.
    pub max_per_peer: usize,
    /// Peers that speak for many others and have no share of their own: reverse proxies.
    pub trusted_proxies: Vec<Network>,
    /// From the connection to its first byte.
    pub first_byte_timeout: Duration,
    /// From the first byte of a request to the end of its head.
    pub header_timeout: Duration,
    /// From the end of an answer to the first byte of the next request.
    pub idle_timeout: Duration,
    /// The size of a request's head in bytes; a larger one is answered 431.
    pub header_bytes: usize,
    /// Headers of one request; more are answered 431.
    pub max_headers: usize,
    /// What is still read of a body after its request was answered.
    pub linger: LingerLimits,
}

/// From the connection to its first byte.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(5);

/// The size of a request's head in bytes.
pub const HEADER_BYTES: usize = 16 * 1024;

/// Headers of one request.
pub const MAX_HEADERS: usize = 64;

/// What is still read, and dropped, of a body after its request was answered, so that the answer arrives.
pub const LINGER: LingerLimits = LingerLimits { bytes: 16 * 1024 * 1024, time: Duration::from_secs(3) };

impl From<&config::Api> for ListenLimits {
    fn from(api: &config::Api) -> Self {
        Self {
            max_connections: api.max_connections,
            max_per_peer: api.max_connections,
            trusted_proxies: Vec::new(),
            first_byte_timeout: FIRST_BYTE_TIMEOUT.min(api.header_timeout),
            header_timeout: api.header_timeout,
            idle_timeout: api.idle_timeout,
            header_bytes: HEADER_BYTES,
            max_headers: MAX_HEADERS,
            linger: LINGER,
        }
    }
}

impl From<&config::Ingress> for ListenLimits {
    fn from(ingress: &config::Ingress) -> Self {
        Self {
            max_connections: ingress.max_connections,
            max_per_peer: ingress.max_connections_per_ip,
            trusted_proxies: ingress.trusted_proxies.clone(),
            first_byte_timeout: FIRST_BYTE_TIMEOUT.min(ingress.header_timeout),
            header_timeout: ingress.header_timeout,
            idle_timeout: ingress.idle_timeout,
            header_bytes: HEADER_BYTES,
            max_headers: MAX_HEADERS,
            linger: LINGER,
        }
    }
}
