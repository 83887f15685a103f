//! As many runs as complete, with no more under way than keeps the pipeline full.

use std::io;

use super::reading::Reading;
use super::{Bench, WARM_UP};
use crate::board::Lane;
use crate::generator::flood;
use crate::report::Target;

const PHASE: &str = "sustained";
/// Runs under way.
pub(crate) const IN_FLIGHT: usize = 512;
/// What one run writes: accepting it, and one settlement a stage.
pub(super) const CLOSURES_A_RUN: f64 = 5.0;

pub(crate) async fn measure(bench: &mut Bench) -> io::Result<()> {
    let board = bench.board.clone();
    board.room.add_permits(IN_FLIGHT);
    let target = bench.daemon.ingress;
    let running = flood(&board, target, &bench.webhooks, bench.connections, Lane::Bounded)?;
    tokio::time::sleep(WARM_UP).await;
    let before = Reading::take(bench, Lane::Bounded)?;
    tokio::time::sleep(bench.window()).await;
    let after = Reading::take(bench, Lane::Bounded)?;
    running.stop()?;
    bench.drain(PHASE).await?;
    let seconds = (after.at - before.at).as_secs_f64();
    let runs = (after.completed - before.completed) as f64;
    let rate = runs / seconds;
    bench.sustained = Some(rate);
    let report = &mut bench.report;
    report.judge(PHASE, "completed runs/s (≤ 512 under way)", rate, "runs/s", Target::AtLeast(5_000.0));
    let micros = |before: f64, after: f64| (after - before) * 1e6 / runs.max(1.0);
    report.tell(PHASE, "processor time of the daemon a run", micros(before.daemon, after.daemon), "µs");
    report.tell(PHASE, "processor time of the runner a run", micros(before.runner, after.runner), "µs");
    let own = micros(before.own, after.own);
    report.tell(PHASE, "processor time of generator and receiver a run", own, "µs");
    let busy = after.daemon - before.daemon + after.own - before.own + after.runner - before.runner;
    report.tell(PHASE, "cores busy with all of it", busy / seconds, "cores");
    let group = runs * CLOSURES_A_RUN / (after.batches - before.batches).max(1) as f64;
    bench.group = Some(group);
    report.tell(PHASE, "write closures a commit (5 a run)", group, "closures");
    let refused = bench.refused(Lane::Bounded);
    bench.report.tell(PHASE, "refused", refused as f64, "events");
    Ok(())
}
