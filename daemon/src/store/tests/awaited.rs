//! Which events a step that waits may take.

use tenantry_protocol::id::{EventId, RunId, WorkflowId};
use tenantry_protocol::state::{EventKind, RunOrigin, RunState, StepState};

use super::House;
use crate::error::Result;
use crate::store::tenant::events::{self, Body, NewEvent};
use crate::store::tenant::runs::{self, NewRun};
use crate::store::tenant::{awaited, steps};
use crate::store::{Lane, WriteTx};

fn event(tx: &WriteTx, at: i64, kind: EventKind, source: &str) -> Result<EventId> {
    let id = EventId::new(at);
    let row = NewEvent {
        id,
        kind,
        source,
        method: None,
        content_type: None,
        headers: "{}",
        query: None,
        body: Body::None,
        received_at: at,
        actor: None,
        depth: 0,
    };
    events::insert(tx, &row)?;
    Ok(id)
}

/// A run with two steps that began at a time.
fn run(tx: &WriteTx, event: EventId, at: i64) -> Result<RunId> {
    let id = RunId::new(at);
    let row = NewRun {
        id,
        workflow_id: WorkflowId::from_bytes([3; 16]),
        revision: 1,
        event_id: Some(event),
        inputs: None,
        accepted_at: at,
        created_at: at,
    };
    runs::insert_started(tx, &row, at)?;
    for (idx, name) in [(0, "one"), (1, "two")] {
        let step = steps::NewStep {
            idx,
            id: name,
            state: StepState::Running,
            attempt: 1,
            started_at: Some(at),
            ended_at: None,
        };
        steps::insert(tx, id, &step)?;
    }
    assert_eq!(runs::state(tx, id)?, Some(RunState::Running));
    Ok(id)
}

async fn check(closure: impl FnOnce(&WriteTx) -> Result<()> + Send + 'static) {
    let house = House::new().await;
    let tenant = house.tenant().await;
    tenant.write(Lane::Api, move |tx| closure(tx)).await.expect("as told");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_after_the_runs_own_event_is_found_by_its_name() {
    check(|tx| {
        let before = event(tx, 100, EventKind::Emitted, "order.paid")?;
        let own = event(tx, 100, EventKind::Emitted, "order.paid")?;
        let run = run(tx, own, 100)?;
        // The clock does not say what was first; the order of the rows does.
        let after = event(tx, 99, EventKind::Emitted, "order.paid")?;
        event(tx, 101, EventKind::Webhook, "order.paid")?;
        let other = event(tx, 102, EventKind::Emitted, "order.late")?;
        event(tx, 102, EventKind::Emitted, "orders")?;
        let begun = awaited::beginning(tx, run)?.expect("a run");
        assert_eq!(awaited::since(tx, "order.paid", begun, 9)?, [after]);
        assert_eq!(awaited::since(tx, "order.*", begun, 9)?, [after, other]);
        assert_eq!(awaited::since(tx, "*", begun, 2)?.len(), 2, "the newest ones");
        let may = |id| awaited::may_take(tx, run, 0, id);
        assert_eq!((may(before)?, may(own)?, may(after)?), (false, false, true));
        let seen = awaited::newest(tx)?;
        assert!(awaited::newer(tx, "*", seen, 9)?.is_empty());
        let newest = event(tx, 103, EventKind::Emitted, "order.paid")?;
        for name in ["order.paid", "order.*", "*"] {
            assert_eq!(awaited::newer(tx, name, seen, 9)?, [newest], "{name}");
        }
        assert!(awaited::newer(tx, "order.late", seen, 9)?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_run_that_repeats_another_begins_when_it_was_made() {
    check(|tx| {
        let own = event(tx, 100, EventKind::Emitted, "go")?;
        let first = run(tx, own, 100)?;
        let before = event(tx, 199, EventKind::Emitted, "go")?;
        let again = run(tx, own, 200)?;
        let repetition = runs::Repetition { origin: RunOrigin::Replay, of: first, key_run: None, actor: "a" };
        runs::set_repetition(tx, again, &repetition)?;
        let begun = awaited::beginning(tx, again)?.expect("a run");
        assert!(awaited::since(tx, "go", begun, 9)?.is_empty(), "nothing has come yet");
        let after = event(tx, 201, EventKind::Emitted, "go")?;
        let begun = awaited::beginning(tx, again)?.expect("a run");
        assert_eq!(awaited::since(tx, "go", begun, 9)?, [after]);
        let may = |id| awaited::may_take(tx, again, 0, id);
        assert_eq!((may(own)?, may(before)?, may(after)?), (false, false, true));
        assert_eq!(awaited::beginning(tx, RunId::new(5))?, None);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_step_took_is_gone_and_what_one_beside_it_took_is_not() {
    check(|tx| {
        let own = event(tx, 100, EventKind::Manual, "w")?;
        let run = run(tx, own, 100)?;
        let came = event(tx, 101, EventKind::Emitted, "go")?;
        awaited::take(tx, run, 0, came)?;
        assert!(awaited::may_take(tx, run, 1, came)?, "the other step has not ended");
        let end = |ended_at| steps::End {
            state: StepState::Succeeded,
            output: None,
            error: None,
            attempt: 1,
            started_at: None,
            ended_at,
        };
        assert!(steps::end(tx, run, 0, StepState::Running, &end(105))?);
        assert!(awaited::may_take(tx, run, 1, came)?, "it ended after this one began");
        let late = steps::NewStep {
            idx: 2,
            id: "late",
            state: StepState::Running,
            attempt: 1,
            started_at: Some(105),
            ended_at: None,
        };
        steps::insert(tx, run, &late)?;
        assert!(!awaited::may_take(tx, run, 2, came)?);
        Ok(())
    })
    .await;
}
