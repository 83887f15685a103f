//! What is written to a table is what is read from it, and updates ask for the state that was decided upon.

use tenantry_protocol::channel::NotificationState;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{ChannelId, EventId, NotificationId, RunId, WorkflowId};
use tenantry_protocol::run::LogStream;
use tenantry_protocol::state::{EventKind, RunOrigin, RunState, StepState};

use super::House;
use crate::error::Result;
use crate::store::tenant::attempts::{self, NewAttempt};
use crate::store::tenant::channels::{self, Channel};
use crate::store::tenant::events::{self, Body, NewEvent};
use crate::store::tenant::log_lines::{self, NewLine};
use crate::store::tenant::notifications::{self, NewNotification};
use crate::store::tenant::revisions::{self, Revision};
use crate::store::tenant::rollups::{self, HOUR_MS};
use crate::store::tenant::runs::{self, Expired, Filter, NewRun, Repetition, Stop};
use crate::store::tenant::steps::{self, End, NewStep};
use crate::store::tenant::waiters::{self, Awaited, Waiter};
use crate::store::tenant::workflows::{self, Listening, Workflow};
use crate::store::tenant::{keys, secrets};
use crate::store::{Lane, WriteTx};

/// Runs the checks inside of one write transaction of a fresh tenant.
async fn check(checks: impl FnOnce(&WriteTx) -> Result<()> + Send + 'static) {
    let house = House::new().await;
    let tenant = house.tenant().await;
    tenant.write(Lane::Api, checks).await.expect("as told");
    drop(tenant);
    house.stop().await;
}

const WORKFLOW: WorkflowId = WorkflowId::from_bytes([1; 16]);

