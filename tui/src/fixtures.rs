//! Things of the protocol, and whole models, for tests.

use crate::message::{Access, Answer, LinkState, Message, Trouble};
use crate::model::Model;
use crate::model::update::update;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::feed::{Change, FeedItem};
use tenantry_protocol::health::{HealthState, Status, TaskView, TenantCounts};
use tenantry_protocol::permission::Role;
use tenantry_protocol::run::StageTimes;

use tenantry_protocol::id::{EventId, JobId, RunId, TenantId, WorkflowId};
use tenantry_protocol::queue::JobView;
use tenantry_protocol::run::{AttemptView, LogLine, LogStream, RunView, StepView};
use tenantry_protocol::state::{EventKind, JobState, RunState, StageName, StepState, TenantState};
use tenantry_protocol::tenant::{Counters, QueueView, TenantStats};

/// A run without steps.
pub(crate) fn run_view(id: RunId, workflow: &str, state: RunState) -> RunView {
    RunView {
        id,
        workflow_id: WorkflowId::from_bytes([3; 16]),
        workflow: workflow.to_owned(),
        revision: 1,
        event: EventId::from_bytes([4; 16]),
        trigger: EventKind::Webhook,
        source: None,
        by: None,
        origin: None,
        repeats: None,
        state,
        error: None,
        accepted_at: 0,
        created_at: 0,
        started_at: None,
        ended_at: None,
        logged_at: None,
        notified_at: None,
        inputs: serde_json::Map::default(),
        outputs: None,
        stopping: None,
        steps: Vec::new(),
        stages: None,
    }
}

/// A step that has not begun.
pub(crate) fn step_view(id: &str, state: StepState) -> StepView {
    StepView {
        id: id.to_owned(),
        index: 0,
        item: None,
        items: None,
        kind: "http".to_owned(),
        state,
        attempt: 0,
        started_at: None,
        ended_at: None,
        error: None,
        output: None,
        attempts: Vec::new(),
    }
}

/// A failed attempt.
pub(crate) fn attempt(number: u32, started_at: i64, ended_at: i64) -> AttemptView {
    AttemptView { number, outcome: "failed".to_owned(), started_at, ended_at, error: None }
}

/// A line on standard output.
pub(crate) fn log_line(seq: i64, text: &str) -> LogLine {
    LogLine {
        seq,
        at: 0,
        step: "build".to_owned(),
        item: None,
        attempt: 1,
        stream: LogStream::Stdout,
        text: text.to_owned(),
    }
}

/// An idle tenant.
pub(crate) fn tenant(n: u8, name: &str) -> TenantStats {
    let queue = |stage: &StageName| QueueView { stage: *stage, ready: 0, leased: 0, dead: 0, oldest_ms: 0 };
    TenantStats {
        tenant: TenantId::from_bytes([n; 16]),
        name: name.to_owned(),
        state: TenantState::Active,
        degraded: false,
        counters: Counters::default(),
        queues: StageName::ALL.iter().map(queue).collect(),
    }
}

/// The time of the models below: 2026-11-24 10:00:00 UTC.
pub(crate) const NOW: i64 = 1_795_514_400_000;
/// What a tenant could write to mislead an operator: escapes, bidi, tabs, wide characters.
pub(crate) const HOSTILE: &str =
    "\u{1b}]52;c;eA==\u{7}\u{1b}[2J\u{202e}gpj.exe\t世界\u{200b}\u{9b}31m\r\nend";

/// A run's id of that time, the same in every test.
pub(crate) fn run_id(ms: i64, n: u8) -> RunId {
    let mut bytes = [n; 16];
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    RunId::from_bytes(bytes)
}

/// A model that got these messages.
pub(crate) fn model(messages: impl IntoIterator<Item = Message>) -> Model {
    let mut model = Model::new(NOW, jiff::tz::TimeZone::UTC, None);
    for message in messages {
        update(&mut model, NOW, message);
    }
    model
}

/// The operator of the host.
pub(crate) fn host_access() -> Access {
    Access { principal: "root".to_owned(), role: Role::HostAdmin, tenant: None }
}

/// A host that is not quite well.
pub(crate) fn status() -> Status {
    let task = TaskView { name: "stage-action".to_owned(), restarts: 3, last_error: Some("disk".to_owned()) };
    Status {
        downtime: None,
        state: HealthState::Serving,
        version: "0.1.0".to_owned(),
        pid: 4711,
        started_at: NOW - 3_600_000,
        data: "/var/lib/tenantry".to_owned(),
        socket: "/run/tenantry/api.sock".to_owned(),
        ingress: "127.0.0.1:8080".to_owned(),
        public_url: "http://127.0.0.1:8080".to_owned(),
        tenants: TenantCounts { total: 3, degraded: 1, quarantined: 0 },
        memory_bytes: 40 << 20,
        degraded_tasks: vec![task],
        tasks: 12,
        sandbox: vec!["no-new-privs".to_owned()],
    }
}

