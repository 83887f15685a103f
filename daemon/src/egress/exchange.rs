//! One connection and the exchanges over it: a request out, an answer in.
//!
//! The connection is driven by the task that waits for the answer, not by a task of its own: no spawn and no
//! wake-up across threads for each request, and a request that is given up closes its connection at once.
//!
//! What must never happen here: a connection that goes on after an answer was not read to its end, an answer longer
//! than the limit in memory.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};

use super::connect::Stream;

/// The longest head of an answer, in bytes.
pub const MAX_RESPONSE_HEAD: usize = 32 * 1024;

/// One open connection.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    wire: Wire,
    used: bool,
}

/// HTTP/1.1 over a stream. Boxed where it is kept, so that moving a line into the pool and out of it is cheap.
type Spoken = Connection<Stream, Full<Bytes>>;

struct Wire {
    /// `None` once the connection has ended.
    connection: Option<Pin<Box<Spoken>>>,
}

/// Why an exchange failed; the caller knows the host.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection broke.
    Lost(String),
    /// What came is not an answer.
    Protocol(String),
    /// The body is longer than the limit.
    TooLarge,
}

/// A request that did not get its answer.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) failure: Failure,
    /// The request, where the connection was found dead before anything of it was written.
    pub(super) unsent: Option<Box<Request<Full<Bytes>>>>,
}

impl Line {
    /// Makes a line of a fresh stream.
    pub(super) async fn new(stream: Stream) -> Result<Self, Failure> {
        let mut builder = http1::Builder::new();
        builder.max_header_size(MAX_RESPONSE_HEAD);
        let (sender, connection) = builder.handshake(stream).await.map_err(|error| failure(&error))?;
        Ok(Self { sender, wire: Wire { connection: Some(Box::pin(connection)) }, used: false })
    }

    /// Whether a request went over it before.
    pub(super) const fn is_used(&self) -> bool {
        self.used
    }

    /// Whether it can take a request now; finds out without waiting.
    pub(super) fn is_alive(&mut self) -> bool {
        self.wire.poll(&mut Context::from_waker(Waker::noop()));
        self.wire.connection.is_some() && self.sender.is_ready()
    }

    /// Sends the request and waits for the head of the answer.
    pub(super) async fn head(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        self.used = true;
        let answer = self.sender.try_send_request(request);
        let answer = self.wire.drive(answer).await.map_err(|mut error| Unanswered {
            unsent: error.take_message().map(Box::new),
            failure: failure(error.error()),
        })?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let failure = Failure::Protocol("it switches to another protocol".to_owned());
            return Err(Unanswered { failure, unsent: None });
        }
        Ok(answer)
    }

    /// Reads the body to its end, at most `limit` bytes.
    pub(super) async fn body(
        &mut self,
        answer: Response<Incoming>,
        limit: usize,
    ) -> Result<(Parts, Bytes), Failure> {
        let (head, body) = answer.into_parts();
        let body = self.wire.drive(collect(body, limit)).await?;
        Ok((head, body))
    }
}

impl Wire {
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && connection.as_mut().poll(cx).is_ready()
        {
            self.connection = None;
        }
    }

    /// Awaits the future while the connection moves.
    async fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            // The first look tells the connection what is wanted of it, the second one takes what that brought.
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            self.poll(cx);
            future.as_mut().poll(cx)
        })
        .await
    }
}

async fn collect(body: Incoming, limit: usize) -> Result<Bytes, Failure> {
    let hint = body.size_hint();
    if hint.lower() > limit as u64 {
        return Err(Failure::TooLarge);
    }
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        // Trailers are read and dropped.
        let Ok(data) = frame.map_err(|error| failure(&error))?.into_data() else { continue };
        if first.len() + all.len() + data.len() > limit {
            return Err(Failure::TooLarge);
        }
        if first.is_empty() && all.is_empty() {
            // A body that comes in one piece is handed on as it is.
            first = data;
            continue;
        }
        if all.is_empty() {
            all.reserve((hint.lower() as usize).max(first.len() + data.len()));
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn failure(error: &hyper::Error) -> Failure {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        why.push_str(": ");
        why.push_str(&error.to_string());
        cause = error.source();
    }
    if error.is_parse() || error.is_parse_too_large() || error.is_user() {
        Failure::Protocol(why)
    } else {
        Failure::Lost(why)
    }
}
