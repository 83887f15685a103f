//! Balances the books: for every number that was acknowledged exactly one event, one run that succeeded, one attempt
//! that did, one notification that was delivered; for every second one fire; and outside, repeats only under the same key.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tenantry_protocol::channel::{NotificationState, NotificationView};
use tenantry_protocol::client::Client;
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::path::Operation;
use tenantry_protocol::queue::JobView;
use tenantry_protocol::run::{EventView, RunView, StepView};
use tenantry_protocol::state::{EventKind, RunState, StepState};
use tenantry_protocol::tenant::QueueView;

use super::load::Sent;
use super::ticks;
use crate::daemon::TestDaemon;
use crate::receiver::Receiver;
use crate::tenant::TestTenant;

/// Everything that was counted.
#[derive(Debug, Default)]
pub struct Books {
    /// Numbers that senders saw acknowledged.
    pub acknowledged: u64,
    /// Those that took more than one try.
    pub repeated: u64,
    /// Actions that the receiver got, repeats included.
    pub actions: u64,
    /// Notifications that the receiver got, repeats included.
    pub notifications: u64,
    /// Fires of schedules.
    pub fires: u64,
    /// What does not balance, in words.
    pub problems: Vec<String>,
}

/// The most that is told of one tenant; one mistake makes thousands of lines.
const TOLD: usize = 10;

