//! Opens connections: resolve, judge, connect to exactly the judged addresses, and TLS on top.
//!
//! **Invariant:** every socket of the daemon that leads out is opened here, to an address that the guard has let
//! pass for this tenant within the same call.
//! Go next to `guard` for the decision, to `pool` for what happens to connections afterwards.

use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{ConfigBuilderExt, FixedServerNameResolver, HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tower::Service;

use super::error::EgressError;
use super::guard::{Guard, Host, Origin};
use super::resolve::Resolve;
use crate::clock::Clock;

/// Addresses of one host that are tried.
pub const MAX_TRIES: usize = 4;

pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Opens connections.
pub(super) struct Connector {
    pub(super) clock: Clock,
    pub(super) resolver: Box<dyn Resolve>,
    pub(super) tls: Arc<ClientConfig>,
    /// Time for name, connection and handshake together.
    pub(super) limit: Duration,
}

/// TLS as this daemon speaks it to the outside: 1.2 and 1.3, Mozilla's roots, HTTP/1.1 only.
pub(super) fn tls_config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_webpki_roots()
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl Connector {
    /// Opens a connection to the origin, if the guard lets it.
    pub(super) async fn open(&self, origin: &Origin, guard: Guard<'_>) -> Result<Stream, EgressError> {
        let opening = async {
            let addresses = self.addresses(origin, guard).await?;
            let stream = self.dial(origin, &addresses).await?;
            self.secure(origin, stream).await
        };
        self.clock.timeout(self.limit, opening).await.unwrap_or_else(|late| {
            let why = format!("it took longer than {} ms", late.0.as_millis());
            Err(EgressError::Connect { host: origin.host.to_string(), why })
        })
    }

    /// The addresses of the host that may be connected to.
    async fn addresses(&self, origin: &Origin, guard: Guard<'_>) -> Result<Vec<SocketAddr>, EgressError> {
        let found = match &origin.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self
                .lookup(name, guard)
                .await
                .map_err(|error| EgressError::Resolve { host: name.to_string(), why: error.to_string() })?,
        };
        let mut refusal = None;
        let mut passed = Vec::with_capacity(found.len());
        for address in found {
            match guard.judge(origin, address, is_own) {
                Ok(()) => passed.push(SocketAddr::new(address, origin.port)),
                Err(why) => refusal = refusal.or(Some(why)),
            }
        }
        match refusal {
            _ if !passed.is_empty() => Ok(passed),
            Some(why) => Err(EgressError::Denied { host: origin.host.to_string(), why }),
            None => Err(EgressError::Resolve {
                host: origin.host.to_string(),
                why: "the name has no address".to_owned(),
            }),
        }
    }

    async fn lookup(&self, name: &str, guard: Guard<'_>) -> io::Result<Vec<IpAddr>> {
        let turn = guard.tenant.lookup_turn().await.map_err(io::Error::other)?;
        self.resolver.resolve(name, turn).await
    }

    /// Connects to the first address that answers; each gets its share of the time.
    async fn dial(&self, origin: &Origin, addresses: &[SocketAddr]) -> Result<TcpStream, EgressError> {
        let addresses = &addresses[..addresses.len().min(MAX_TRIES)];
        let share = self.limit / (addresses.len().max(1) as u32);
        let mut failure = None;
        for address in addresses {
            match self.clock.timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // A socket that cannot do this still works, only slower.
                    drop(stream.set_nodelay(true));
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = Some(error.to_string()),
                Err(late) => failure = Some(format!("no answer within {} ms", late.0.as_millis())),
            }
        }
        let why = failure.unwrap_or_default();
        Err(EgressError::Connect { host: origin.host.to_string(), why })
    }

    async fn secure(&self, origin: &Origin, stream: TcpStream) -> Result<Stream, EgressError> {
        let stream = TokioIo::new(stream);
        if !origin.tls {
            return Ok(MaybeHttpsStream::Http(stream));
        }
        let failed = |why: String| EgressError::Tls { host: origin.host.to_string(), why };
        let name = match &origin.host {
            Host::Name(name) => ServerName::try_from(name.to_string()),
            Host::Address(address) => Ok(ServerName::from(*address)),
        };
        let name = name.map_err(|error| failed(error.to_string()))?;
        let resolver = Arc::new(FixedServerNameResolver::new(name));
        let mut connector = HttpsConnector::new(Opened(Some(stream)), Arc::clone(&self.tls), true, resolver);
        let address = Uri::from_static("https://origin/");
        connector.call(address).await.map_err(|error| failed(error.to_string()))
    }
}

/// Hands over a stream that is open already, to a TLS layer that would rather open one itself.
struct Opened(Option<TokioIo<TcpStream>>);

impl Service<Uri> for Opened {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<TcpStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

/// Whether the address belongs to this machine: the kernel routes to an own address from that address. Nothing is
/// sent; connecting a datagram socket only looks up the route.
fn is_own(address: IpAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let probe = || -> io::Result<bool> {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, 9))?;
        Ok(socket.local_addr()?.ip() == address)
    };
    // Without a route there is nothing to reach, own or foreign.
    probe().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_knows_its_own_addresses() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(!is_own("192.0.2.1".parse().unwrap()));
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        if socket.connect("192.0.2.1:9").is_ok() {
            assert!(is_own(socket.local_addr().unwrap().ip()));
        }
    }
}
