//! One timer for three limits. Hyper knows a single time limit, from the start or the end of an answer to the end of
//! the next head; this room cuts it: to the connection's first byte, or idle, and from a head's first byte to its end.
//!
//! What must never happen here: a head that lives on the idle limit by arriving one byte at a time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that counts the bytes that came in.
pub(super) struct Counted<S> {
    stream: S,
    arrived: Arc<AtomicU64>,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, arrived: Arc::default() }
    }

    /// The timer that belongs to this stream. What hyper itself asks for is the idle limit.
    pub(super) fn timer(&self, first_byte: Duration, head: Duration) -> HeadTimer {
        HeadTimer { arrived: Arc::clone(&self.arrived), first_byte, head }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let answer = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let came = buffer.filled().len() - before;
        if came > 0 {
            // Reader and timer are polled by one task, so no order has to be established between them.
            self.arrived.fetch_add(came as u64, Ordering::Relaxed);
        }
        answer
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
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
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Makes the sleeps that hyper waits for a head with.
pub(super) struct HeadTimer {
    arrived: Arc<AtomicU64>,
    first_byte: Duration,
    head: Duration,
}

impl HeadTimer {
    fn cut(&self, idle: impl FnOnce(TokioTimer) -> Pin<Box<dyn Sleep>>) -> Pin<Box<dyn Sleep>> {
        let before = self.arrived.load(Ordering::Relaxed);
        let timer = TokioTimer::new();
        let sleep = if before == 0 { timer.sleep(self.first_byte) } else { idle(timer) };
        Box::pin(HeadSleep { sleep, arrived: Arc::clone(&self.arrived), before, head: Some(self.head) })
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, span: Duration) -> Pin<Box<dyn Sleep>> {
        self.cut(|timer| timer.sleep(span))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.cut(|timer| timer.sleep_until(deadline))
    }
}

struct HeadSleep {
    /// First until something arrives, from the first byte on the head's limit.
    sleep: Pin<Box<dyn Sleep>>,
    arrived: Arc<AtomicU64>,
    before: u64,
    head: Option<Duration>,
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.arrived.load(Ordering::Relaxed) != self.before
            && let Some(head) = self.head.take()
        {
            self.sleep = TokioTimer::new().sleep(head);
        }
        self.sleep.as_mut().poll(cx)
    }
}
