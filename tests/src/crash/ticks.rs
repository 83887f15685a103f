//! A schedule that fires every second of a tenant while its daemon is killed: with `catchup: all` every second from its
//! first fire to its last must have become exactly one event and one run, and have been sent outside under one key.
//!
//! The oracle is the wall clock of this process: the schedule was applied and disabled at known times.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use tenantry_protocol::client::ClientError;
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{EventView, RunView};
use tenantry_protocol::state::{EventKind, RunState};
use tenantry_protocol::workflow::{NextFires, NextQuery, WorkflowUpdate, WorkflowView};

use crate::daemon::{TestDaemon, soon};
use crate::receiver::Receiver;
use crate::sign::now;
use crate::tenant::TestTenant;

/// The workflow's name.
pub const NAME: &str = "ticking";
/// How many seconds may pass between the applying of a schedule and its first fire: the second that has begun, and the
/// machine's slowness.
const BEGIN_WITHIN: i64 = 3;

/// The workflow.
pub fn workflow(receiver: &Receiver, tenant: &str) -> String {
    format!(
        "name: {NAME}
on:
  schedule: {{ cron: '* * * * * *', catchup: all, catchup-window: 1h, overlap: allow }}
steps:
  - id: act
    http: {{ method: POST, url: \"{}/${{{{ event.body.scheduled_at_ms }}}}\" }}
    retry: {{ attempts: 50, backoff: constant, delay: 200ms }}
",
        receiver.url(&format!("/tick/{tenant}"))
    )
}

/// Waits until every fire up to now has become an event, and disables the schedule; answers the second up to which
/// fires must be there.
pub async fn finish(daemon: &TestDaemon, tenant: &TestTenant) -> Result<i64, ClientError> {
    let until = now();
    let caught_up = || async {
        let query = NextQuery { limit: None };
        let next: NextFires =
            daemon.client().get(Operation::WorkflowNext, &[&tenant.name, NAME], &query).await.ok()?;
        next.schedules.first()?.last_fire.filter(|fire| fire / 1_000 >= until)
    };
    soon("the schedule has made up for what fell due while the daemon was dead", caught_up).await;
    let disable = WorkflowUpdate { enabled: false };
    let path = [tenant.name.as_str(), NAME];
    daemon.client().send::<WorkflowView>(Operation::WorkflowUpdate, &path, &disable).await?;
    Ok(until)
}

/// Balances the fires of one tenant: `from` and `until` are the seconds in which the schedule was applied and
/// disabled. Answers how many there were.
pub async fn balance(
    daemon: &TestDaemon,
    tenant: &TestTenant,
    receiver: &Receiver,
    (from, until): (i64, i64),
    events: &[EventView],
    problems: &mut Vec<String>,
) -> io::Result<u64> {
    let mut fires = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == EventKind::Schedule) {
        let id = event.id.to_string();
        let view: EventView = daemon
            .client()
            .get(Operation::EventGet, &[&tenant.name, &id], &())
            .await
            .map_err(io::Error::other)?;
        let fire = view.content.as_ref().and_then(|content| content["body"]["scheduled_at_ms"].as_i64());
        match fire {
            Some(fire) if fire % 1_000 == 0 => fires.entry(fire / 1_000).or_insert_with(Vec::new).push(id),
            other => problems.push(format!("{id} is of the fire {other:?}")),
        }
    }
    check_fires(&fires, from, until, problems);
    let runs = tenant.runs().await.map_err(io::Error::other)?;
    check_runs(&fires, &runs, problems);
    check_outside(&fires, receiver, &tenant.name, problems);
    Ok(fires.len() as u64)
}

fn check_fires(fires: &BTreeMap<i64, Vec<String>>, from: i64, until: i64, problems: &mut Vec<String>) {
    let (Some(first), Some(last)) = (fires.keys().next(), fires.keys().next_back()) else {
        problems.push("no second has fired".to_owned());
        return;
    };
    if *first < from || *first > from + BEGIN_WITHIN || *last < until {
        problems.push(format!("fires from {first} to {last} instead of {from} to {until}"));
    }
    problems.extend(
        (*first..=*last)
            .filter(|second| !fires.contains_key(second))
            .map(|second| format!("{second} was missed")),
    );
    let doubled = fires.iter().filter(|(_, events)| events.len() > 1);
    problems.extend(doubled.map(|(second, events)| format!("{second} has fired {} times", events.len())));
}

fn check_runs(fires: &BTreeMap<i64, Vec<String>>, runs: &[RunView], problems: &mut Vec<String>) {
    let mut of_event: BTreeMap<String, Vec<RunState>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.workflow == NAME) {
        of_event.entry(run.event.to_string()).or_default().push(run.state);
    }
    for event in fires.values().flatten() {
        let states = of_event.get(event).map_or(&[][..], Vec::as_slice);
        if states != [RunState::Succeeded] {
            problems.push(format!("{event} of a schedule has runs {states:?}"));
        }
    }
}

fn check_outside(
    fires: &BTreeMap<i64, Vec<String>>,
    receiver: &Receiver,
    tenant: &str,
    problems: &mut Vec<String>,
) {
    let prefix = format!("/tick/{tenant}/");
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in receiver.received(&prefix) {
        let key = request.header("idempotency-key").to_owned();
        keys.entry(request.path[prefix.len()..].to_owned()).or_default().insert(key);
    }
    for second in fires.keys() {
        match keys.get(&(second * 1_000).to_string()).map_or(0, BTreeSet::len) {
            1 => {}
            keys => problems.push(format!("the action of {second} came under {keys} keys")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_a_doubled_and_a_late_fire_are_problems() {
        let problems_of = |seconds: &[i64], (from, until)| {
            let mut fires: BTreeMap<i64, Vec<String>> = BTreeMap::new();
            for second in seconds {
                fires.entry(*second).or_default().push("evt".to_owned());
            }
            let mut problems = Vec::new();
            check_fires(&fires, from, until, &mut problems);
            problems.len()
        };
        assert_eq!(problems_of(&[11, 12, 13], (10, 13)), 0);
        assert_eq!(problems_of(&[11, 13], (10, 13)), 1, "missed");
        assert_eq!(problems_of(&[11, 12, 12, 13], (10, 13)), 1, "doubled");
        assert_eq!(problems_of(&[11, 12, 13], (10, 14)), 1, "the last is not there");
        assert_eq!(problems_of(&[15, 16], (10, 16)), 1, "the first are not there");
        assert_eq!(problems_of(&[9, 10], (10, 10)), 1, "before it was applied");
        assert_eq!(problems_of(&[], (10, 13)), 1, "none");
    }
}
