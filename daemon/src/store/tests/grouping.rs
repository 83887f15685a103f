//! Closures share a transaction without noticing each other.

use std::sync::{Arc, Mutex, mpsc};

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{EventId, JobId};
use tenantry_protocol::state::{EventKind, StageName};

use super::House;
use crate::error::{Error, Result};
use crate::store::tenant::events::{self, Body, NewEvent};
use crate::store::tenant::jobs::{self, NewJob};
use crate::store::{Lane, WriteTx};

fn add_event(tx: &WriteTx, id: EventId) -> Result<()> {
    let (kind, body) = (EventKind::Webhook, Body::Inline(&b"{}"[..]));
    let new = NewEvent {
        id,
        kind,
        source: "hook",
        method: None,
        content_type: None,
        headers: "{}",
        query: None,
        body,
        received_at: 1,
        actor: None,
        depth: 0,
    };
    events::insert(tx, &new)
}

/// Holds the writer until the sender is dropped or sends, so that what is written meanwhile becomes one batch.
fn hold(house: &House, database: &super::Database) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (database, (begun, has_begun)) = (database.clone(), mpsc::channel());
    house.supervisor.spawn_once("hold", async move {
        let hold = move |_: &WriteTx| {
            begun.send(()).ok();
            held.recv().ok();
            Ok(())
        };
        database.write(Lane::Api, hold).await
    });
    has_begun.recv().expect("the writer is held");
    release
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_leaves_nothing_and_its_neighbours_stay() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let ids: Vec<_> = (0..20).map(EventId::new).collect();
    let release = hold(&house, &tenant);
    let mut writes = Vec::new();
    for (place, id) in ids.iter().copied().enumerate() {
        let tenant = tenant.clone();
        writes.push(house.supervisor.spawn_once("write", async move {
            let lane = if place % 2 == 0 { Lane::Trigger } else { Lane::Action };
            let closure = move |tx: &WriteTx| {
                add_event(tx, id)?;
                match place % 4 {
                    1 => Err(Error::from(ErrorCode::Conflict)),
                    3 => panic!("on purpose"),
                    _ => Ok(place),
                }
            };
            // Those that may be run again fail among others of their kind and among those that may not.
            if place % 5 < 3 {
                tenant.write_again(lane, closure).await
            } else {
                tenant.write(lane, closure).await
            }
        }));
    }
    while tenant.waiting() < ids.len() {
        tokio::task::yield_now().await;
    }
    drop(release);
    for (place, write) in writes.into_iter().enumerate() {
        let result = write.join().await.expect("no panic gets out");
        match place % 4 {
            1 => assert_eq!(result.unwrap_err().code(), ErrorCode::Conflict),
            3 => assert_eq!(result.unwrap_err().code(), ErrorCode::Internal),
            _ => assert_eq!(result.expect("written"), place),
        }
    }
    let found = tenant.read(|tx| events::list(tx, None, 100)).await.expect("a list");
    let mut found: Vec<_> = found.into_iter().map(|event| event.id).collect();
    found.sort();
    assert_eq!(found, ids.into_iter().step_by(2).collect::<Vec<_>>());
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_after_the_commit_in_order_and_before_the_answer() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let release = hold(&house, &tenant);
    let mut writes = Vec::new();
    for number in 0..10 {
        let (tenant, seen) = (tenant.clone(), Arc::clone(&seen));
        let write = tenant.clone();
        let hooked = Arc::clone(&seen);
        let write = async move {
            let closure = move |tx: &WriteTx| {
                add_event(tx, EventId::new(number))?;
                tx.on_commit(move || hooked.lock().expect("unpoisoned").push(number));
                if number == 4 { Err(Error::from(ErrorCode::Conflict)) } else { Ok(()) }
            };
            let result = write.write(Lane::Trigger, closure).await;
            (number, result.is_ok() == seen.lock().expect("unpoisoned").contains(&number))
        };
        let before = tenant.waiting();
        writes.push(house.supervisor.spawn_once("write", write));
        while tenant.waiting() == before {
            tokio::task::yield_now().await;
        }
    }
    assert!(seen.lock().expect("unpoisoned").is_empty());
    drop(release);
    for write in writes {
        let (number, told) = write.join().await.expect("no panic");
        assert!(told, "{number}");
    }
    assert_eq!(*seen.lock().expect("unpoisoned"), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_triggers_delays_a_notification_by_no_more_than_one_batch() {
    let house = House::with(|limits| {
        limits.batch_limit = 64;
        limits.lane_limit = 16_384;
    })
    .await;
    let tenant = house.tenant().await;
    let release = hold(&house, &tenant);
    let flood: Vec<_> = (0..5_000)
        .map(|number| {
            let tenant = tenant.clone();
            house.supervisor.spawn_once("write", async move {
                tenant.write(Lane::Trigger, move |tx| add_event(tx, EventId::new(number))).await
            })
        })
        .collect();
    while tenant.waiting() < 5_000 {
        tokio::task::yield_now().await;
    }
    let notice = {
        let tenant = tenant.clone();
        house.supervisor.spawn_once("write", async move {
            tenant.write(StageName::Notification, |tx| Ok(events::list(tx, None, 1_000)?.len())).await
        })
    };
    while tenant.waiting() < 5_001 {
        tokio::task::yield_now().await;
    }
    drop(release);
    let before = notice.join().await.expect("no panic").expect("written");
    assert!(before <= 64, "{before} triggers went before the notification");
    for write in flood {
        write.join().await.expect("no panic").expect("written");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_leased_when_the_daemon_died_is_ready_after_recovery() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let id = tenant.tenant_id().expect("a tenant");
    tenant
        .write(Lane::Trigger, |tx| {
            for number in 0..3 {
                let job = NewJob {
                    id: JobId::new(number),
                    stage: StageName::Action,
                    run_id: None,
                    payload: b"work",
                    available_at: number,
                    created_at: 0,
                    lease: None,
                };
                jobs::insert(tx, &job)?;
            }
            Ok(jobs::claim(tx, StageName::Action, 1, 10, 1_000)?.len())
        })
        .await
        .map(|claimed| assert_eq!(claimed, 2))
        .expect("claimed");
    let folder = house.stop().await;
    let house = House::at(folder, |_| {}).await;
    let tenant = house.store.tenant(id).expect("the tenant is still there");
    let recovered = tenant.write(Lane::Api, jobs::recover).await.expect("recovered");
    assert_eq!(recovered, 2);
    let again = tenant.write(StageName::Action, |tx| jobs::claim(tx, StageName::Action, 9, 10, 1_000)).await;
    let attempts: Vec<_> = again.expect("claimed").into_iter().map(|job| job.attempt).collect();
    assert_eq!(attempts, [2, 2, 1]);
    house.stop().await;
}
