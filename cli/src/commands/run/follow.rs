//! Waiting for a run, with its log lines or without. The run's record decides when it is over, not the stream: a stream
//! may break at any time.

use std::time::{Duration, Instant};

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{LogLine, LogQuery, RunView};

use super::view;
use crate::failure::Failure;
use crate::session::Session;

/// The first and the longest pause between two looks at a run.
const LOOK_FIRST: Duration = Duration::from_millis(20);
const LOOK_LONGEST: Duration = Duration::from_secs(1);
/// How often in a row a stream that broke is opened again.
const REOPEN_LIMIT: u32 = 20;

/// Waits until the trigger stage has made the run of an event that was accepted just now; `false` if it has not come
/// by then. Until it has, the run's id is a promise that no other call knows.
pub(super) async fn appears(
    session: &Session,
    tenant: &str,
    run: &str,
    limit: Duration,
) -> Result<bool, Failure> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        match session.get::<RunView>(Operation::RunGet, &[tenant, run], &()).await {
            Ok(_) => return Ok(true),
            Err(failure) if !failure.is(ErrorCode::NotFound) => return Err(failure),
            Err(_) if begun.elapsed() > limit => return Ok(false),
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(LOOK_LONGEST);
    }
}

/// Waits until a run has ended, or `--timeout`.
pub(super) async fn wait(session: &Session, tenant: &str, run: &str) -> Result<RunView, Failure> {
    limited(session, run, look(session, tenant, run)).await
}

/// Shows the log lines of a run as they come, until it has ended, or `--timeout`.
pub(super) async fn follow_to_end(session: &Session, tenant: &str, run: &str) -> Result<RunView, Failure> {
    limited(session, run, async {
        stream(session, tenant, run, None).await?;
        look(session, tenant, run).await
    })
    .await
}

/// Shows the log lines of a run as they come, until it has ended, or `--timeout`.
pub(super) async fn logs(
    session: &Session,
    tenant: &str,
    run: &str,
    step: Option<&str>,
) -> Result<(), Failure> {
    limited(session, run, stream(session, tenant, run, step)).await
}

async fn limited<T>(
    session: &Session,
    run: &str,
    waiting: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(limit) = session.timeout() else { return waiting.await };
    tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| {
        let message =
            format!("{run} has not ended within {}", crate::moment::milliseconds(limit.as_millis() as i64));
        Err(Failure::new(ErrorCode::Timeout, message)
            .with_hint("it goes on by itself; wait again, or `tenantry run show` it"))
    })
}

async fn look(session: &Session, tenant: &str, run: &str) -> Result<RunView, Failure> {
    let mut pause = LOOK_FIRST;
    loop {
        let view: RunView = session.get(Operation::RunGet, &[tenant, run], &()).await?;
        if view.state.is_terminal() {
            return Ok(view);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_LONGEST);
    }
}

async fn stream(session: &Session, tenant: &str, run: &str, step: Option<&str>) -> Result<(), Failure> {
    let output = session.output;
    let mut query = LogQuery { follow: true, step: step.map(str::to_owned), ..LogQuery::default() };
    let mut failures = 0;
    loop {
        let mut lines = session.stream(Operation::RunLogs, &[tenant, run], &query, None).await?;
        let broken = loop {
            match lines.next().await {
                // The daemon says when there will be no more; the run's record says so too, below.
                Ok(Some(event)) if event.event != "line" => {}
                Ok(Some(event)) => {
                    failures = 0;
                    let line: LogLine = event.decode()?;
                    output
                        .item(&line, &line.seq.to_string(), || view::log_line(&line, output.colour_out()))?;
                    query.after = Some(line.seq.to_string());
                }
                Ok(None) => break None,
                Err(error) => break Some(Failure::from(error)),
            }
        };
        let view: RunView = session.get(Operation::RunGet, &[tenant, run], &()).await?;
        failures += 1;
        match broken {
            None if view.state.is_terminal() => return Ok(()),
            Some(failure) if failures > REOPEN_LIMIT => return Err(failure),
            _ if failures > REOPEN_LIMIT => {
                let message = format!("the log lines of {run} end before the run does");
                return Err(Failure::new(ErrorCode::DaemonUnreachable, message));
            }
            _ => tokio::time::sleep(LOOK_LONGEST.min(LOOK_FIRST * failures)).await,
        }
    }
}
