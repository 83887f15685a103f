use std::sync::atomic::AtomicU32;

use tokio::sync::{Notify, oneshot};

use super::*;

/// Advances the manual clock in small steps until the condition holds.
async fn advance_until(clock: &Clock, mut condition: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
        clock.advance(50);
    }
    panic!("the condition never held");
}

#[tokio::test]
async fn a_panicking_task_is_restarted() {
    let clock = Clock::manual(0);
    let supervisor = Supervisor::new(clock.clone());
    let lives = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&lives);
    let handle = supervisor.spawn(TaskSpec::always("committer"), move |stop| {
        let life = counter.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(life != 0, "first life");
            stop.cancelled().await;
        }
    });
    advance_until(&clock, || lives.load(Ordering::Relaxed) == 2).await;
    advance_until(&clock, || supervisor.health()[0].state == TaskState::Running).await;
    let health = supervisor.health();
    assert_eq!((health[0].restarts, supervisor.panics()), (1, 1));
    assert!(health[0].last_failure.as_deref().is_some_and(|why| why.contains("first life")));
    handle.stop();
    handle.ended().await;
    assert_eq!(supervisor.health(), []);
}

#[tokio::test]
async fn too_many_restarts_make_a_task_degraded_until_it_has_lived_for_a_window() {
    let clock = Clock::manual(0);
    let supervisor = Supervisor::new(clock.clone());
    let healed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = Arc::clone(&healed);
    let tenant = TenantId::new(1);
    let spec = TaskSpec {
        name: "driver".into(),
        restart: Restart::Always(Intensity { restarts: 2, within: Duration::from_mins(1) }),
        tenant: Some(tenant),
    };
    let _task = supervisor.spawn(spec, move |stop| {
        let healed = flag.load(Ordering::Relaxed);
        async move {
            assert!(healed, "still ill");
            stop.cancelled().await;
        }
    });
    advance_until(&clock, || supervisor.health()[0].state == TaskState::Degraded).await;
    assert_eq!(supervisor.health()[0].tenant, Some(tenant));
    healed.store(true, Ordering::Relaxed);
    advance_until(&clock, || supervisor.health()[0].state == TaskState::Running).await;
    assert!(supervisor.drain(Duration::from_secs(1)).await.is_complete());
}

#[tokio::test]
async fn a_task_restarted_on_panic_only_may_return() {
    let supervisor = Supervisor::new(Clock::system());
    supervisor.spawn(TaskSpec::on_panic("sweep"), |_| async {}).ended().await;
    assert_eq!(supervisor.panics(), 0);
    assert_eq!(supervisor.running(), []);
}

#[tokio::test]
async fn a_panic_of_a_single_future_is_told_to_its_owner() {
    let supervisor = Supervisor::new(Clock::system());
    let lost = supervisor.spawn_once("handler", async { panic!("no luck") }).join().await;
    let Err(Lost::Panicked(panicked)) = lost else { panic!("{lost:?}") };
    assert_eq!(panicked.message(), "no luck");
    assert_eq!(supervisor.spawn_once("handler", async { 5 }).join().await, Ok(5));
    assert_eq!(supervisor.blocking("checksum", || 6).join().await, Ok(6));
    assert!(supervisor.blocking("checksum", || panic!("bad block")).join().await.is_err());
    assert_eq!(supervisor.panics(), 2);
}

#[tokio::test]
async fn an_aborted_future_leaves_the_roll() {
    let supervisor = Supervisor::new(Clock::system());
    let task = supervisor.spawn_once("connection", std::future::pending::<()>());
    assert_eq!(supervisor.running(), [("connection".to_owned(), 1)]);
    task.abort();
    assert_eq!(task.join().await, Err(Lost::Aborted));
    assert!(supervisor.drain(Duration::from_secs(5)).await.is_complete());
}

#[tokio::test]
async fn a_drain_names_what_did_not_stop() {
    let clock = Clock::manual(0);
    let supervisor = Supervisor::new(clock.clone());
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let obedient = supervisor.spawn_once("obedient", supervisor.stop().clone().cancelled_owned());
    let stubborn = supervisor.spawn_once("stubborn", async move { held.notified().await });
    let draining = supervisor.clone();
    let mut drain = std::pin::pin!(draining.drain(Duration::from_secs(3)));
    assert!(futures_util::poll!(&mut drain).is_pending());
    obedient.join().await.expect("ends at the stop");
    clock.advance(3_000);
    assert_eq!(drain.await.leftovers, [("stubborn".to_owned(), 1)]);
    release.notify_one();
    stubborn.join().await.expect("ends when released");
}

#[tokio::test]
async fn groups_are_drained_one_after_another() {
    let supervisor = Supervisor::new(Clock::system());
    let (doors, store) = (supervisor.group(), supervisor.group());
    let (release, released) = oneshot::channel::<()>();
    let (told, outlived) = oneshot::channel();
    let door = doors.spawn_once("door", doors.stop().clone().cancelled_owned());
    store
        .thread("committer", move |stop| {
            drop(released.blocking_recv());
            told.send(!stop.is_cancelled()).expect("the test waits");
        })
        .expect("thread starts");
    assert!(doors.drain(Duration::from_secs(5)).await.is_complete());
    door.join().await.expect("the door has closed");
    assert_eq!(store.running(), [("committer".to_owned(), 1)]);
    drop(release);
    assert_eq!(outlived.await, Ok(true), "the store outlives the doors");
    assert!(store.drain(Duration::from_secs(5)).await.is_complete());
    assert_eq!(supervisor.panics(), 0);
}

#[tokio::test]
async fn a_panic_in_a_thread_is_counted_and_does_not_hold_up_the_drain() {
    let supervisor = Supervisor::new(Clock::system());
    supervisor.thread("committer", |_| panic!("bad page")).expect("thread starts");
    assert!(supervisor.drain(Duration::from_secs(5)).await.is_complete());
    assert_eq!(supervisor.panics(), 1);
}

/// Connections come, panic, are aborted and end while the drain has begun; none is lost and none is counted twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_tasks_leaves_nothing_behind() {
    const TASKS: u64 = 2_000;
    let supervisor = Supervisor::new(Clock::system());
    let storm = supervisor.group();
    let starter = storm.clone();
    let started = supervisor.spawn_once("storm", async move {
        for number in 0..TASKS {
            let stop = starter.stop().clone();
            let task = starter.spawn_once("connection", async move {
                assert!(number % 4 != 0, "every fourth");
                stop.cancelled().await;
            });
            if number % 4 == 1 {
                task.abort();
            }
            if number == TASKS / 2 {
                starter.stop().cancel();
            }
        }
    });
    started.join().await.expect("all are started");
    assert!(storm.drain(Duration::from_secs(30)).await.is_complete());
    assert_eq!(storm.running(), []);
    assert_eq!(supervisor.panics(), TASKS / 4);
    assert!(supervisor.drain(Duration::from_secs(30)).await.is_complete());
}
