//! Jobs: claimed once, settled only under their lease.

use tenantry_protocol::id::{EventId, JobId, LeaseToken};
use tenantry_protocol::state::{JobState, StageName};

use super::House;
use crate::error::Result;
use crate::store::tenant::dedupe::{self, Claim};
use crate::store::tenant::jobs::{self, Depth, Lease, NewJob};
use crate::store::{Lane, WriteTx};

const STAGE: StageName = StageName::Action;

fn add(tx: &WriteTx, number: i64, lease: Option<Lease>) -> Result<i64> {
    let (id, available_at) = (JobId::new(number), number);
    let payload = format!("{number}").into_bytes();
    let (stage, run_id, payload) = (STAGE, None, payload.as_slice());
    jobs::insert(tx, &NewJob { id, stage, run_id, payload, available_at, created_at: 0, lease })
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_holder_of_the_lease_decides() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let checked = tenant.write(Lane::Api, |tx| {
        for number in [30, 10, 20, 99] {
            add(tx, number, None)?;
        }
        assert_eq!(jobs::next_due(tx, STAGE)?, Some(10));
        let claimed = jobs::claim(tx, STAGE, 50, 10, 1_000)?;
        assert_eq!(
            claimed.iter().map(|job| job.payload.as_slice()).collect::<Vec<_>>(),
            [b"10", b"20", b"30"]
        );
        assert!(jobs::claim(tx, STAGE, 50, 10, 1_000)?.is_empty(), "a leased job is not claimed again");
        assert!(jobs::claim(tx, StageName::Trigger, 500, 10, 1_000)?.is_empty(), "another stage's queue");

        let [first, second, third] = &claimed[..] else { panic!("three jobs") };
        let stranger = LeaseToken::new(7);
        assert!(!jobs::settle(tx, first.seq, stranger)?);
        assert!(!jobs::bury(tx, first.seq, stranger, "no")?);
        assert!(!jobs::reschedule(tx, first.seq, stranger, 1, None)?);
        assert!(!jobs::release(tx, first.seq, stranger, 1)?);
        assert!(!jobs::extend(tx, first.seq, stranger, 1)?);

        assert!(jobs::extend(tx, first.seq, first.lease.token, 2_000)?);
        assert!(jobs::settle(tx, first.seq, first.lease.token)?);
        assert!(!jobs::settle(tx, first.seq, first.lease.token)?, "settled is gone");
        assert!(jobs::reschedule(tx, second.seq, second.lease.token, 60, Some("later"))?);
        assert!(jobs::bury(tx, third.seq, third.lease.token, "broken")?);

        let again = jobs::claim(tx, STAGE, 60, 10, 1_000)?;
        assert_eq!(again.iter().map(|job| (job.seq, job.attempt)).collect::<Vec<_>>(), [(second.seq, 2)]);
        assert_ne!(again[0].lease.token, second.lease.token);
        assert!(!jobs::settle(tx, second.seq, second.lease.token)?, "the old lease is void");
        assert!(jobs::release(tx, second.seq, again[0].lease.token, 60)?);
        assert_eq!(jobs::claim(tx, STAGE, 60, 10, 1_000)?[0].attempt, 2, "a released claim does not count");
        Ok(())
    });
    checked.await.expect("as told");
    drop(tenant);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_retried_and_discarded() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let checked = tenant.write(Lane::Api, |tx| {
        for number in [1, 2, 3] {
            let seq = add(tx, number, None)?;
            let job = jobs::claim(tx, STAGE, 5, 1, 1_000)?.remove(0);
            assert_eq!(job.seq, seq);
            assert!(jobs::bury(tx, seq, job.lease.token, "broken")?);
        }
        add(tx, 9, None)?;
        let dead = jobs::list_dead(tx, None, None, 2)?;
        assert_eq!(dead.len(), 2);
        assert_eq!(dead[0].error.as_deref(), Some("broken"));
        assert_eq!(jobs::list_dead(tx, Some(STAGE), None, 9)?.len(), 3);
        let other = StageName::ALL.iter().copied().find(|stage| *stage != STAGE);
        assert_eq!(jobs::list_dead(tx, other, None, 9)?, [], "the stage is asked for before the page is cut");
        let rest = jobs::list_dead(tx, None, Some(dead[1].id), 2)?;
        assert_eq!(rest.len(), 1);
        assert_eq!(jobs::get_dead(tx, rest[0].id)?.as_ref(), Some(&rest[0]));
        assert!(jobs::retry_dead(tx, dead[0].id, 4)? && !jobs::retry_dead(tx, dead[0].id, 4)?);
        assert!(jobs::discard_dead(tx, dead[1].id)? && !jobs::discard_dead(tx, dead[1].id)?);
        let waiting = jobs::list_ready(tx, STAGE, None, 10)?;
        assert_eq!(waiting.iter().map(|job| job.available_at).collect::<Vec<_>>(), [4, 9]);
        let cursor = Some((waiting[0].available_at, waiting[0].seq));
        assert_eq!(jobs::list_ready(tx, STAGE, cursor, 10)?.len(), 1);
        let mut depths = jobs::depths(tx)?;
        depths.sort_by_key(|depth| depth.state);
        let expected = [(JobState::Ready, 2), (JobState::Dead, 1)];
        assert_eq!(depths, expected.map(|(state, count)| Depth { stage: STAGE, state, count }));
        Ok(())
    });
    checked.await.expect("as told");
    drop(tenant);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_handed_over_in_memory_is_born_leased_and_comes_back_when_its_lease_ends() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let checked = tenant.write(Lane::Api, |tx| {
        let lease = Lease { token: LeaseToken::new(1), until: 100 };
        let seq = add(tx, 1, Some(lease))?;
        assert!(jobs::claim(tx, STAGE, 50, 10, 1_000)?.is_empty());
        assert_eq!(jobs::reclaim_expired(tx, 100)?, 0);
        assert_eq!(jobs::reclaim_expired(tx, 101)?, 1);
        assert!(!jobs::settle(tx, seq, lease.token)?, "the lease ended");
        assert_eq!(jobs::claim(tx, STAGE, 101, 10, 1_000)?[0].attempt, 2);
        Ok(())
    });
    checked.await.expect("as told");
    drop(tenant);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_the_first_event_until_it_expires() {
    let house = House::new().await;
    let tenant = house.tenant().await;
    let checked = tenant.write(Lane::Trigger, |tx| {
        let (key, first, second) = ([5; 32], EventId::new(1), EventId::new(2));
        assert_eq!(dedupe::claim(tx, &key, first, 10, 20)?, Claim::First);
        assert_eq!(dedupe::claim(tx, &key, second, 19, 40)?, Claim::Seen(first));
        assert_eq!(dedupe::claim(tx, &key, second, 20, 40)?, Claim::First);
        assert_eq!(dedupe::purge(tx, 39, 10)?, 0);
        assert_eq!(dedupe::purge(tx, 40, 10)?, 1);
        Ok(())
    });
    checked.await.expect("as told");
    drop(tenant);
    house.stop().await;
}
