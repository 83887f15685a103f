//! One connection from its first byte to its last.
//!
//! What must never happen here: a spawn for a request, an answer that is cut off by the drain.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::linger::Lingering;
use super::timer::Counted;
use super::{ListenLimits, PeerInfo, RequestBody};
use crate::supervise::Stop;

/// What every connection of a listener needs.
pub(super) struct House<S> {
    pub(super) limits: ListenLimits,
    pub(super) stop: Stop,
    pub(super) service: S,
}

impl<S> House<S> {
    /// Serves one connection until it ends, is silent for too long, or the drain finds it idle.
    pub(super) async fn serve<F, B>(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Arc<PeerInfo>,
    ) where
        S: Fn(Request<RequestBody>, Arc<PeerInfo>) -> F,
        F: Future<Output = Response<B>>,
        B: Body<Data = Bytes> + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let stream = Counted::new(stream);
        let mut builder = http1::Builder::new();
        builder
            .timer(stream.timer(self.limits.first_byte_timeout, self.limits.header_timeout))
            .header_read_timeout(self.limits.idle_timeout)
            .max_header_size(self.limits.header_bytes)
            .max_headers(self.limits.max_headers);
        let stream = Lingering::new(stream, self.limits.linger);
        let unread = stream.unread();
        let service = service_fn(|request: Request<Incoming>| {
            let request = request.map(|body| RequestBody::new(body, &unread));
            let answer = (self.service)(request, Arc::clone(&peer));
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended early");
        }
    }
}
