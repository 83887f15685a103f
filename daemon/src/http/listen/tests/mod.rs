//! The accept loop against real sockets.

mod bodies;
mod exhaustion;
mod limits;
mod sockets;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::clock::Clock;
use crate::supervise::{Stop, Supervisor};

/// Longer than anything here takes; a test that meets it has failed.
const LONG: Duration = Duration::from_secs(20);

/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(150);

type Answer = Response<Full<Bytes>>;

fn limits() -> ListenLimits {
    ListenLimits {
        max_connections: 100,
        max_per_peer: 100,
        trusted_proxies: Vec::new(),
        first_byte_timeout: LONG,
        header_timeout: LONG,
        idle_timeout: LONG,
        header_bytes: HEADER_BYTES,
        max_headers: MAX_HEADERS,
        linger: LINGER,
    }
}

/// A listener that is being served.
struct Served {
    address: SocketAddr,
    supervisor: Supervisor,
    stop: Stop,
}

impl Served {
    async fn start<S, F>(limits: ListenLimits, service: S) -> Self
    where
        S: Fn(Request<RequestBody>, Arc<PeerInfo>) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = bind_tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::start_on(Listener::Tcp(listener), address, limits, service)
    }

    fn start_on<S, F>(listener: Listener, address: SocketAddr, limits: ListenLimits, service: S) -> Self
    where
        S: Fn(Request<RequestBody>, Arc<PeerInfo>) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let supervisor = Supervisor::new(Clock::system());
        let stop = supervisor.stop().child_token();
        let serving = serve(listener, limits, service, Clock::system(), supervisor.clone(), stop.clone());
        drop(supervisor.spawn_once("listener", serving));
        Self { address, supervisor, stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Drains and asserts that nobody was left over.
    async fn drained(&self) {
        let drained = self.supervisor.drain(LONG).await;
        assert!(drained.is_complete(), "{drained:?}");
    }
}

fn text(body: &str) -> Answer {
    Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())))
}

async fn hello(_: Request<RequestBody>, _: Arc<PeerInfo>) -> Answer {
    text("hello")
}

/// Fails the test where the future takes too long.
async fn soon<F: Future>(future: F) -> F::Output {
    Clock::system().timeout(LONG / 2, future).await.expect("in time")
}

/// Everything until the other side closes.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A reset ends the conversation as well; what came before it is what counts.
    drop(soon(stream.read_to_end(&mut bytes)).await);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer with a body as long as it says.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    soon(async {
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    return text;
                }
            }
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "closed after {text:?}");
        }
    })
    .await
}

async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    answer(stream).await
}
