//! What a daemon with a hundred tenants takes when nothing happens.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::daemon::Daemon;
use crate::process::{children, resident};
use crate::report::{Report, Target};
use crate::tenants;

const PHASE: &str = "memory";
const TENANTS: usize = 100;
/// Until what was begun has ended.
const REST: Duration = Duration::from_secs(3);
/// Until the files that nobody uses have been closed: `store.idle-close` and the pause between two looks.
const IDLE: Duration = Duration::from_secs(30);

pub(crate) async fn measure(report: &mut Report, place: &Path, receiver: SocketAddr) -> io::Result<()> {
    let mut daemon = Daemon::start(place).await?;
    for index in 0..TENANTS {
        let made = tenants::create(&daemon.client, &format!("m{index}"), receiver).await;
        made.map_err(io::Error::other)?;
    }
    tokio::time::sleep(REST).await;
    let made = format!("{TENANTS} tenants with a workflow each, just created");
    report.tell(PHASE, made, resident(daemon.pid()), "MiB");
    tokio::time::sleep(IDLE).await;
    report.judge(PHASE, "idle", resident(daemon.pid()), "MiB", Target::AtMost(40.0));
    let took = daemon.restart().await?;
    report.tell(PHASE, "time until it serves again after a restart", took.as_secs_f64() * 1e3, "ms");
    tokio::time::sleep(REST).await;
    report.tell(PHASE, "just restarted", resident(daemon.pid()), "MiB");
    tokio::time::sleep(IDLE).await;
    report.judge(PHASE, "idle after the restart", resident(daemon.pid()), "MiB", Target::AtMost(40.0));
    let runner = children(daemon.pid()).into_iter().map(resident).sum();
    report.tell(PHASE, "its runner, beside it", runner, "MiB");
    Ok(())
}
