//! Waiting for something to become true: looked at again and again, up to a limit.

use std::time::{Duration, Instant};

use tenantry_protocol::error::ErrorCode;

use crate::failure::Failure;

/// How long the demo waits for any one thing.
const LIMIT: Duration = Duration::from_secs(20);
/// The first and the longest pause between two looks.
const FIRST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(50);

/// Looks until there is something. An error of a look is an error of the demo, not a reason to look again.
pub(super) async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<Option<T>, Failure>>,
{
    let begun = Instant::now();
    let mut pause = FIRST;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if begun.elapsed() > LIMIT {
            let message = format!("{what}: not within {} s", LIMIT.as_secs());
            return Err(Failure::new(ErrorCode::Timeout, message));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}