fn run(number: i64) -> NewRun<'static> {
    NewRun {
        id: RunId::new(number),
        workflow_id: WORKFLOW,
        revision: 2,
        event_id: Some(EventId::new(1)),
        inputs: Some("{}"),
        accepted_at: number,
        created_at: number,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() {
    check(|tx| {
        let (first, second, third) = (run(1_000), run(2_000), run(3_000));
        runs::insert(tx, &first)?;
        runs::insert_started(tx, &second, 2_001)?;
        runs::insert(tx, &third)?;
        assert!(runs::start(tx, first.id, 1_001)? && !runs::start(tx, first.id, 1_002)?);
        assert!(runs::end(tx, first.id, RunState::Running, RunState::Failed, Some("why"), 1_005)?);
        assert!(!runs::end(tx, first.id, RunState::Running, RunState::Succeeded, None, 1_006)?);
        assert!(runs::end(tx, second.id, RunState::Running, RunState::Succeeded, None, 2_005)?);
        assert!(runs::set_logged(tx, first.id, 9)? && !runs::set_logged(tx, first.id, 9)?);

        let found = runs::get(tx, first.id)?.expect("inserted");
        assert_eq!((found.state, found.error.as_deref()), (RunState::Failed, Some("why")));
        assert_eq!((found.started_at, found.ended_at, found.logged_at), (Some(1_001), Some(1_005), Some(9)));
        assert_eq!(runs::state(tx, third.id)?, Some(RunState::Queued));
        assert_eq!(runs::live(tx)?, 1);
        assert_eq!(runs::live_of(tx, WORKFLOW, 10)?.len(), 1);
        assert_eq!(runs::last_outcome(tx, WORKFLOW, third.id)?, Some(RunState::Succeeded));

        let ids = |workflow, state, cursor| -> Result<Vec<RunId>> {
            let list = runs::list(tx, Filter { workflow, state, from: None }, cursor, 10)?;
            Ok(list.into_iter().map(|run| run.id).collect())
        };
        assert_eq!(ids(None, None, None)?, [third.id, second.id, first.id]);
        assert_eq!(ids(None, None, Some(third.id))?, [second.id, first.id]);
        assert_eq!(ids(Some(WORKFLOW), None, None)?.len(), 3);
        assert!(ids(Some(WorkflowId::new(5)), None, None)?.is_empty());
        for (state, expected) in [
            (RunState::Queued, vec![third.id]),
            (RunState::Running, vec![]),
            (RunState::Succeeded, vec![second.id]),
            (RunState::Failed, vec![first.id]),
            (RunState::Cancelled, vec![]),
            (RunState::TimedOut, vec![]),
        ] {
            assert_eq!(ids(None, Some(state), None)?, expected, "{state}");
            assert_eq!(ids(Some(WORKFLOW), Some(state), None)?, expected, "{state}");
        }
        let younger = runs::list(tx, Filter { from: Some(second.id), ..Filter::default() }, None, 10)?;
        assert_eq!(younger.iter().map(|run| run.id).collect::<Vec<_>>(), [third.id, second.id]);
        assert_eq!(
            runs::of_event(tx, EventId::new(1), 10)?,
            [],
            "ids of runs begin like those of their events"
        );
        let repetition = Repetition {
            origin: RunOrigin::Retry,
            of: first.id,
            actor: "host:uid-0",
            key_run: Some(first.id),
        };
        runs::set_repetition(tx, third.id, &repetition)?;
        let found = runs::get(tx, third.id)?.expect("inserted");
        assert_eq!((found.origin, found.of_run), (Some(RunOrigin::Retry), Some(first.id)));
        assert_eq!((found.actor.as_deref(), found.key_run), (Some("host:uid-0"), Some(first.id)));

        let expired = |ended_before| Expired {
            workflow: WORKFLOW,
            after: RunId::from_bytes([0; 16]),
            ended_before,
            unlogged_before: ended_before - 1_500,
        };
        let ids = |ended_before| -> Result<Vec<RunId>> {
            Ok(runs::expired(tx, &expired(ended_before), 9)?.into_iter().map(|(id, _)| id).collect())
        };
        assert_eq!(ids(1_005)?, []);
        assert_eq!(ids(1_006)?, [first.id]);
        assert_eq!(ids(2_006)?, [first.id], "nobody has recorded the end of the second");
        assert_eq!(ids(3_506)?, [first.id, second.id], "a live run is not forgotten");
        assert!(!runs::delete(tx, third.id)? && runs::delete(tx, first.id)?);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_stop_and_runs_that_start_runs() {
    check(|tx| {
        let (parent, child) = (run(1_000), run(2_000));
        runs::insert_started(tx, &parent, 1_001)?;
        runs::insert_started(tx, &child, 2_001)?;
        runs::set_ancestry(tx, child.id, Some((parent.id, 3)), 1)?;
        assert_eq!(runs::live_children(tx, parent.id, None, 10)?, [child.id]);
        assert!(runs::live_children(tx, parent.id, Some(child.id), 10)?.is_empty());
        assert!(runs::set_stop(tx, child.id, Stop::TimeOut)? && !runs::set_stop(tx, child.id, Stop::Cancel)?);
        let standing = runs::standing(tx, child.id)?.expect("inserted");
        assert_eq!((standing.state, standing.stop), (RunState::Running, Some(Stop::TimeOut)));
        runs::set_outputs(tx, child.id, "{}")?;
        let found = runs::get(tx, child.id)?.expect("inserted");
        assert_eq!((found.parent, found.depth), (Some((parent.id, 3)), 1));
        assert_eq!((found.outputs.as_deref(), found.stop), (Some("{}"), Some(Stop::TimeOut)));
        assert!(runs::end(tx, child.id, RunState::Running, RunState::TimedOut, None, 2_005)?);
        assert!(runs::live_children(tx, parent.id, None, 10)?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_steps_wait_for() {
    check(|tx| {
        let waiter = |number: i64, kind, name: Option<&str>| Waiter {
            run: RunId::new(number),
            idx: 1,
            kind,
            seq: number,
            name: name.map(str::to_owned),
            detail: "null".to_owned(),
            created_at: 5,
        };
        let exact = waiter(1, Awaited::Event, Some("order.paid"));
        let pattern = waiter(2, Awaited::Event, Some("order.*"));
        let all = waiter(3, Awaited::Event, Some("*"));
        let approval = waiter(4, Awaited::Approval, None);
        for waiter in [&exact, &pattern, &all, &approval] {
            waiters::insert(tx, waiter)?;
        }
        assert_eq!(waiters::count_events(tx)?, 3);
        let runs = |name: &str| -> Result<Vec<i64>> {
            Ok(waiters::of_event(tx, name, 10)?.into_iter().map(|waiter| waiter.seq).collect())
        };
        assert_eq!(runs("order.paid")?, [1, 3, 2]);
        assert_eq!(runs("order.paid.late")?, [3, 2]);
        assert_eq!(runs("orders")?, [3]);
        assert_eq!(waiters::of_event(tx, "order.paid", 2)?.len(), 2);
        assert_eq!(waiters::approvals(tx, None, 10)?, [approval]);
        assert_eq!(waiters::get(tx, exact.run, 1)?.as_ref(), Some(&exact));
        assert_eq!(waiters::delete(tx, exact.run, 1)?, Some(Awaited::Event));
        assert_eq!(waiters::delete(tx, exact.run, 1)?, None);
        Ok(())
    })
    .await;
}

/// The rows of the items of step 1 of two steps.
fn items(tx: &WriteTx, run: RunId, end: &End) -> Result<()> {
    let running = StepState::Running;
    for item in 0..3 {
        steps::insert_item(tx, run, 2 * (item + 1) + 1, "then", "7")?;
    }
    assert!(
        steps::start(tx, run, 3, StepState::Pending, 11)?
            && steps::start(tx, run, 5, StepState::Pending, 11)?
    );
    assert!(steps::end(tx, run, 3, running, end)?);
    steps::set_items(tx, run, 1, "{}")?;
    assert_eq!(steps::list_first(tx, run, 2)?.iter().map(|step| step.idx).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(steps::end_items(tx, run, 2, 1, StepState::Skipped, 12)?, [5]);
    let states: Vec<_> = steps::list(tx, run)?.into_iter().skip(2).map(|step| step.state).collect();
    assert_eq!(states, [StepState::Succeeded, StepState::Cancelled, StepState::Skipped]);
    assert_eq!(
        steps::item_outputs(tx, run, 2, 1)?,
        [(Some("[1]".to_owned()), None), (None, None), (None, None)]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_attempts_and_log_lines() {
    check(|tx| {
        let run = RunId::new(1);
        let mut step = NewStep {
            idx: 0,
            id: "call",
            state: StepState::Running,
            attempt: 1,
            started_at: Some(5),
            ended_at: None,
        };
        steps::insert(tx, run, &step)?;
        (step.idx, step.id, step.state, step.attempt, step.started_at) =
            (1, "then", StepState::Pending, 0, None);
        steps::insert(tx, run, &step)?;
        let running = StepState::Running;
        assert!(steps::set_state(tx, run, 0, running, StepState::Retrying, Some("again"))?);
        assert!(!steps::start(tx, run, 0, StepState::Pending, 7)?);
        assert!(steps::start(tx, run, 0, StepState::Retrying, 7)?);
        let end = End {
            state: StepState::Succeeded,
            output: Some("[1]"),
            error: None,
            attempt: 2,
            started_at: None,
            ended_at: 9,
        };
        assert!(steps::end(tx, run, 0, running, &end)? && !steps::end(tx, run, 0, running, &end)?);
        let found = steps::get(tx, run, 0)?.expect("inserted");
        assert_eq!((found.state, found.attempt, found.started_at), (StepState::Succeeded, 2, Some(5)));
        assert_eq!((found.output.as_deref(), found.error), (Some("[1]"), None));
        items(tx, run, &end)?;

        let attempt = NewAttempt {
            idx: 0,
            number: 1,
            outcome: "timeout",
            error: Some("slow"),
            detail: Some("{}"),
            started_at: 5,
            ended_at: 6,
        };
        assert!(attempts::insert(tx, run, &attempt)? && !attempts::insert(tx, run, &attempt)?);
        assert_eq!(attempts::list(tx, run)?.len(), 1);

        let line = |text| NewLine { idx: Some(0), attempt: Some(1), at: 3, stream: LogStream::Stderr, text };
        log_lines::append(tx, run, &[line("a"), line("b")])?;
        log_lines::append(tx, run, &[])?;
        log_lines::append(tx, run, &[line("c")])?;
        let lines = log_lines::list(tx, run, 1, 10)?;
        let lines: Vec<_> = lines.iter().map(|line| (line.number, line.text.as_str())).collect();
        assert_eq!(lines, [(2, "b"), (3, "c")]);
        assert_eq!((steps::delete(tx, run)?, attempts::delete(tx, run)?), (5, 1));
        assert_eq!((log_lines::delete(tx, run, 0)?, log_lines::delete(tx, run, 2)?), (0, 2));
        assert_eq!((log_lines::delete(tx, run, 2)?, log_lines::delete(tx, run, 2)?), (1, 0));
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_and_revisions() {
    check(|tx| {
        let workflow = Workflow {
            id: WORKFLOW,
            name: "nightly".to_owned(),
            enabled: true,
            revision: 1,
            created_at: 1,
            updated_at: 1,
            deleted_at: None,
        };
        workflows::insert(tx, &workflow)?;
        let twin = Workflow { id: WorkflowId::new(2), ..workflow.clone() };
        assert_eq!(workflows::insert(tx, &twin).expect_err("a twin").code(), ErrorCode::Conflict);
        let revision = |number| Revision {
            workflow_id: WORKFLOW,
            number,
            format: "yaml".to_owned(),
            source: format!("name: nightly{number}"),
            sha256: [9; 32],
            created_at: 1,
            created_by: "host:uid-0".to_owned(),
        };
        revisions::insert(tx, &revision(1))?;
        revisions::insert(tx, &revision(2))?;
        assert!(workflows::set_revision(tx, WORKFLOW, 1, 2, 5)?);
        assert!(!workflows::set_revision(tx, WORKFLOW, 1, 3, 5)?);
        assert_eq!(revisions::current(tx, None, 10)?, [revision(2)]);
        assert_eq!(revisions::list(tx, WORKFLOW, Some(2), 10)?, [revision(1)]);
        assert_eq!(revisions::get(tx, WORKFLOW, 2)?, Some(revision(2)));
        assert!(workflows::set_listening(tx, WORKFLOW, Listening::Disabled, 6)?);
        assert!(revisions::current(tx, None, 10)?.is_empty());
        assert_eq!(workflows::by_name(tx, "nightly")?.map(|found| found.enabled), Some(false));
        assert_eq!(workflows::list(tx, "", 10)?.len(), 1);
        assert!(workflows::delete(tx, WORKFLOW, 7)? && !workflows::delete(tx, WORKFLOW, 7)?);
        assert_eq!(workflows::get(tx, WORKFLOW)?.and_then(|found| found.deleted_at), Some(7));
        workflows::insert(tx, &twin)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_channels_and_notifications() {
    check(|tx| {
        for (number, body) in [(1, Body::None), (2, Body::Inline(&b"x"[..])), (3, Body::Blob([4; 32]))] {
            let new = NewEvent {
                id: EventId::new(number),
                kind: EventKind::Emitted,
                source: "invoice.paid",
                method: Some("PUT"),
                content_type: Some("text/plain"),
                headers: "{}",
                query: Some("a=1"),
                body,
                received_at: number,
                actor: Some("host:uid-0"),
                depth: 0,
            };
            events::insert(tx, &new)?;
            assert_eq!(events::get(tx, new.id)?.map(|event| event.received_at), Some(number));
        }
        let bodies: Vec<_> = events::list(tx, None, 10)?.into_iter().map(|event| event.body).collect();
        assert_eq!(bodies, [Body::Blob([4; 32]), Body::Inline(b"x".to_vec()), Body::None]);
        let origin = events::origin(tx, events::list(tx, None, 1)?[0].id)?.expect("inserted");
        assert_eq!((origin.source.as_str(), origin.actor.as_deref()), ("invoice.paid", Some("host:uid-0")));
        assert!(events::names_blob(tx, &[4; 32])? && !events::names_blob(tx, &[5; 32])?);
        // A fire that was due long ago and has become an event only now is no old event.
        let late = NewEvent {
            id: EventId::lowest(1),
            kind: EventKind::Schedule,
            source: "nightly",
            method: None,
            content_type: None,
            headers: "{}",
            query: None,
            body: Body::None,
            received_at: 9,
            actor: None,
            depth: 0,
        };
        events::insert(tx, &late)?;
        let old = events::old(tx, EventId::lowest(0), 3, 9)?;
        assert_eq!(old.len(), 2);
        for id in old {
            assert!(events::delete_unused(tx, id)? && !events::delete_unused(tx, id)?);
        }

        let id = ChannelId::new(1);
        let (kind, config) = ("inbox".to_owned(), "{}".to_owned());
        let channel = Channel { id, name: "ops".to_owned(), kind, config, created_at: 1, updated_at: 1 };
        channels::insert(tx, &channel)?;
        assert_eq!(channels::by_name(tx, "ops")?.as_ref(), Some(&channel));
        assert_eq!(channels::get(tx, id)?.as_ref(), Some(&channel));
        assert!(channels::update(tx, id, "webhook", "{\"url\":1}", 2)?);
        assert_eq!(channels::list(tx, "", 5)?[0].kind, "webhook");

        let new = NotificationId::new(5);
        let (run_id, title, body) = (Some(RunId::new(1)), "t", "b");
        notifications::insert(
            tx,
            &NewNotification { id: new, channel_id: id, run_id, title, body, created_at: 5 },
        )?;
        assert!(notifications::set_attempted(tx, new, 1, "slow")?);
        assert!(notifications::set_failed(tx, new, 2, "gone")? && notifications::reopen(tx, new)?);
        assert!(
            notifications::set_delivered(tx, new, 8, 3)? && !notifications::set_delivered(tx, new, 9, 4)?
        );
        assert!(notifications::set_read(tx, new, 9)? && !notifications::set_read(tx, new, 9)?);
        let found = notifications::get(tx, new)?.expect("inserted");
        assert_eq!((found.state, found.attempt, found.error), (NotificationState::Delivered, 3, None));
        assert_eq!(notifications::list(tx, Some(id), None, 5)?, notifications::list(tx, None, None, 5)?);
        assert_eq!(notifications::purge(tx, NotificationId::new(6), 5)?, 1);
        assert!(channels::delete(tx, id)? && !channels::delete(tx, id)?);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_keys_and_secrets() {
    check(|tx| {
        for (state, took) in [(RunState::Succeeded, 5), (RunState::Failed, 9), (RunState::Running, 99)] {
            rollups::add(tx, WORKFLOW, HOUR_MS * 3 + 1, state, took)?;
        }
        let (hour, counts) = rollups::by_hour(tx, HOUR_MS * 3, 10)?[0];
        assert_eq!((hour, counts.succeeded, counts.failed, counts.total_ms, counts.max_ms), (3, 1, 1, 14, 9));
        assert_eq!(rollups::by_workflow(tx, 0, 10)?, [(WORKFLOW, counts)]);
        assert_eq!((rollups::purge(tx, HOUR_MS * 3)?, rollups::purge(tx, HOUR_MS * 4)?), (0, 1));

        keys::insert(tx, &keys::DataKey { version: 1, wrapped: vec![1], created_at: 1 })?;
        assert!(keys::rewrap(tx, 1, &[2])?);
        assert_eq!(keys::latest(tx)?.map(|key| key.wrapped), Some(vec![2]));
        let mut secret = secrets::Secret {
            name: "API".to_owned(),
            version: 1,
            key_version: 1,
            sealed: vec![3],
            updated_at: 1,
            updated_by: "host:uid-0".to_owned(),
        };
        secrets::put(tx, &secret)?;
        (secret.version, secret.sealed) = (2, vec![4]);
        secrets::put(tx, &secret)?;
        assert_eq!(secrets::get(tx, "API")?.as_ref(), Some(&secret));
        assert_eq!(secrets::list(tx, "", 5)?, [secret]);
        assert!(secrets::delete(tx, "API")? && !secrets::delete(tx, "API")?);
        Ok(())
    })
    .await;
}
