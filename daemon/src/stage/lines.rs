//! Log lines on their way from a handler to the logging stage while the handler still works.
//!
//! A command may run for an hour; its lines are sent on every half second, each batch as a durable job of the
//! logging stage. **Invariant:** a handler that writes faster than the disk takes is held back, never cut off.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::service::material::Line;

/// Lines that wait to be sent on, and lines that are sent on together.
const BATCH: usize = 256;
/// How long a line waits for others.
const LINGER: Duration = Duration::from_millis(500);

/// Takes lines from a handler.
#[derive(Clone)]
pub struct LineSink {
    sender: Option<mpsc::Sender<Line>>,
}

impl LineSink {
    /// A sink and what drains it.
    pub(super) fn new() -> (Self, LineDrain) {
        let (sender, receiver) = mpsc::channel(BATCH);
        (Self { sender: Some(sender) }, LineDrain { receiver: Some(receiver), batch: Vec::new() })
    }

    /// A sink for handlers that have nothing to say; it costs nothing.
    pub(super) const fn closed() -> (Self, LineDrain) {
        (Self { sender: None }, LineDrain { receiver: None, batch: Vec::new() })
    }

    /// Takes a line; waits while too many are on their way.
    pub async fn push(&self, line: Line) {
        if let Some(sender) = &self.sender {
            // The drain outlives the handler, so a closed channel means that the job is being given up.
            sender.send(line).await.ok();
        }
    }
}

/// Gives the lines of a handler in batches.
pub(super) struct LineDrain {
    receiver: Option<mpsc::Receiver<Line>>,
    batch: Vec<Line>,
}

impl LineDrain {
    /// The next batch: when it is full, or half a second after its first line. Dropping the future loses no line.
    pub(super) async fn next(&mut self, clock: &Clock) -> Vec<Line> {
        let Some(receiver) = &mut self.receiver else { return std::future::pending().await };
        if self.batch.is_empty() {
            match receiver.recv().await {
                Some(line) => self.batch.push(line),
                // Every sink is gone: nothing comes any more.
                None => std::future::pending().await,
            }
        }
        let linger = clock.sleep(LINGER);
        tokio::pin!(linger);
        while self.batch.len() < BATCH {
            tokio::select! {
                biased;
                line = receiver.recv() => match line {
                    Some(line) => self.batch.push(line),
                    None => break,
                },
                () = &mut linger => break,
            }
        }
        std::mem::take(&mut self.batch)
    }

    /// What is left when the handler has ended.
    pub(super) fn rest(&mut self) -> Vec<Line> {
        let mut rest = std::mem::take(&mut self.batch);
        if let Some(receiver) = &mut self.receiver {
            rest.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        }
        rest
    }
}
