//! A run begins that is there already: its slot has come, it was promoted in its group, or it repeats another one.

use std::sync::Arc;

use tenantry_protocol::feed::Change;
use tenantry_protocol::state::{RunState, StageName};
use tenantry_workflow::transition::{self, RunEvent};

use super::turn::{self, Turn};
use crate::error::Result;
use crate::service::flow::progress::{self, Begun};
use crate::service::flow::{self, illegal};
use crate::service::ledger::Ledger;
use crate::service::material::RunMaterial;
use crate::service::trigger_job::TriggerJob;
use crate::service::{end_run, outputs};
use crate::stage::outcome::BeginRun;
use crate::store::tenant::places::{self, State};
use crate::store::tenant::{runs, steps};

pub(super) fn apply(ledger: &mut Ledger<'_>, begin: &BeginRun) -> Result<()> {
    let BeginRun { material, keys, slot, .. } = begin;
    // Cancelled in between, or begun by an earlier attempt of this job.
    if runs::state(ledger.tx, material.id)? != Some(RunState::Queued) {
        return Ok(());
    }
    let turn = match places::state(ledger.tx, material.id)? {
        Some(State::Held) => Turn::Now,
        Some(State::Waiting) => Turn::WhenPromoted,
        None => turn::of_waiting(ledger, material.id, &material.live, keys, *slot)?,
    };
    match turn {
        Turn::Now => go(ledger, begin),
        Turn::Later(at) => {
            ledger.enqueue_later(StageName::Trigger, Some(material.id), &TriggerJob::begin_at(at), at)?;
            Ok(())
        }
        Turn::WhenPromoted => Ok(()),
        Turn::Never(reason) => end_run::refuse(ledger, material, reason),
    }
}

fn go(ledger: &mut Ledger<'_>, begin: &BeginRun) -> Result<()> {
    let BeginRun { material, plan, .. } = begin;
    let mut material = RunMaterial::clone(material);
    material.started_at = ledger.now;
    let material = Arc::new(material);
    let mut state = RunState::Queued;
    if plan.starts() || plan.pauses() {
        state = transition::run(state, RunEvent::Start).map_err(|error| illegal(&error))?;
        progress::moved(runs::start(ledger.tx, material.id, ledger.now)?)?;
        let workflow = material.live.name.clone();
        ledger.change(|| Change::Run { run: material.id, workflow, state, error: None });
    }
    let mut rows = steps::list_first(ledger.tx, material.id, flow::step_count(&material))?;
    outputs::fill_now(ledger, &mut rows)?;
    flow::begin(ledger, &material, state, plan, &mut rows, Begun::No)
}
