//! The load generator: prebuilt bytes over kept-alive connections, one request at a time on each.
//!
//! Two ways to press: [`flood`] sends the next as soon as the last was answered (closed loop), [`steady`] sends at
//! its times whether or not anything was answered (open loop), and counts from those times.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::board::{Board, Lane};
use crate::request::Webhook;
use crate::wire::Inbound;

/// After a refusal.
const PAUSE: Duration = Duration::from_millis(2);

/// A kept-alive connection.
struct Connection {
    stream: TcpStream,
    inbound: Inbound,
    webhook: Webhook,
}

impl Connection {
    async fn open(target: SocketAddr, webhook: &Webhook) -> std::io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, inbound: Inbound::default(), webhook: webhook.clone() })
    }

    /// Sends one; answers whether it was accepted.
    async fn send(&mut self, board: &Board, lane: Lane) -> std::io::Result<bool> {
        let number = board.send(lane).ok_or_else(|| std::io::Error::other("all numbers are used"))?;
        self.stream.write_all(self.webhook.with(number)).await?;
        let answer = self.inbound.next(&mut self.stream).await?;
        let (head, _) = answer.ok_or(std::io::ErrorKind::ConnectionAborted)?;
        let accepted = head.get(9..12) == Some(b"202");
        let counts = board.counts(lane);
        let counter = if accepted { &counts.accepted } else { &counts.refused };
        counter.fetch_add(1, Relaxed);
        Ok(accepted)
    }
}

/// What presses, on a thread of its own, until it is stopped.
pub(crate) struct Running {
    stop: Arc<AtomicBool>,
    board: Arc<Board>,
    thread: std::thread::JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Ends it and waits until the last answer came.
    pub(crate) fn stop(self) -> std::io::Result<()> {
        self.stop.store(true, Relaxed);
        // Those that wait for room get some, look, and end.
        self.board.room.add_permits(1 << 16);
        let ended = self.thread.join();
        self.board.room.forget_permits(usize::MAX >> 4);
        ended.unwrap_or_else(|_| Err(std::io::Error::other("the load generator panicked")))
    }
}

fn begin<F: Future<Output = std::io::Result<()>>>(
    board: &Arc<Board>,
    press: impl FnOnce(Arc<AtomicBool>) -> F + Send + 'static,
) -> std::io::Result<Running> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new()
        .name("generator".to_owned())
        .spawn(move || runtime.block_on(press(told)))?;
    Ok(Running { stop, board: Arc::clone(board), thread })
}

/// Presses as hard as `connections` can, spread evenly over the webhooks. In the lane `Bounded` only while there
/// is room.
pub(crate) fn flood(
    board: &Arc<Board>,
    target: SocketAddr,
    webhooks: &[Webhook],
    connections: usize,
    lane: Lane,
) -> std::io::Result<Running> {
    let (shared, webhooks) = (Arc::clone(board), webhooks.to_vec());
    begin(board, move |stop| async move {
        let mut tasks = Vec::new();
        for webhook in webhooks.iter().cycle().take(connections) {
            let (board, stop) = (Arc::clone(&shared), Arc::clone(&stop));
            let mut connection = Connection::open(target, webhook).await?;
            tasks.push(tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    if lane == Lane::Bounded
                        && let Ok(room) = board.room.acquire().await
                    {
                        room.forget();
                    }
                    if !stop.load(Relaxed) && !connection.send(&board, lane).await? {
                        board.room.add_permits(1);
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                Ok::<_, std::io::Error>(())
            }));
        }
        for task in tasks {
            task.await.map_err(std::io::Error::other)??;
        }
        Ok(())
    })
}

/// Presses at a rate a second, in turns over the webhooks. Times count from when a request should have been sent
/// as nearly as the timer tells (a millisecond): waiting for a connection counts.
pub(crate) fn steady(
    board: &Arc<Board>,
    target: SocketAddr,
    webhooks: &[Webhook],
    rate: u32,
    lane: Lane,
) -> std::io::Result<Running> {
    let (shared, webhooks) = (Arc::clone(board), webhooks.to_vec());
    begin(board, move |stop| async move {
        let mut pool = Vec::new();
        // Two a webhook and at least eight: an answer that is late must not hold the next request back.
        for webhook in webhooks.iter().cycle().take((webhooks.len() * 2).max(8)) {
            pool.push(Arc::new(Mutex::new(Connection::open(target, webhook).await?)));
        }
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
        let mut tasks = tokio::task::JoinSet::new();
        for connection in pool.iter().cycle() {
            ticks.tick().await;
            if stop.load(Relaxed) {
                break;
            }
            let (begun, board, connection) = (Instant::now(), Arc::clone(&shared), Arc::clone(connection));
            tasks.spawn(async move {
                let accepted = connection.lock().await.send(&board, lane).await?;
                board.accept.note(begun.elapsed());
                Ok::<_, std::io::Error>(accepted)
            });
            while let Some(ended) = tasks.try_join_next() {
                ended.map_err(std::io::Error::other)??;
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(std::io::Error::other)??;
        }
        Ok(())
    })
}
