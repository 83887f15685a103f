//! Eight tenants' triggers are flooded as hard as the connections can: how much is accepted, whether the flood's
//! own runs go on, and whether a notification that is queued meanwhile, of a tenant beside them, is held up.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::{Bench, WARM_UP};
use crate::board::Lane;
use crate::generator::flood;
use crate::process::{children, peak};
use crate::report::Target;

const PHASE: &str = "flood";

pub(crate) async fn measure(bench: &mut Bench) -> io::Result<()> {
    let board = bench.board.clone();
    bench.probe_deliveries(bench.window()).await?;
    let unloaded = settled(bench).await;

    let running = flood(&board, bench.daemon.ingress, &bench.webhooks, bench.connections, Lane::Load)?;
    tokio::time::sleep(WARM_UP).await;
    let counts = board.counts(Lane::Load);
    let (begun, accepted, completed) =
        (Instant::now(), counts.accepted.load(Relaxed), counts.completed.load(Relaxed));
    let slowest = bench.probe_deliveries(bench.window()).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let accepts = (counts.accepted.load(Relaxed) - accepted) as f64 / seconds;
    let completes = (counts.completed.load(Relaxed) - completed) as f64 / seconds;
    running.stop()?;
    let left = board.outstanding();
    let drained = bench.drain(PHASE).await?;
    let loaded = settled(bench).await;

    let refused = bench.refused(Lane::Load);
    bench.accepts = Some(accepts);
    let (sustained, report) = (bench.sustained, &mut bench.report);
    report.judge(PHASE, "accepted over all tenants", accepts, "events/s", Target::AtLeast(15_000.0));
    report.tell(PHASE, "refused", refused as f64, "events");
    report.tell(PHASE, "completed while it lasts", completes, "runs/s");
    if let Some(sustained) = sustained {
        let share = completes / sustained * 100.0;
        report.judge(PHASE, "completed while it lasts, of sustained", share, "%", Target::AtLeast(70.0));
    }
    report.tell(PHASE, "left when it ends", left as f64, "runs");
    report.tell(PHASE, "time until they are completed", drained.as_secs_f64(), "s");
    let pace = left as f64 / drained.as_secs_f64().max(0.001);
    report.tell(PHASE, "pace of that", pace, "runs/s");
    report.tell(PHASE, "queued notification → received, unloaded p50", unloaded.p50, "ms");
    report.tell(PHASE, "queued notification → received, unloaded p99", unloaded.p99, "ms");
    report.tell(PHASE, "queued notification → received, in the flood p50", loaded.p50, "ms");
    let limit = unloaded.p99 * 1.5 + 20.0;
    let name = "queued notification → received, in the flood p99";
    report.judge(PHASE, name, loaded.p99, "ms", Target::AtMost(limit));
    report.tell(PHASE, "slowest answer of the API meanwhile", slowest.as_secs_f64() * 1e3, "ms");
    let pid = bench.daemon.pid();
    report.judge(PHASE, "peak resident memory of the daemon", peak(pid), "MiB", Target::AtMost(250.0));
    let runner = children(pid).into_iter().map(peak).sum();
    report.tell(PHASE, "peak resident memory of the runner", runner, "MiB");
    Ok(())
}

/// The times of the probes, once the last has had time to arrive.
async fn settled(bench: &Bench) -> crate::board::Summary {
    tokio::time::sleep(Duration::from_millis(500)).await;
    bench.board.delivery.take()
}
