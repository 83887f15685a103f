//! One tenant floods; how another's runs fare at twenty a second.

use std::io;

use super::{Bench, PROBE_RATE, WARM_UP};
use crate::board::{Lane, Summary};
use crate::generator::{flood, steady};
use crate::report::Target;

const PHASE: &str = "neighbour";

pub(crate) async fn measure(bench: &mut Bench) -> io::Result<()> {
    let unloaded = probe(bench).await?;
    let flooding = &bench.webhooks[..1];
    let running = flood(&bench.board, bench.daemon.ingress, flooding, bench.connections, Lane::Load)?;
    tokio::time::sleep(WARM_UP).await;
    let loaded = probe(bench).await?;
    running.stop()?;
    let drained = bench.drain(PHASE).await?;
    let report = &mut bench.report;
    report.tell(PHASE, "another tenant end to end at 20/s, unloaded p50", unloaded.p50, "ms");
    report.tell(PHASE, "another tenant end to end at 20/s, unloaded p99", unloaded.p99, "ms");
    report.tell(PHASE, "the same while one tenant floods, p50", loaded.p50, "ms");
    let limit = unloaded.p99 * 2.0 + 20.0;
    report.judge(PHASE, "the same while one tenant floods, p99", loaded.p99, "ms", Target::AtMost(limit));
    report.tell(PHASE, "time until the flood is completed", drained.as_secs_f64(), "s");
    Ok(())
}

/// The neighbour's end-to-end times. Those that have not arrived when the window ends are waited for while the
/// load goes on.
async fn probe(bench: &Bench) -> io::Result<Summary> {
    let board = &bench.board;
    let counts = board.counts(Lane::Probe);
    let webhooks = std::slice::from_ref(&bench.neighbour.1);
    board.end_to_end.take();
    let running = steady(board, bench.daemon.ingress, webhooks, PROBE_RATE, Lane::Probe)?;
    tokio::time::sleep(bench.window()).await;
    running.stop()?;
    let open = || {
        use std::sync::atomic::Ordering::Relaxed;
        counts.accepted.load(Relaxed) > counts.completed.load(Relaxed)
    };
    for _ in 0..1_000 {
        if !open() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Ok(board.end_to_end.take())
}
