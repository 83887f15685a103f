//! The outside world of the demo: an HTTP server on the loopback that answers the workflow's request and takes its
//! notifications. It keeps what came, to be compared with what the daemon tells.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::failure::{Failure, Local};

/// The largest body that is taken, in bytes.
const BODY_LIMIT: usize = 1 << 20;
/// How many requests are kept.
const KEPT_LIMIT: usize = 1_000;

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    /// A header as text; empty if it is absent.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

type Kept = Arc<Mutex<Vec<Received>>>;

/// The receiver. Dropping it closes it.
pub(super) struct Receiver {
    address: SocketAddr,
    kept: Kept,
    /// Aborted when dropped.
    _listening: JoinSet<()>,
}

impl Receiver {
    /// Listens on a free port of the loopback.
    pub(super) async fn start() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::local(
                Local::DemoFailed,
                format!("the demo's receiver cannot listen on 127.0.0.1: {error}"),
            )
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let kept = Kept::default();
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, Arc::clone(&kept)));
        Ok(Self { address, kept, _listening: listening })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of it.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came to a path, oldest first.
    pub(super) fn received(&self, path: &str) -> Vec<Received> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|received| received.path == path).cloned().collect()
    }
}

async fn listen(listener: TcpListener, kept: Kept) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let kept = Arc::clone(&kept);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&kept)));
                    // A caller that goes away in the middle is the caller's affair.
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
        }
    }
}

async fn answer(request: Request<Incoming>, kept: Kept) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"stars\": 41}")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => {
            let path = parts.uri.path().to_owned();
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < KEPT_LIMIT {
                kept.push(Received { path, headers: parts.headers, body: body.to_bytes() });
            }
        }
        Err(_) => *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE,
    }
    Ok(response)
}