/// Three tenants, one of them degraded and behind.
pub(crate) fn tenants() -> Vec<TenantStats> {
    let mut acme = tenant(1, "acme");
    acme.counters = Counters {
        events_accepted: 12_345,
        runs_started: 12_340,
        runs_succeeded: 12_300,
        runs_failed: 3,
        attempts: 13_000,
        notifications_delivered: 12_290,
        ..Counters::default()
    };
    let mut globex = tenant(2, "globex");
    globex.degraded = true;
    globex.counters.events_refused = 7;
    globex.queues[1] =
        QueueView { stage: StageName::Action, ready: 1_200, leased: 16, dead: 2, oldest_ms: 61_000 };
    vec![globex, acme, tenant(3, "initech")]
}

/// A change that the feed tells of a run.
pub(crate) fn run_item(
    tenant: u8,
    id: RunId,
    workflow: &str,
    state: RunState,
    error: Option<&str>,
) -> Message {
    let change =
        Change::Run { run: id, workflow: workflow.to_owned(), state, error: error.map(str::to_owned) };
    Message::Feed(FeedItem { at: NOW, tenant: Some(TenantId::from_bytes([tenant; 16])), change })
}

/// The messages after which the overview is full.
pub(crate) fn overview() -> Vec<Message> {
    let mut messages = vec![
        Message::Access(host_access()),
        Message::Link(LinkState::Live),
        Message::Answer(Answer::Stats { host: Some(Box::new(status())), tenants: tenants() }),
        Message::Answer(Answer::Runs { asked: 0, lists: Vec::new() }),
    ];
    let states = [RunState::Succeeded, RunState::Failed, RunState::Running, RunState::Queued];
    for n in 0..12_u8 {
        let state = states[usize::from(n) % 4];
        let error = (state == RunState::Failed).then_some("action-failed: the receiver answered 503");
        let id = run_id(NOW - i64::from(12 - n) * 1_500, n);
        messages.push(run_item(n % 3 + 1, id, "order-paid", state, error));
    }
    messages
}

/// A run that retries its second step.
pub(crate) fn running(id: RunId) -> RunView {
    let mut view = run_view(id, "order-paid", RunState::Running);
    (view.accepted_at, view.created_at) = (NOW - 20_005, NOW - 20_000);
    view.started_at = Some(NOW - 19_990);
    view.stages = Some(StageTimes { trigger_ms: 5, ..StageTimes::default() });
    let mut fetch = step_view("fetch", StepState::Succeeded);
    (fetch.attempt, fetch.started_at, fetch.ended_at) = (1, Some(NOW - 19_990), Some(NOW - 15_000));
    fetch.attempts =
        vec![AttemptView { outcome: "succeeded".to_owned(), ..attempt(1, NOW - 19_990, NOW - 15_000) }];
    let mut charge = step_view("charge", StepState::Retrying);
    (charge.index, charge.attempt, charge.started_at) = (1, 2, Some(NOW - 15_000));
    charge.error = Some("egress-denied: 10.0.0.1 is private".to_owned());
    charge.attempts = vec![attempt(1, NOW - 15_000, NOW - 14_000), attempt(2, NOW - 9_000, NOW - 8_500)];
    charge.attempts[1].error = Some("egress-denied: 10.0.0.1 is private".to_owned());
    let mut tell = step_view("tell", StepState::Pending);
    tell.index = 2;
    view.steps = vec![fetch, charge, tell];
    view
}

/// A dead letter of the action stage.
pub(crate) fn dead(n: u8, run: RunId, error: &str) -> JobView {
    JobView {
        leased_at: None,
        lease_until: None,
        id: JobId::from_bytes([n; 16]),
        stage: StageName::Action,
        state: JobState::Dead,
        run: Some(run),
        attempt: 3,
        available_at: NOW,
        created_at: NOW - 60_000,
        error: Some(error.to_owned()),
        subject: format!("step charge-{n}"),
        payload: None,
    }
}

/// Why nothing is reached.
pub(crate) fn unreachable() -> Trouble {
    let code = ErrorCode::DaemonUnreachable;
    Trouble {
        code,
        detail: "no daemon answers on /run/tenantry/api.sock".to_owned(),
        hint: code.remedy().to_owned(),
    }
}
