//! How states look: the word of the protocol, with the tone that a person expects.

use tenantry_protocol::channel::NotificationState;
use tenantry_protocol::state::{JobState, RunState, StepState, TenantState};

use crate::table::{Cell, Tone};

pub(crate) const fn run_tone(state: RunState) -> Tone {
    match state {
        RunState::Queued | RunState::Running => Tone::Warn,
        RunState::Succeeded => Tone::Good,
        RunState::Failed | RunState::TimedOut => Tone::Bad,
        RunState::Cancelled => Tone::Dim,
    }
}

pub(crate) const fn step_tone(state: StepState) -> Tone {
    match state {
        StepState::Pending | StepState::Skipped | StepState::Cancelled => Tone::Dim,
        StepState::Running | StepState::Retrying => Tone::Warn,
        StepState::Succeeded => Tone::Good,
        StepState::Failed | StepState::Interrupted => Tone::Bad,
    }
}

pub(crate) fn run(state: RunState) -> Cell {
    Cell::toned(state.as_str(), run_tone(state))
}

pub(crate) fn step(state: StepState) -> Cell {
    Cell::toned(state.as_str(), step_tone(state))
}

pub(crate) fn job(state: JobState) -> Cell {
    let tone = match state {
        JobState::Ready => Tone::Plain,
        JobState::Leased => Tone::Warn,
        JobState::Dead => Tone::Bad,
    };
    Cell::toned(state.as_str(), tone)
}

pub(crate) fn notification(state: NotificationState) -> Cell {
    let tone = match state {
        NotificationState::Pending => Tone::Warn,
        NotificationState::Delivered => Tone::Good,
        NotificationState::Failed => Tone::Bad,
    };
    Cell::toned(state.as_str(), tone)
}

/// A tenant's state; that it is degraded outweighs that it is active.
pub(crate) fn tenant(state: TenantState, degraded: bool) -> Cell {
    match (state, degraded) {
        (TenantState::Active, false) => Cell::toned("active", Tone::Good),
        (TenantState::Active, true) => Cell::toned("degraded", Tone::Bad),
        (TenantState::Suspended, _) => Cell::toned("suspended", Tone::Warn),
        (TenantState::Quarantined, _) => Cell::toned("quarantined", Tone::Bad),
    }
}

/// A yes that is worth a look when it is a no.
pub(crate) fn enabled(enabled: bool) -> Cell {
    if enabled { Cell::toned("yes", Tone::Plain) } else { Cell::toned("no", Tone::Warn) }
}
