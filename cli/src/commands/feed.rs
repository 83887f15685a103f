//! `tenantry feed`: what changes, as it changes.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use tenantry_protocol::client::stream::Stream;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::feed::{Change, FeedItem};
use tenantry_protocol::path::Operation;
use tenantry_protocol::printable::printable;

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::moment::time_of_day;
use crate::session::Session;
use crate::state::{run_tone, step_tone};
use crate::table::{Tone, push_toned};

/// How long to wait before a feed that broke is opened again.
const REOPEN_DELAY: Duration = Duration::from_millis(500);
/// How often in a row that is tried.
const REOPEN_LIMIT: u32 = 20;

/// Follow what changes: runs, steps, events, dead letters, notifications
///
/// Follows one tenant, or with --host every tenant of the host, until Ctrl-C or --timeout. The feed is a hint, never
/// the truth: after a gap, read again what you show.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme feed
  tenantry -t acme feed -o jsonl | jq -c 'select(.change == \"run\")'
  tenantry feed --host")]
pub(crate) struct Feed {
    /// Follow every tenant of the host
    #[arg(long)]
    host: bool,
    /// Go on after this id (shown by `-o jsonl` as it comes)
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

impl Feed {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        session.output.must_stream()?;
        let tenant = if self.host { None } else { Some(session.tenant().await?) };
        let follow = follow(session, tenant.as_deref(), self.after);
        match session.timeout() {
            Some(limit) => match tokio::time::timeout(limit, follow).await {
                Ok(ended) => ended,
                Err(_) => Ok(Exit::Ok),
            },
            None => follow.await,
        }
    }
}

async fn follow(session: &Session, tenant: Option<&str>, mut after: Option<String>) -> Ended {
    let (operation, path) = match &tenant {
        Some(tenant) => (Operation::TenantFeed, vec![*tenant]),
        None => (Operation::HostFeed, Vec::new()),
    };
    let mut failures = 0;
    loop {
        let opened = session.stream(operation, &path, &(), after.as_deref()).await;
        let broken = match opened {
            Ok(mut stream) => {
                failures = 0;
                drain(session, &mut stream, &mut after).await?
            }
            // The first attempt tells the person at once; later ones are the daemon being restarted.
            Err(failure) if after.is_some() && failure.is(ErrorCode::DaemonUnreachable) => Some(failure),
            Err(failure) => return Err(failure),
        };
        failures += 1;
        if failures > REOPEN_LIMIT {
            let gone = Failure::new(ErrorCode::DaemonUnreachable, "the feed ended and does not come back");
            return Err(broken.unwrap_or(gone));
        }
        tokio::time::sleep(REOPEN_DELAY).await;
    }
}

/// Shows what comes until the stream ends or breaks.
async fn drain(
    session: &Session,
    stream: &mut Stream,
    after: &mut Option<String>,
) -> Result<Option<Failure>, Failure> {
    loop {
        let event = match stream.next().await {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(error.into())),
        };
        let item: FeedItem = event.decode()?;
        session.output.item(&item, subject(&item.change).as_str(), || {
            let mut text = line(&item, session.output.colour_out());
            text.push('\n');
            text
        })?;
        *after = event.id.or(after.take());
    }
}

/// What a change is about.
fn subject(change: &Change) -> String {
    match change {
        Change::Gap { .. } => "gap".to_owned(),
        Change::Tenant { name, .. } | Change::Workflow { name } => name.clone(),
        Change::Missed { workflow, .. } => workflow.clone(),
        Change::Event { event, .. } => event.to_string(),
        Change::Run { run, .. } | Change::Step { run, .. } => run.to_string(),
        Change::Dead { job, .. } => job.to_string(),
        Change::Notification { notification, .. } => notification.to_string(),
    }
}

/// A change as a line, without its end.
fn line(item: &FeedItem, colour: bool) -> String {
    let (kind, text, tone) = match &item.change {
        Change::Gap { dropped: 0 } => ("gap", "from here on".to_owned(), Tone::Dim),
        Change::Gap { dropped } => ("gap", format!("{dropped} changes were not seen"), Tone::Dim),
        Change::Tenant { name, state, degraded } => {
            let state = state.map_or("deleted", |state| state.as_str());
            let tone = if *degraded { Tone::Bad } else { Tone::Plain };
            ("tenant", format!("{name} {}", if *degraded { "degraded" } else { state }), tone)
        }
        Change::Workflow { name } => ("workflow", name.clone(), Tone::Plain),
        Change::Event { event, source } => ("event", format!("{event} {source}"), Tone::Plain),
        Change::Missed { workflow, schedule, count, .. } => {
            let times = if *count == 1 { "one fire" } else { "fires" };
            let count = if *count == 1 { String::new() } else { format!("{count} ") };
            ("missed", format!("{workflow} {count}{times} of {schedule}"), Tone::Bad)
        }
        Change::Run { run, workflow, state, error } => {
            let error = error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
            ("run", format!("{run} {workflow} {state}{error}"), run_tone(*state))
        }
        Change::Step { run, step, state, attempt } => {
            ("step", format!("{run} {step} {state} (attempt {attempt})"), step_tone(*state))
        }
        Change::Dead { job, stage, error } => ("dead", format!("{job} {stage}: {error}"), Tone::Bad),
        Change::Notification { notification, channel } => {
            ("notification", format!("{notification} to {channel}"), Tone::Good)
        }
    };
    let mut out = String::new();
    push_toned(&mut out, &time_of_day(item.at), Tone::Dim, colour);
    write!(out, "  {kind:<12}  ").ok();
    push_toned(&mut out, &printable(&text), tone, colour);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_protocol::id::RunId;
    use tenantry_protocol::state::RunState;

    #[test]
    fn changes_are_lines_and_tenants_text_is_sanitised() {
        let change = Change::Run {
            run: RunId::from_bytes([7; 16]),
            workflow: "book".to_owned(),
            state: RunState::Failed,
            error: Some("\u{1b}[2Jno\nline".to_owned()),
        };
        let text = line(&FeedItem { at: 0, tenant: None, change }, false);
        assert_eq!(
            text,
            "00:00:00.000  run           run_07070707070707070707070707070707 book failed: \\u{1b}[2Jno\\nline"
        );
    }
}
