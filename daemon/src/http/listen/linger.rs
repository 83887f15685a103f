//! The end of a connection whose request was answered before its body was read.
//!
//! A socket that is closed with unread bytes is reset, and the reset can overtake the answer: the sender of a body that
//! is too large would see a broken connection instead of the reason. So what still comes is read and dropped for a
//! while, after our side was closed. What must never happen here: dropping more bytes, or for longer, than the limits.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read at once and dropped.
const CHUNK: usize = 16 * 1024;

/// How much of an unread body is dropped before a connection is closed.
#[derive(Clone, Copy, Debug)]
pub struct LingerLimits {
    /// Bytes.
    pub bytes: usize,
    /// The time.
    pub time: Duration,
}

/// Whether a request's body is not read to its end. Reader and connection are polled by one task.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    fn set(&self, unread: bool) {
        self.0.store(unread, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of a request.
#[derive(Debug)]
pub struct RequestBody {
    body: Incoming,
    unread: Unread,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, unread: &Unread) -> Self {
        unread.set(!body.is_end_stream());
        Self { body, unread: unread.clone() }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.unread.set(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that is closed in peace.
pub(super) struct Lingering<S> {
    stream: S,
    unread: Unread,
    limits: LingerLimits,
    /// Runs from the moment when our side is closed.
    end: Option<Pin<Box<dyn Sleep>>>,
    dropped: usize,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, limits: LingerLimits) -> Self {
        Self { stream, unread: Unread::default(), limits, end: None, dropped: 0 }
    }

    /// Tells this stream whether there is something to wait for.
    pub(super) fn unread(&self) -> Unread {
        self.unread.clone()
    }
}

impl<S: AsyncRead + Unpin> Lingering<S> {
    /// Drops what comes until the other side closes too, or a limit is reached.
    fn poll_drop(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut chunk = [0; CHUNK];
        while self.dropped < self.limits.bytes {
            let mut buffer = ReadBuf::new(&mut chunk);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.dropped += buffer.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.end.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if !self.unread.is_set() {
                return Poll::Ready(Ok(()));
            }
            self.end = Some(TokioTimer::new().sleep(self.limits.time));
        }
        let over = self.end.as_mut().is_none_or(|end| end.as_mut().poll(cx).is_ready());
        if over || self.poll_drop(cx).is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}
