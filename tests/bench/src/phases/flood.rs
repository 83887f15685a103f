//! Eight tenants' triggers are flooded as hard as the connections can: how much is accepted, whether the flood's
//! own runs go on, and whether a notification that is queued meanwhile, of a tenant beside them, is held up.

use std::io;
use std::time::Duration;

use super::reading::Reading;
use super::sustained::CLOSURES_A_RUN;
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
    let before = Reading::take(bench, Lane::Load)?;
    let slowest = bench.probe_deliveries(bench.window()).await?;
    let after = Reading::take(bench, Lane::Load)?;
    let seconds = (after.at - before.at).as_secs_f64();
    let accepts = (after.accepted - before.accepted) as f64;
    let completes = (after.completed - before.completed) as f64;
    let group =
        (accepts + completes * (CLOSURES_A_RUN - 1.0)) / (after.batches - before.batches).max(1) as f64;
    let (accepts, completes) = (accepts / seconds, completes / seconds);
    running.stop()?;
    let left = board.outstanding();
    let stopped = Reading::take(bench, Lane::Load)?;
    let drained = bench.drain(PHASE).await?;
    let emptied = Reading::take(bench, Lane::Load)?;
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
    report.tell(PHASE, "write closures a commit", group, "closures");
    let busy = after.daemon - before.daemon + after.own - before.own + after.runner - before.runner;
    report.tell(PHASE, "cores busy with all of it", busy / seconds, "cores");
    report.tell(PHASE, "left when it ends", left as f64, "runs");
    report.tell(PHASE, "time until they are completed", drained.as_secs_f64(), "s");
    let ended = (emptied.completed - stopped.completed) as f64;
    // A handful of runs tells nothing about a pace.
    if ended >= 1_000.0 {
        report.tell(PHASE, "pace of that", ended / drained.as_secs_f64(), "runs/s");
        let group = ended * (CLOSURES_A_RUN - 1.0) / (emptied.batches - stopped.batches).max(1) as f64;
        report.tell(PHASE, "write closures a commit meanwhile", group, "closures");
        let micros = (emptied.daemon - stopped.daemon) * 1e6 / ended;
        report.tell(PHASE, "processor time of the daemon a run meanwhile", micros, "µs");
    }
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
