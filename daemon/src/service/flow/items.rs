//! The items of a step with `foreach`: rows of their own, begun a few at a time, collected at the end.
//!
//! How far they are stands in the step's row, so that the end of one item costs the same however many there are.

use std::sync::Arc;

use serde_json::Value;
use tenantry_protocol::state::StepState;
use tenantry_workflow::plan::{self, Items, Slot};
use tenantry_workflow::transition::{self, StepEvent};

use super::progress::{dispatch, end_running, index, moved, tell};
use super::{illegal, step_count};
use crate::error::{Error, Result};
use crate::service::ledger::Ledger;
use crate::service::material::RunMaterial;
use crate::service::step_job::StepJob;
use crate::service::{outputs, step_value};
use crate::store::tenant::steps::{self, Step};

/// The most that the collected outputs of a step may come to, in bytes of JSON.
const COLLECTED_LIMIT: usize = 1 << 20;

/// Adds a row for every item and begins the first ones. The step is running.
pub(super) fn expand(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    position: usize,
    list: &[Value],
    rows: &mut [Step],
) -> Result<()> {
    let Some(step) = material.live.workflow.steps.get(position) else { return Ok(()) };
    let count = material.live.workflow.steps.len();
    for (number, item) in (0..).zip(list) {
        let slot = Slot { step: position, item: Some(number) };
        steps::insert_item(ledger.tx, material.id, slot.index(count), &step.id, &item.to_string())?;
    }
    let items = Items { total: index(list.len()), ..Items::default() };
    go_on(ledger, material, position, items, rows)
}

/// An item of a step has ended. Answers whether the step has ended with it.
pub(crate) fn ended(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    position: usize,
    state: StepState,
    rows: &mut [Step],
) -> Result<bool> {
    let row = rows.get(position).filter(|row| row.state == StepState::Running);
    let Some(row) = row else { return Ok(false) };
    let mut items = progress_of(row)?;
    items.ended += 1;
    items.failed += u32::from(matches!(state, StepState::Failed | StepState::Interrupted));
    go_on(ledger, material, position, items, rows)?;
    Ok(rows.get(position).is_some_and(|row| row.state.is_terminal()))
}

/// How far the items of a step are.
pub(crate) fn progress_of(row: &Step) -> Result<Items> {
    let text = row.items.as_deref().unwrap_or("{}");
    serde_json::from_str(text).map_err(|error| Error::internal(format!("items of step {}: {error}", row.id)))
}

/// Begins the items whose turn it is, and ends the step with the last.
fn go_on(
    ledger: &mut Ledger<'_>,
    material: &Arc<RunMaterial>,
    position: usize,
    mut items: Items,
    rows: &mut [Step],
) -> Result<()> {
    let steps = &material.live.workflow.steps;
    let foreach = steps.get(position).and_then(|step| step.foreach.as_ref());
    let foreach = foreach.ok_or_else(|| Error::internal(format!("step {position} has no items")))?;
    let plan = plan::items(foreach, items);
    for number in plan.start.clone() {
        begin(ledger, material, Slot { step: position, item: Some(number) })?;
    }
    items.started = plan.start.end;
    let text = serde_json::to_string(&items).map_err(|error| Error::internal(error.to_string()))?;
    steps::set_items(ledger.tx, material.id, index(position), &text)?;
    if let Some(row) = rows.get_mut(position) {
        row.items = Some(text);
    }
    match plan.end {
        Some(event) => finish(ledger, material, position, items, event, rows),
        None => Ok(()),
    }
}

fn begin(ledger: &mut Ledger<'_>, material: &Arc<RunMaterial>, slot: Slot) -> Result<()> {
    let number = slot.index(material.live.workflow.steps.len());
    let row = steps::get(ledger.tx, material.id, number)?;
    let row = row.ok_or_else(|| Error::internal(format!("{} has no row {number}", material.id)))?;
    transition::step(row.state, StepEvent::Dispatch).map_err(|error| illegal(&error))?;
    moved(steps::start(ledger.tx, material.id, number, row.state, ledger.now)?)?;
    let item = row.item.as_deref().map(serde_json::from_str::<Value>).transpose();
    let item = item.map_err(|error| Error::internal(format!("item {number}: {error}")))?;
    dispatch(ledger, material, slot, &StepJob::of_item(number, item.unwrap_or_default()))
}

/// Ends the step: what its items have left behind becomes one list, in their order; null stands for those that have
/// left nothing.
fn finish(
    ledger: &mut Ledger<'_>,
    material: &RunMaterial,
    position: usize,
    items: Items,
    event: StepEvent,
    rows: &mut [Step],
) -> Result<()> {
    let (count, place) = (step_count(material), index(position));
    let mut state = transition::step(StepState::Running, event).map_err(|error| illegal(&error))?;
    let left = steps::item_outputs(ledger.tx, material.id, count, place)?;
    steps::end_items(ledger.tx, material.id, count, place, StepState::Skipped, ledger.now)?;
    let mut error = (items.failed > 0).then(|| {
        let what = if items.failed == 1 { "item has" } else { "items have" };
        format!("{} of {} {what} failed", items.failed, items.total)
    });
    let mut output = None;
    let mut texts = Vec::with_capacity(left.len());
    let mut size = 0;
    for output in left {
        let text = match output {
            (None, Some(hash)) if size <= COLLECTED_LIMIT => Some(outputs::text(&ledger.blob(&hash)?)?),
            (text, _) => text,
        };
        size += text.as_ref().map_or(0, String::len);
        texts.push(text);
    }
    if size > COLLECTED_LIMIT {
        state = StepState::Failed;
        error = Some(format!("the items' outputs are larger than {COLLECTED_LIMIT} bytes together"));
    } else {
        let outputs: Vec<Value> = texts.iter().map(|text| step_value::output_of(text.as_deref())).collect();
        output = Some(serde_json::json!({ "output": outputs }).to_string());
    }
    end_running(ledger, material, position, state, output, error, rows)
}

/// Cancels the items of a step that have not ended. Answers the rows whose handlers must stop.
pub(super) fn cancel(ledger: &mut Ledger<'_>, material: &RunMaterial, position: usize) -> Result<Vec<u32>> {
    let (count, place) = (step_count(material), index(position));
    let at_work = steps::end_items(ledger.tx, material.id, count, place, StepState::Cancelled, ledger.now)?;
    for number in &at_work {
        super::wake::forget(ledger, material.id, *number)?;
        let slot = Slot::of(*number, material.live.workflow.steps.len());
        tell(ledger, material, slot, StepState::Cancelled, 1);
    }
    Ok(at_work)
}
