//! Which state of a run or step may follow which: the only place that knows.
//!
//! Both functions are total and name every pair, so a new state or event does not compile until each pair is
//! decided here. Nothing may write a state that did not come out of them. The whole table is a snapshot test.
//! Go next to [`crate::plan`] for when an event happens.

use std::fmt;

use tenantry_protocol::state::{RunState, StepState};

/// What can happen to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunEvent {
    /// Its first step is handed to the action stage.
    Start,
    /// Every step ended and none failed the run.
    StepsSucceeded,
    /// Every step ended and at least one failed the run.
    StepFailed,
    /// A principal cancels it.
    Cancel,
    /// Its own time limit passed.
    TimeOut,
}

impl RunEvent {
    /// Every event.
    pub const ALL: &'static [Self] =
        &[Self::Start, Self::StepsSucceeded, Self::StepFailed, Self::Cancel, Self::TimeOut];

    /// The word for logs and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::StepsSucceeded => "steps-succeeded",
            Self::StepFailed => "step-failed",
            Self::Cancel => "cancel",
            Self::TimeOut => "time-out",
        }
    }
}

impl fmt::Display for RunEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What can happen to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepEvent {
    /// Its first attempt is handed to the action stage.
    Dispatch,
    /// Its action succeeded.
    Succeed,
    /// Its action, or the evaluation of its condition, failed for good.
    Fail,
    /// An attempt failed and the retry policy grants another.
    RetryLater,
    /// The next attempt is handed to the action stage, after a failure or after a lost lease.
    Redispatch,
    /// Its condition is false, or a step it needs did not succeed.
    Skip,
    /// The run was cancelled or timed out.
    Cancel,
    /// It is at-most-once and was cut off by a crash.
    Interrupt,
}

impl StepEvent {
    /// Every event.
    pub const ALL: &'static [Self] = &[
        Self::Dispatch,
        Self::Succeed,
        Self::Fail,
        Self::RetryLater,
        Self::Redispatch,
        Self::Skip,
        Self::Cancel,
        Self::Interrupt,
    ];

    /// The word for logs and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Succeed => "succeed",
            Self::Fail => "fail",
            Self::RetryLater => "retry-later",
            Self::Redispatch => "redispatch",
            Self::Skip => "skip",
            Self::Cancel => "cancel",
            Self::Interrupt => "interrupt",
        }
    }
}

impl fmt::Display for StepEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An event that cannot happen in a state. The caller holds a stale state, or two callers raced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {what} that is {state} cannot take the event {event}")]
pub struct Illegal {
    /// `run` or `step`.
    pub what: &'static str,
    /// The state it is in.
    pub state: &'static str,
    /// The event that came.
    pub event: &'static str,
}

/// The state of a run after an event.
pub fn run(state: RunState, event: RunEvent) -> Result<RunState, Illegal> {
    use RunEvent as E;
    use RunState as S;
    let next = match (state, event) {
        (S::Queued, E::Start) => S::Running,
        // Every step was skipped, or a condition failed, before anything was handed on.
        (S::Queued | S::Running, E::StepsSucceeded) => S::Succeeded,
        (S::Queued | S::Running, E::StepFailed) => S::Failed,
        (S::Queued | S::Running, E::Cancel) => S::Cancelled,
        (S::Queued | S::Running, E::TimeOut) => S::TimedOut,
        (S::Running, E::Start)
        | (
            S::Succeeded | S::Failed | S::Cancelled | S::TimedOut,
            E::Start | E::StepsSucceeded | E::StepFailed | E::Cancel | E::TimeOut,
        ) => return Err(Illegal { what: "run", state: state.as_str(), event: event.as_str() }),
    };
    Ok(next)
}

