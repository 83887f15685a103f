//! The harness behind every test that looks at tenantry from outside.
//!
//! What is here knows the product only by what a person or a machine beside it can see: files, the socket, the
//! listener, exit codes. It must never reach into the daemon's modules to learn what happened, because then a test could
//! agree with a lie. There are two exceptions: [`powercut`] drives the real store in a child process and judges the files
//! that a power cut would leave, and [`fuzz`] calls the readers of strangers' texts, with oracles of its own.
//!
//! Begin with [`daemon::TestDaemon`] (a real daemon in a folder of its own) and [`receiver::Receiver`] (the outside
//! world that actions and notifications reach).

pub mod binary;
pub mod crash;
pub mod daemon;
pub mod fuzz;
pub mod http;
pub mod powercut;
pub mod random;
pub mod receiver;
pub mod sign;
pub mod skip;
pub mod tenant;

use std::time::{Duration, Instant};

/// How long a test waits for what should happen at once.
pub const SOON: Duration = Duration::from_secs(20);

/// Asks `probe` again and again until it yields a value, at most until the deadline; then panics with `what`, which
/// says what did not happen.
pub async fn eventually<T, F>(deadline: Duration, what: &str, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        let waited = begun.elapsed();
        assert!(waited < deadline, "did not happen within {waited:.1?}: {what}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
