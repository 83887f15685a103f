//! The outside world: a real HTTP server that keeps everything it was sent and answers as a test wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One request that came in, recorded before it was answered.
#[derive(Clone, Debug)]
pub struct Received {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Received {
    /// A header as text; empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Waits so long before it answers.
    pub delay: Duration,
    /// More headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// An answer at once, with a small JSON body.
    pub fn status(status: u16) -> Self {
        Self { status, delay: Duration::ZERO, headers: Vec::new(), body: r#"{"ok":true}"#.to_owned() }
    }
}

type Answering = dyn Fn(&Received) -> Reply + Send + Sync;

struct Shared {
    received: Mutex<Vec<Received>>,
    answer: Mutex<Arc<Answering>>,
}

/// A listening receiver. Dropping it closes the listener.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Receiver {
    /// Listens on a free port of the loopback and answers 200.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let answer: Arc<Answering> = Arc::new(|_: &Received| Reply::status(200));
        let shared = Arc::new(Shared { received: Mutex::default(), answer: Mutex::new(answer) });
        let accepting = Arc::clone(&shared);
        let listener = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer_one(Arc::clone(&shared), request));
                    // A caller that was killed leaves half a request; that is its affair.
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Ok(Self { address, shared, listener })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on answers by `answer`.
    pub fn answer_by(&self, answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) {
        *self.shared.answer.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(answer);
    }

    /// Everything that came to paths that begin with `prefix`, in order.
    pub fn received(&self, prefix: &str) -> Vec<Received> {
        let all = self.shared.received.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|r| r.path.starts_with(prefix)).cloned().collect()
    }

    /// How many came to paths that begin with `prefix`.
    pub fn count(&self, prefix: &str) -> usize {
        let all = self.shared.received.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|r| r.path.starts_with(prefix)).count()
    }

    /// How often each value of a header came to paths that begin with `prefix`.
    pub fn count_by_header(&self, prefix: &str, header: &str) -> BTreeMap<String, usize> {
        let all = self.shared.received.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = BTreeMap::new();
        for received in all.iter().filter(|r| r.path.starts_with(prefix)) {
            *counts.entry(received.header(header).to_owned()).or_default() += 1;
        }
        counts
    }
}

async fn answer_one(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let received = Received {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts.headers,
        body,
    };
    let answer = Arc::clone(&*shared.answer.lock().unwrap_or_else(PoisonError::into_inner));
    let reply = answer(&received);
    shared.received.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    tokio::time::sleep(reply.delay).await;
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (hyper::header::HeaderName::from_bytes(name.as_bytes()), value.parse())
        {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Call;

    #[tokio::test]
    async fn it_keeps_what_it_was_sent_and_answers_as_told() {
        let receiver = Receiver::start().await.unwrap();
        receiver.answer_by(|r| Reply::status(if r.path == "/a" { 503 } else { 201 }));
        let call = Call::post("/a", "one").header("idempotency-key", "k");
        assert_eq!(call.tcp(receiver.address()).await.unwrap().status, 503);
        assert_eq!(call.tcp(receiver.address()).await.unwrap().status, 503);
        assert_eq!(Call::new("GET", "/b").tcp(receiver.address()).await.unwrap().status, 201);
        assert_eq!(receiver.count_by_header("/a", "idempotency-key"), BTreeMap::from([("k".to_owned(), 2)]));
        assert_eq!((receiver.count("/"), receiver.received("/a")[1].body.as_ref()), (3, &b"one"[..]));
    }
}