/// The state of a step after an event.
pub fn step(state: StepState, event: StepEvent) -> Result<StepState, Illegal> {
    use StepEvent as E;
    use StepState as S;
    let next = match (state, event) {
        // A redispatch of a running step: its lease was lost, the attempt is repeated.
        (S::Pending, E::Dispatch) | (S::Running | S::Retrying, E::Redispatch) => S::Running,
        (S::Running, E::Succeed) => S::Succeeded,
        // A pending step fails when its condition cannot be evaluated, a retrying one when it is given up.
        (S::Pending | S::Running | S::Retrying, E::Fail) => S::Failed,
        (S::Running, E::RetryLater) => S::Retrying,
        (S::Pending, E::Skip) => S::Skipped,
        (S::Pending | S::Running | S::Retrying, E::Cancel) => S::Cancelled,
        (S::Running, E::Interrupt) => S::Interrupted,
        (S::Pending, E::Succeed | E::RetryLater | E::Redispatch | E::Interrupt)
        | (S::Running, E::Dispatch | E::Skip)
        | (S::Retrying, E::Dispatch | E::Succeed | E::RetryLater | E::Skip | E::Interrupt)
        | (
            S::Succeeded | S::Failed | S::Skipped | S::Cancelled | S::Interrupted,
            E::Dispatch
            | E::Succeed
            | E::Fail
            | E::RetryLater
            | E::Redispatch
            | E::Skip
            | E::Cancel
            | E::Interrupt,
        ) => return Err(Illegal { what: "step", state: state.as_str(), event: event.as_str() }),
    };
    Ok(next)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn run_table() {
        let mut table = String::new();
        for state in RunState::ALL {
            for event in RunEvent::ALL {
                let next = run(*state, *event).map_or("-", RunState::as_str);
                writeln!(table, "{state:<10} {event:<16} {next}").unwrap();
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn step_table() {
        let mut table = String::new();
        for state in StepState::ALL {
            for event in StepEvent::ALL {
                let next = step(*state, *event).map_or("-", StepState::as_str);
                writeln!(table, "{state:<12} {event:<12} {next}").unwrap();
            }
        }
        insta::assert_snapshot!(table);
    }

    /// One row a state and one column an event, as a guide shows it.
    fn guide_table(states: &[&str], events: &[&str], next: impl Fn(usize, usize) -> String) -> String {
        let mut table = format!("| | {} |\n|---|{}\n", events.join(" | "), "---|".repeat(events.len()));
        for (row, state) in states.iter().enumerate() {
            let cells: Vec<String> = (0..events.len()).map(|column| next(row, column)).collect();
            writeln!(table, "| `{state}` | {} |", cells.join(" | ")).unwrap();
        }
        table
    }

    #[test]
    fn the_guide_has_the_tables() {
        let guide = include_str!("../../docs/stages.md");
        let runs: Vec<_> = RunState::ALL.iter().map(|state| state.as_str()).collect();
        let events: Vec<_> = RunEvent::ALL.iter().map(|event| event.as_str()).collect();
        let table = guide_table(&runs, &events, |row, column| {
            run(RunState::ALL[row], RunEvent::ALL[column]).map_or("", RunState::as_str).to_owned()
        });
        assert!(guide.contains(&table), "docs/stages.md shall have:\n{table}");
        let steps: Vec<_> = StepState::ALL.iter().map(|state| state.as_str()).collect();
        let events: Vec<_> = StepEvent::ALL.iter().map(|event| event.as_str()).collect();
        let table = guide_table(&steps, &events, |row, column| {
            step(StepState::ALL[row], StepEvent::ALL[column]).map_or("", StepState::as_str).to_owned()
        });
        assert!(guide.contains(&table), "docs/stages.md shall have:\n{table}");
    }

    #[test]
    fn nothing_follows_a_terminal_state() {
        for state in RunState::ALL.iter().filter(|state| state.is_terminal()) {
            assert!(RunEvent::ALL.iter().all(|event| run(*state, *event).is_err()), "{state} goes on");
        }
        for state in StepState::ALL.iter().filter(|state| state.is_terminal()) {
            assert!(StepEvent::ALL.iter().all(|event| step(*state, *event).is_err()), "{state} goes on");
        }
    }

    #[test]
    fn every_living_state_can_be_cancelled() {
        for state in RunState::ALL.iter().filter(|state| !state.is_terminal()) {
            assert_eq!(run(*state, RunEvent::Cancel), Ok(RunState::Cancelled));
        }
        for state in StepState::ALL.iter().filter(|state| !state.is_terminal()) {
            assert_eq!(step(*state, StepEvent::Cancel), Ok(StepState::Cancelled));
        }
    }
}
