//! An outcome is recorded: the attempt, its log lines, and, when the run has ended, its roll-up and audit record.

use serde_json::json;
use tenantry_protocol::id::RunId;

use crate::error::Result;
use crate::service::ledger::Ledger;
use crate::service::material::{OutcomeRecord, RunEnd, RunMaterial};
use crate::store::tenant::{attempts, log_lines, rollups, runs};

pub(super) fn apply(ledger: &mut Ledger<'_>, record: &OutcomeRecord, run: &RunMaterial) -> Result<()> {
    if let (Some(idx), false) = (record.step, record.outcome.is_empty()) {
        let attempt = attempts::NewAttempt {
            idx,
            number: record.attempt,
            outcome: &record.outcome,
            error: record.error.as_deref(),
            detail: None,
            started_at: record.started_at,
            ended_at: record.ended_at,
        };
        attempts::insert(ledger.tx, run.id, &attempt)?;
    }
    append_lines(ledger, record, run.id)?;
    match &record.run_end {
        Some(end) => record_end(ledger, end, run),
        None => Ok(()),
    }
}

fn append_lines(ledger: &Ledger<'_>, record: &OutcomeRecord, run: RunId) -> Result<()> {
    let lines = record.lines.iter().map(|line| log_lines::NewLine {
        idx: record.step,
        attempt: Some(record.attempt),
        at: line.at,
        stream: line.stream,
        text: &line.text,
    });
    log_lines::append(ledger.tx, run, &lines.collect::<Vec<_>>())
}

fn record_end(ledger: &Ledger<'_>, end: &RunEnd, run: &RunMaterial) -> Result<()> {
    rollups::add(ledger.tx, run.live.id, end.at, end.state, end.at - run.accepted_at)?;
    runs::set_logged(ledger.tx, run.id, ledger.now)?;
    let detail = json!({
        "workflow": run.live.name,
        "revision": run.live.revision,
        "event": run.event_id,
        "created-at": run.created_at,
        "ended-at": end.at,
        "error": end.error,
    });
    ledger.audit("system:logging", "run.end", &run.id.to_string(), end.state.as_str(), &detail)
}
