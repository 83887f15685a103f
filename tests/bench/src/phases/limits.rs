//! What the machine gives to the same writes in bare SQLite and the same requests in bare axum.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::bare::{axum_limit, sqlite_limit};
use crate::board::{Board, Lane};
use crate::generator::flood;
use crate::report::Report;
use crate::request::Webhook;

const PHASE: &str = "limits";
/// Where no group size was measured.
const GROUP: f64 = 8.0;

/// What was measured before, to be set beside the limits.
pub(crate) struct Before {
    pub(crate) sustained: Option<f64>,
    pub(crate) group: Option<f64>,
    pub(crate) accepts: Option<f64>,
}

pub(crate) async fn measure(
    report: &mut Report,
    place: &Path,
    connections: usize,
    window: Duration,
    before: &Before,
) -> io::Result<()> {
    let group = (before.group.unwrap_or(GROUP).round() as usize).max(1);
    for group in [group, 128] {
        let folder = tempfile::tempdir_in(place)?;
        let path = folder.path().to_owned();
        let work = tokio::task::spawn_blocking(move || sqlite_limit::measure(&path, group, window));
        let rate = work.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        report.tell(
            PHASE,
            format!("bare SQLite, 23 row writes a run, {group} closures a commit"),
            rate,
            "runs/s",
        );
        if let Some(sustained) = before.sustained {
            report.tell(PHASE, "sustained, of that", sustained / rate * 100.0, "%");
        }
    }
    let address = axum_limit::start()?;
    let board = Arc::new(Board::new().map_err(io::Error::other)?);
    let running = flood(&board, address, &[Webhook::to("/hooks/a/w1")], connections, Lane::Load)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let count = || board.counts(Lane::Load).accepted.load(Relaxed);
    let (begun, first) = (std::time::Instant::now(), count());
    tokio::time::sleep(window / 2).await;
    let rate = (count() - first) as f64 / begun.elapsed().as_secs_f64();
    running.stop()?;
    report.tell(PHASE, "bare axum, body read, 202, same generator", rate, "requests/s");
    if let Some(accepts) = before.accepts {
        report.tell(PHASE, "accepted in the flood, of that", accepts / rate * 100.0, "%");
    }
    Ok(())
}