/// Waits until no job of any tenant waits or is under way. What is left after the deadline is stuck.
pub async fn wait_until_settled(
    daemon: &TestDaemon,
    tenants: &[TestTenant],
    deadline: Duration,
    books: &mut Books,
) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        let mut waiting = Vec::new();
        for tenant in tenants {
            let queues: Vec<QueueView> = queues(daemon.client(), &tenant.name).await?;
            waiting.extend(queues.iter().filter(|q| q.ready + q.leased > 0).map(|q| {
                format!("{}: {} ready and {} leased in {}", tenant.name, q.ready, q.leased, q.stage)
            }));
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > deadline {
            books.problems.extend(waiting.into_iter().map(|what| format!("stuck: {what}")));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn queues(client: &Client, tenant: &str) -> io::Result<Vec<QueueView>> {
    let page: Page<QueueView> =
        client.get(Operation::QueueList, &[tenant], &()).await.map_err(io::Error::other)?;
    Ok(page.items)
}

/// Every item of a list, page by page.
pub async fn all<T: DeserializeOwned>(
    client: &Client,
    operation: Operation,
    tenant: &str,
) -> io::Result<Vec<T>> {
    let mut items = Vec::new();
    let mut query = PageQuery { limit: Some(500), after: None };
    loop {
        let page: Page<T> = client.get(operation, &[tenant], &query).await.map_err(io::Error::other)?;
        items.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(items),
        }
    }
}

/// Balances one tenant's books.
pub async fn balance(
    daemon: &TestDaemon,
    tenant: &TestTenant,
    receiver: &Receiver,
    sent: &Sent,
    ticked: (i64, i64),
    books: &mut Books,
) -> io::Result<()> {
    let mut problems = Vec::new();
    let client = daemon.client();
    let name = tenant.name.as_str();

    let acknowledged: BTreeSet<&str> = sent.events.values().map(String::as_str).collect();
    if acknowledged.len() != sent.events.len() {
        problems.push("two numbers were acknowledged with one event".to_owned());
    }
    let events: Vec<EventView> = all(client, Operation::EventList, name).await?;
    books.fires += ticks::balance(daemon, tenant, receiver, ticked, &events, &mut problems).await?;
    let hooks = events.iter().filter(|event| event.kind == EventKind::Webhook);
    let there: BTreeSet<String> = hooks.map(|event| event.id.to_string()).collect();
    problems.extend(
        sent.events
            .iter()
            .filter(|(_, e)| !there.contains(*e))
            .map(|(n, e)| format!("number {n}: {e} is lost")),
    );
    problems.extend(
        there.iter().filter(|e| !acknowledged.contains(e.as_str())).map(|e| format!("{e} was made twice")),
    );

    let mut runs = tenant.runs().await.map_err(io::Error::other)?;
    runs.retain(|run| run.workflow != ticks::NAME);
    check_runs(&runs, &acknowledged, &mut problems);
    for run in &runs {
        let run = run.id.to_string();
        let steps: Page<StepView> =
            client.get(Operation::RunSteps, &[name, &run], &()).await.map_err(io::Error::other)?;
        check_steps(&run, &steps.items, &mut problems);
    }

    let notifications: Vec<NotificationView> = all(client, Operation::NotificationList, name).await?;
    check_notifications(&notifications, &runs, &mut problems);
    let dead: Vec<JobView> = all(client, Operation::DeadList, name).await?;
    problems.extend(dead.iter().map(|job| format!("dead letter: {}: {:?}", job.subject, job.error)));

    books.acknowledged += sent.events.len() as u64;
    books.repeated += sent.repeated;
    books.actions += outside(receiver, &format!("/act/{name}"), "idempotency-key", sent, &mut problems);
    books.notifications += notified(receiver, &format!("/notify/{name}"), sent, &mut problems);
    let rest = problems.len().saturating_sub(TOLD);
    books.problems.extend(problems.into_iter().take(TOLD).map(|problem| format!("{name}: {problem}")));
    if rest > 0 {
        books.problems.push(format!("{name}: and {rest} more"));
    }
    Ok(())
}

fn check_runs(runs: &[RunView], acknowledged: &BTreeSet<&str>, problems: &mut Vec<String>) {
    let mut of_event: BTreeMap<String, u32> = BTreeMap::new();
    for run in runs {
        *of_event.entry(run.event.to_string()).or_default() += 1;
        if run.state != RunState::Succeeded {
            problems.push(format!("{} is {}: {:?}", run.id, run.state, run.error));
        }
        if run.logged_at.is_none() {
            problems.push(format!("{} was not recorded by the logging stage", run.id));
        }
    }
    for event in acknowledged {
        match of_event.get(*event) {
            Some(1) => {}
            count => problems.push(format!("{event} has {} runs", count.copied().unwrap_or_default())),
        }
    }
}

fn check_steps(run: &str, steps: &[StepView], problems: &mut Vec<String>) {
    let [step] = steps else {
        problems.push(format!("{run} has {} steps instead of 1", steps.len()));
        return;
    };
    if step.state != StepState::Succeeded {
        problems.push(format!("{run}: the step is {}", step.state));
    }
    let numbers: Vec<u32> = step.attempts.iter().map(|attempt| attempt.number).collect();
    let succeeded = step.attempts.iter().filter(|attempt| attempt.outcome == "succeeded").count();
    if succeeded != 1 {
        problems.push(format!("{run}: {succeeded} attempts succeeded: {numbers:?}"));
    }
    if numbers.iter().zip(numbers.iter().skip(1)).any(|(a, b)| a >= b) {
        problems.push(format!("{run}: attempts are recorded twice or out of order: {numbers:?}"));
    }
}

fn check_notifications(notifications: &[NotificationView], runs: &[RunView], problems: &mut Vec<String>) {
    let mut of_run: BTreeMap<String, u32> = BTreeMap::new();
    for notification in notifications {
        if let Some(run) = &notification.run {
            *of_run.entry(run.to_string()).or_default() += 1;
        }
        if notification.state != NotificationState::Delivered {
            problems.push(format!("{} is {}: {:?}", notification.id, notification.state, notification.error));
        }
    }
    for run in runs {
        match of_run.get(&run.id.to_string()) {
            Some(1) => {}
            count => {
                problems.push(format!("{} has {} notifications", run.id, count.copied().unwrap_or_default()));
            }
        }
    }
}

/// Checks what the receiver got for each number: at least once, always under one key, a key of its own.
fn outside(receiver: &Receiver, prefix: &str, header: &str, sent: &Sent, problems: &mut Vec<String>) -> u64 {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let received = receiver.received(&format!("{prefix}/"));
    for request in &received {
        let number = request.path[prefix.len() + 1..].to_owned();
        let key = request.header(header).to_owned();
        keys.entry(number.clone()).or_default().insert(key.clone());
        owners.entry(key).or_default().insert(number);
    }
    for number in sent.events.keys() {
        match keys.get(&number.to_string()).map_or(0, BTreeSet::len) {
            1 => {}
            0 => problems.push(format!("number {number}: its action never arrived")),
            several => problems.push(format!("number {number}: its action came under {several} keys")),
        }
    }
    let shared = owners.iter().filter(|(key, numbers)| key.is_empty() || numbers.len() > 1);
    problems
        .extend(shared.map(|(key, numbers)| format!("the key {key:?} stands for the numbers {numbers:?}")));
    received.len() as u64
}

/// Checks that every number's notification arrived, always under one id.
fn notified(receiver: &Receiver, prefix: &str, sent: &Sent, problems: &mut Vec<String>) -> u64 {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let received = receiver.received(prefix);
    for request in &received {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        let digits = text.split("number ").nth(1).unwrap_or_default();
        let number: String = digits.chars().take_while(char::is_ascii_digit).collect();
        ids.entry(number).or_default().insert(request.header("webhook-id").to_owned());
    }
    for number in sent.events.keys() {
        match ids.get(&number.to_string()).map_or(0, BTreeSet::len) {
            1 => {}
            0 => problems.push(format!("number {number}: its notification never arrived")),
            several => problems.push(format!("number {number}: its notification came under {several} ids")),
        }
    }
    received.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn run(event: &str, state: &str) -> RunView {
        let id = tenantry_protocol::id::RunId::new(1).to_string();
        let workflow = tenantry_protocol::id::WorkflowId::new(1).to_string();
        serde_json::from_value(json!({
            "id": id, "workflow-id": workflow, "workflow": "w", "revision": 1, "event": event, "trigger": "webhook",
            "state": state, "accepted-at": 1, "created-at": 1, "ended-at": 2, "logged-at": 3,
        }))
        .unwrap()
    }

    fn step(outcomes: &[(u32, &str)]) -> StepView {
        let attempts: Vec<Value> = outcomes
            .iter()
            .map(|(number, outcome)| json!({"number": number, "outcome": outcome, "started-at": 1, "ended-at": 2}))
            .collect();
        serde_json::from_value(json!({
            "id": "act", "index": 0, "kind": "http", "state": "succeeded", "attempt": 1, "attempts": attempts,
        }))
        .unwrap()
    }

    #[test]
    fn every_kind_of_loss_and_double_is_a_problem() {
        let event = tenantry_protocol::id::EventId::new(1).to_string();
        let problems_of = |runs: &[RunView]| {
            let mut problems = Vec::new();
            check_runs(runs, &BTreeSet::from([event.as_str()]), &mut problems);
            problems
        };
        assert_eq!(problems_of(&[run(&event, "succeeded")]), Vec::<String>::new());
        assert_eq!(problems_of(&[]).len(), 1, "a lost run");
        assert_eq!(
            problems_of(&[run(&event, "succeeded"), run(&event, "succeeded")]).len(),
            1,
            "a second run"
        );
        assert_eq!(problems_of(&[run(&event, "failed")]).len(), 1, "a run that failed");

        let of_step = |outcomes: &[(u32, &str)]| {
            let mut problems = Vec::new();
            check_steps("run", &[step(outcomes)], &mut problems);
            problems.len()
        };
        assert_eq!(of_step(&[(1, "interrupted"), (2, "succeeded")]), 0);
        assert_eq!(of_step(&[(1, "succeeded"), (2, "succeeded")]), 1, "settled twice");
        assert_eq!(of_step(&[(1, "failed"), (1, "succeeded")]), 1, "one attempt twice");
        assert_eq!(of_step(&[]), 1, "none");
    }

    #[tokio::test]
    async fn a_missing_or_changed_key_outside_is_a_problem() {
        let receiver = Receiver::start().await.unwrap();
        let post = async |path: &str, key: &str| {
            let call = crate::http::Call::post(path, "").header("idempotency-key", key);
            call.tcp(receiver.address()).await.unwrap();
        };
        post("/act/a/1", "k1").await;
        post("/act/a/1", "k1").await;
        post("/act/a/2", "k2").await;
        let sent = |numbers: &[u64]| Sent {
            events: numbers.iter().map(|number| (*number, String::new())).collect(),
            repeated: 0,
        };
        let problems_of = |numbers: &[u64]| {
            let mut problems = Vec::new();
            outside(&receiver, "/act/a", "idempotency-key", &sent(numbers), &mut problems);
            problems
        };
        assert_eq!(problems_of(&[1, 2]), Vec::<String>::new(), "a repeat under its key is fine");
        assert_eq!(problems_of(&[1, 2, 3]).len(), 1, "number 3 never arrived");
        post("/act/a/1", "k3").await;
        assert_eq!(problems_of(&[1, 2]).len(), 1, "number 1 came under two keys");
        post("/act/a/2", "k1").await;
        assert!(problems_of(&[1, 2]).iter().any(|p| p.contains("stands for")), "one key for two numbers");
    }
}
