//! `run cancel|retry|replay`: one run by its id, or many by a filter.
//!
//! A filter is looked up first, so that the question before the deed can say how many runs it means.

use clap::Args;
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{ManyOutcome, RunMany, RunManyItem, RunReplay, RunView};
use tenantry_protocol::state::RunState;

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::input::confirm;
use crate::moment::{self, Clock};
use crate::session::Session;
use crate::state;
use crate::table::{Cell, Column, Row, Tone};

use super::view;

/// What happens to runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Cancel,
    Retry,
    Replay { latest: bool },
}

impl Act {
    const fn verb(self) -> &'static str {
        match self {
            Self::Cancel => "Cancel",
            Self::Retry => "Retry",
            Self::Replay { .. } => "Replay",
        }
    }

    const fn one(self) -> Operation {
        match self {
            Self::Cancel => Operation::RunCancel,
            Self::Retry => Operation::RunRetry,
            Self::Replay { .. } => Operation::RunReplay,
        }
    }

    const fn many(self) -> Operation {
        match self {
            Self::Cancel => Operation::RunCancelMany,
            Self::Retry => Operation::RunRetryMany,
            Self::Replay { .. } => Operation::RunReplayMany,
        }
    }

    const fn latest(self) -> bool {
        matches!(self, Self::Replay { latest: true })
    }
}

/// Which runs are meant.
#[derive(Args, Debug)]
pub(super) struct Which {
    /// The run's id
    #[arg(required_unless_present = "filter", conflicts_with = "filter")]
    run: Option<String>,
    /// Many runs: words of workflow=NAME, state=STATE, since=WHEN and until=WHEN
    ///
    /// WHEN is a duration before now, such as 2h, or a time, such as 2026-03-01T12:00:00Z. An empty filter means every
    /// run for which the command has a meaning.
    #[arg(long, value_name = "WORDS")]
    filter: Option<String>,
    /// With --filter: only list what would happen
    #[arg(long, requires = "filter")]
    dry_run: bool,
    /// With --filter: do not ask
    #[arg(long, requires = "filter")]
    yes: bool,
}

impl Which {
    pub(super) async fn run(self, session: &Session, act: Act) -> Ended {
        let tenant = session.tenant().await?;
        if let Some(run) = &self.run {
            let path = [tenant.as_str(), run];
            let run: RunView = match act {
                Act::Replay { latest } => session.send(act.one(), &path, &RunReplay { latest }).await?,
                Act::Cancel | Act::Retry => session.send(act.one(), &path, &()).await?,
            };
            view::show(session.output, &run)?;
            return Ok(Exit::Ok);
        }
        let mut wanted = parse(self.filter.as_deref().unwrap_or_default(), moment::now())?;
        wanted.latest = act.latest();
        wanted.dry_run = true;
        let would = all(session, &tenant, act, &wanted, None).await?;
        if self.dry_run {
            session.output.list(&Page { items: would, next: None })?;
            return Ok(Exit::Ok);
        }
        if would.is_empty() {
            session.output.note("no run fits the filter");
            session.output.list(&Page { items: would, next: None })?;
            return Ok(Exit::Ok);
        }
        let (count, verb) = (would.len(), act.verb());
        let runs = if count == 1 { "run" } else { "runs" };
        confirm(&format!("{verb} {count} {runs} of {tenant}?"), self.yes, session.output).await?;
        wanted.dry_run = false;
        let done = all(session, &tenant, act, &wanted, Some(count)).await?;
        let refused = done.iter().filter(|item| item.outcome == ManyOutcome::Refused).count();
        session.output.list(&Page { items: done, next: None })?;
        Ok(if refused == 0 { Exit::Ok } else { Exit::Failed })
    }
}

/// Every page, with the progress told on standard error where something is done.
async fn all(
    session: &Session,
    tenant: &str,
    act: Act,
    wanted: &RunMany,
    expected: Option<usize>,
) -> Result<Vec<RunManyItem>, Failure> {
    let (mut items, mut wanted) = (Vec::new(), wanted.clone());
    loop {
        let page: Page<RunManyItem> = session.send(act.many(), &[tenant], &wanted).await?;
        items.extend(page.items);
        if let Some(expected) = expected {
            session.output.note(&format!("{} of {expected}", items.len()));
        }
        match page.next {
            Some(next) => wanted.after = Some(next),
            None => return Ok(items),
        }
    }
}

/// `workflow=deploy state=failed since=2h`
fn parse(text: &str, now: i64) -> Result<RunMany, Failure> {
    let mut wanted = RunMany::default();
    for word in text.split_whitespace() {
        let (key, value) = word
            .split_once('=')
            .filter(|(_, value)| !value.is_empty())
            .ok_or_else(|| Failure::usage(format!("{word} is no part of a filter")).with_hint(KNOWN))?;
        match key {
            "workflow" => wanted.workflow = Some(value.to_owned()),
            "state" => wanted.state = Some(run_state(value)?),
            "since" => wanted.since = Some(when(value, now)?),
            "until" => wanted.until = Some(when(value, now)?),
            _ => return Err(Failure::usage(format!("a filter has no {key}")).with_hint(KNOWN)),
        }
    }
    Ok(wanted)
}

const KNOWN: &str = "use workflow=NAME, state=STATE, since=WHEN, until=WHEN";

fn run_state(text: &str) -> Result<RunState, Failure> {
    text.parse().map_err(|_| {
        let states: Vec<_> = RunState::ALL.iter().map(|state| state.as_str()).collect();
        Failure::usage(format!("no run is {text}")).with_hint(format!("the states are {}", states.join(", ")))
    })
}

/// A duration before now, or a time.
fn when(text: &str, now: i64) -> Result<i64, Failure> {
    if let Ok(ms) = tenantry_workflow::parse_duration_ms(text) {
        return Ok(now.saturating_sub_unsigned(ms));
    }
    moment::parse(text).ok_or_else(|| {
        Failure::usage(format!("{text} is no time")).with_hint("use 2h, or 2026-03-01T12:00:00Z")
    })
}

impl Row for RunManyItem {
    const COLUMNS: &'static [Column] = &[
        Column::new("RUN"),
        Column::new("WORKFLOW"),
        Column::new("STATE"),
        Column::new("OUTCOME"),
        Column::new("NEW"),
        Column::new("ERROR"),
    ];

    fn cells(&self, _: Clock) -> Vec<Cell> {
        let tone = match self.outcome {
            ManyOutcome::Would => Tone::Dim,
            ManyOutcome::Done => Tone::Plain,
            ManyOutcome::Refused => Tone::Bad,
        };
        vec![
            self.run.to_string().into(),
            self.workflow.clone().into(),
            state::run(self.state),
            Cell::toned(self.outcome.as_str().to_owned(), tone),
            Cell::or_dash(self.new.map(|run| run.to_string())),
            Cell::or_dash(self.error.clone()),
        ]
    }

    fn name(&self) -> String {
        self.run.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_words_with_times_before_now_or_at_a_moment() {
        let now = 1_000_000_000_000;
        let wanted =
            parse("workflow=deploy state=timed-out since=2h until=2001-09-09T01:46:40Z", now).unwrap();
        assert_eq!(wanted.workflow.as_deref(), Some("deploy"));
        assert_eq!((wanted.state, wanted.since), (Some(RunState::TimedOut), Some(now - 7_200_000)));
        assert_eq!(wanted.until, Some(now));
        assert_eq!(parse("", now).unwrap(), RunMany::default());
        for bad in ["deploy", "state=gone", "since=", "since=soon", "colour=red"] {
            assert!(parse(bad, now).is_err(), "{bad}");
        }
    }
}
