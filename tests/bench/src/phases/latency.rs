//! Fifty events a second over all tenants, open loop: what one event costs when there is room.

use std::io;

use super::{Bench, WARM_UP};
use crate::board::Lane;
use crate::generator::steady;
use crate::report::Target;

const PHASE: &str = "latency";
const RATE: u32 = 50;

pub(crate) async fn measure(bench: &mut Bench) -> io::Result<()> {
    let running = steady(&bench.board, bench.daemon.ingress, &bench.webhooks, RATE, Lane::Probe)?;
    tokio::time::sleep(WARM_UP).await;
    bench.board.end_to_end.take();
    bench.board.accept.take();
    tokio::time::sleep(bench.window()).await;
    running.stop()?;
    bench.drain(PHASE).await?;
    let (whole, accept) = (bench.board.end_to_end.take(), bench.board.accept.take());
    let report = &mut bench.report;
    report.tell(PHASE, "events counted at 50/s, open loop", whole.count as f64, "events");
    report.judge(
        PHASE,
        "end to end p50 (sent → notification received)",
        whole.p50,
        "ms",
        Target::AtMost(3.0),
    );
    report.judge(PHASE, "end to end p99", whole.p99, "ms", Target::AtMost(10.0));
    report.tell(PHASE, "end to end max", whole.max, "ms");
    report.tell(PHASE, "accept p50 (sent → 202)", accept.p50, "ms");
    report.tell(PHASE, "accept p99", accept.p99, "ms");
    Ok(())
}
