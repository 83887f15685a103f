//! What is measured, one phase a file. A phase finds the daemon idle and leaves it idle.

pub(crate) mod check;
pub(crate) mod flood;
pub(crate) mod latency;
pub(crate) mod limits;
pub(crate) mod memory;
pub(crate) mod neighbour;
mod reading;
pub(crate) mod sustained;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tenantry_protocol::client::Client;
use tenantry_protocol::path::Operation;

use crate::board::{Board, Lane};
use crate::daemon::Daemon;
use crate::report::Report;
use crate::request::Webhook;

/// Before anything is counted.
pub(crate) const WARM_UP: Duration = Duration::from_secs(2);
/// How long what was accepted may take to complete once nothing comes in any more.
const DRAIN: Duration = Duration::from_secs(90);
/// Probes a second.
pub(crate) const PROBE_RATE: u32 = 20;

/// What every phase works with.
pub(crate) struct Bench {
    pub(crate) board: Arc<Board>,
    pub(crate) daemon: Daemon,
    /// One a tenant.
    pub(crate) webhooks: Vec<Webhook>,
    /// A tenant that none of them floods.
    pub(crate) neighbour: (String, Webhook),
    pub(crate) connections: usize,
    pub(crate) seconds: u64,
    pub(crate) report: Report,
    /// Runs a second, once measured.
    pub(crate) sustained: Option<f64>,
    /// Events a second in the flood, once measured.
    pub(crate) accepts: Option<f64>,
    /// Write closures a commit, once measured.
    pub(crate) group: Option<f64>,
}

impl Bench {
    pub(crate) fn window(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Waits until everything accepted has been notified; answers how long that took. What does not complete in
    /// time is told and fails the report.
    pub(crate) async fn drain(&mut self, phase: &'static str) -> io::Result<Duration> {
        let begun = Instant::now();
        while self.board.outstanding() > 0 && begun.elapsed() < DRAIN {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let stuck = self.board.outstanding();
        if stuck > 0 {
            let note = format!("{phase}: {stuck} accepted events were not notified within {DRAIN:?}");
            self.report.notes.push(note);
        }
        Ok(begun.elapsed())
    }

    /// Sends test notifications of the neighbour at [`PROBE_RATE`] for a while; their times are in
    /// `board.delivery`. Answers how long the API took at most.
    pub(crate) async fn probe_deliveries(&self, window: Duration) -> io::Result<Duration> {
        let begun = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / PROBE_RATE);
        let mut tasks = tokio::task::JoinSet::new();
        while begun.elapsed() < window {
            ticks.tick().await;
            let (client, tenant) = (self.daemon.client.clone(), self.neighbour.0.clone());
            tasks.spawn(async move { test_channel(&client, &tenant).await });
        }
        let mut longest = Duration::ZERO;
        while let Some(ended) = tasks.join_next().await {
            longest = longest.max(ended.map_err(io::Error::other)??);
        }
        Ok(longest)
    }

    pub(crate) fn refused(&self, lane: Lane) -> u64 {
        self.board.counts(lane).refused.load(Relaxed)
    }
}

async fn test_channel(client: &Client, tenant: &str) -> io::Result<Duration> {
    let begun = Instant::now();
    let at = [tenant, "probe"];
    let answer = client.send::<serde_json::Value>(Operation::ChannelTest, &at, &());
    answer.await.map_err(io::Error::other)?;
    Ok(begun.elapsed())
}
