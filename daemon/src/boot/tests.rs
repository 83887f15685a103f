//! A simulated year of schedules with restarts at random points, on a manual clock and real files.

mod tally;

mod buried;
mod leases;
mod stopping;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use tenantry_protocol::audit::AuditQuery;
use tenantry_protocol::id::{SessionId, TenantId};
use tenantry_protocol::permission::Role;
use tenantry_protocol::state::EventKind;
use tenantry_protocol::tenant::{TenantCreate, TenantLimits, TenantUpdate};
use tenantry_protocol::workflow::{NextQuery, WorkflowApply, WorkflowUpdate};
use tenantry_workflow::schedule::due::ON_TIME_MS;

use super::*;
use crate::auth::policy::Grant;
use crate::context::{Context, Origin};
use crate::service::Authorized;
use crate::service::event::Event;
use crate::store::PAGE_LIMIT;
use crate::store::fault_point::{self, Fault};
use crate::store::tenant::events;

const HOUR: i64 = 3_600_000;
/// How long a test waits for what should happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// The daemon's inside without doors and stages.
struct Inside {
    service: Arc<Service>,
    clock: Clock,
    parts: Parts,
}

impl Inside {
    async fn open(folder: &TempDir, now: i64) -> Self {
        let data = folder.path().join("data");
        let folders = Folders {
            config_file: folder.path().join("none"),
            runtime: data.clone(),
            socket: data.join("api.sock"),
            data,
            credentials: None,
        };
        let clock = Clock::manual(now);
        let root = Supervisor::new(clock.clone());
        let parts = Parts {
            doors: root.group(),
            stages: root.group(),
            upkeep: root.group(),
            runner: root.group(),
            store: root.group(),
        };
        let mut config = Config::default();
        // No stage takes the jobs away.
        config.tenant_defaults.queue_quota = 1_000_000;
        let service = open_service(config, &folders, &clock, &parts).await.unwrap();
        assert!(recover::all(&service).await.is_empty());
        Self { service, clock, parts }
    }

    async fn close(self) {
        drop(self.service);
        assert!(self.parts.store.drain(drain::STORE_DEADLINE).await.is_complete());
    }

    fn admin(&self, tenant: Option<&str>) -> Authorized {
        Authorized {
            context: Context::system(Origin::Api, &self.clock),
            grant: Grant { role: Role::HostAdmin, tenant: None, scope: None },
            session: SessionId::new(1),
            tenant: tenant.and_then(|name| self.service.directory.find(name)),
        }
    }

    async fn tenant(&self) -> TenantId {
        let create = TenantCreate { name: "acme".into(), title: None, limits: TenantLimits::default() };
        self.service.create_tenant(&self.admin(None), create).await.unwrap().id
    }

    async fn apply(&self, schedules: &str) {
        let source = format!("name: w\non:\n  schedule:\n{schedules}steps: [{{ run: echo }}]\n");
        let apply = WorkflowApply { file: "w.yaml".into(), source, dry_run: false };
        self.service.apply_workflow(&self.admin(Some("acme")), apply).await.unwrap();
    }

    async fn enable(&self, enabled: bool) {
        let admin = self.admin(Some("acme"));
        self.service.update_workflow(&admin, "w", WorkflowUpdate { enabled }).await.unwrap();
    }

    /// Does what the timer does until the clock shows `until`.
    async fn run_until(&self, until: i64) {
        loop {
            let now = self.clock.now_ms();
            match self.service.schedules.first() {
                Some((at, tenant)) if at <= until => {
                    self.clock.advance(u64::try_from(at.saturating_sub(now)).unwrap_or_default());
                    self.service.look_at_schedules(tenant).await.unwrap();
                }
                _ => {
                    self.clock.advance(u64::try_from(until - now).unwrap_or_default());
                    return;
                }
            }
        }
    }

    /// How often each (schedule, fire) became an event.
    async fn fired(&self, tenant: TenantId) -> BTreeMap<(String, i64), u32> {
        let (mut fired, mut after) = (BTreeMap::new(), None);
        loop {
            let file = self.service.store.tenant(tenant).unwrap();
            let page = file.read(move |tx| events::list(tx, after, PAGE_LIMIT)).await.unwrap();
            for row in &page {
                let event =
                    crate::service::events::load(&self.service, tenant, row.id).await.unwrap().unwrap();
                assert_eq!(event.kind, EventKind::Schedule);
                *fired.entry(named(&event)).or_default() += 1;
            }
            match page.last() {
                Some(last) if page.len() == PAGE_LIMIT as usize => after = Some(last.id),
                _ => return fired,
            }
        }
    }
}

/// Waits until something holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let clock = Clock::system();
    let begun = clock.instant();
    while !holds() {
        assert!(clock.elapsed(begun) < PATIENCE, "did not come to hold: {what}");
        tokio::task::yield_now().await;
    }
}

fn named(event: &Event) -> (String, i64) {
    let body = &event.value().unwrap()["body"];
    (body["schedule"].as_str().unwrap().to_owned(), body["scheduled_at_ms"].as_i64().unwrap())
}

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

/// xorshift64*
fn below(state: &mut u64, end: i64) -> i64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    i64::try_from((state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end.unsigned_abs()).unwrap()
}

/// Expression, catchup, window in hours.
const YEAR: &[(&str, &str, &str, i64)] = &[
    ("30 2 * * *", "Europe/Berlin", "latest", 12),
    ("0 */6 * * *", "UTC", "all", 24),
    ("45 1 * * *", "America/New_York", "none", 0),
    ("0 22 L * ?", "Australia/Lord_Howe", "all", 2_000),
    ("15 9 * * mon#1", "Africa/Casablanca", "latest", 1),
];

/// What the policy says must start, given when the daemon was up: told apart from how the daemon finds it.
fn expected(index: usize, start: i64, end: i64, stops: &[(i64, i64)]) -> Vec<i64> {
    let (expression, zone, catchup, window) = YEAR[index];
    let text = format!(
        "name: w\non: {{ schedule: {{ cron: '{expression}', timezone: {zone} }} }}\nsteps: [{{ run: echo }}]"
    );
    let checked = tenantry_workflow::check("w", &text, tenantry_workflow::Format::Yaml);
    let workflow = checked.workflow.unwrap();
    let all = workflow.triggers.schedules[0].fires_between(start, end).collect::<Vec<_>>();
    let mut wanted = Vec::new();
    let mut from = start;
    for (down, up) in stops.iter().copied().chain([(end, end)]) {
        // What fell due while it was up; the instant of the stop itself was still served.
        wanted.extend(all.iter().copied().filter(|fire| from < *fire && *fire <= down));
        let missed: Vec<_> = all.iter().copied().filter(|fire| down < *fire && *fire <= up).collect();
        let on_time: Vec<_> = missed.iter().copied().filter(|fire| up - fire <= ON_TIME_MS).collect();
        let within = |fire: &i64| up - fire <= window * HOUR;
        match catchup {
            "all" => wanted.extend(missed.iter().copied().filter(|f| within(f) || on_time.contains(f))),
            "latest" if on_time.is_empty() => wanted.extend(missed.last().copied().filter(within)),
            _ => wanted.extend(on_time),
        }
        from = up;
    }
    wanted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_with_restarts_misses_and_doubles_no_fire() {
    a_year(0x5EED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_year_with_restarts_misses_and_doubles_no_fire() {
    a_year(2_026).await;
}

/// The times up; a second, some minutes, hours or days apart.
fn random_stops(seed: u64, start: i64, end: i64) -> Vec<(i64, i64)> {
    let mut random = seed | 1;
    let mut stops = Vec::new();
    let mut moment = start;
    while moment < end {
        let down = moment + HOUR + below(&mut random, 14 * 24 * HOUR);
        let longest = [2_000, 600_000, 8 * HOUR, 60 * HOUR][usize::try_from(below(&mut random, 4)).unwrap()];
        let up = down + 1 + below(&mut random, longest);
        if up < end {
            stops.push((down, up));
        }
        moment = up;
    }
    stops
}

async fn a_year(seed: u64) {
    let (start, end) = (at("2026-01-01T00:00:30Z"), at("2027-01-01T00:00:30Z"));
    let stops = random_stops(seed, start, end);
    let folder = TempDir::new().unwrap();
    let mut inside = Inside::open(&folder, start).await;
    let tenant = inside.tenant().await;
    let mut schedules = String::new();
    for (cron, zone, catchup, window) in YEAR {
        let window = if *window == 0 { String::new() } else { format!(", catchup-window: {window}h") };
        let entry =
            format!("{{ cron: '{cron}', timezone: {zone}, catchup: {catchup}{window}, overlap: allow }}");
        schedules.extend(["    - ", &entry, "\n"]);
    }
    inside.apply(&schedules).await;
    for (down, up) in &stops {
        inside.run_until(*down).await;
        inside.close().await;
        inside = Inside::open(&folder, *up).await;
    }
    inside.run_until(end).await;
    let fired = inside.fired(tenant).await;
    inside.close().await;
    for (index, (cron, ..)) in YEAR.iter().enumerate() {
        let got: Vec<_> = fired.keys().filter(|(text, _)| text == cron).map(|(_, fire)| *fire).collect();
        let wanted = expected(index, start, end, &stops);
        let shown = |fires: &[i64], others: &[i64]| -> Vec<String> {
            let only = fires.iter().filter(|fire| !others.contains(fire));
            only.map(|fire| Timestamp::from_millisecond(*fire).unwrap().to_string()).collect()
        };
        assert!(
            got == wanted,
            "seed {seed}, {cron}: missed {:?}, too many {:?}",
            shown(&wanted, &got),
            shown(&got, &wanted)
        );
    }
    assert!(fired.values().all(|count| *count == 1), "seed {seed}");
    assert!(fired.len() > 1_500 && stops.len() > 20, "{} fires, {} stops", fired.len(), stops.len());
}

/// The disk fails at the commit that decides a fire: nothing of it is there, or all of it is and nobody can tell.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_misses_and_doubles_no_fire() {
    let folder = TempDir::new().unwrap();
    let start = at("2026-06-01T00:00:30Z");
    let mut inside = Inside::open(&folder, start).await;
    let tenant = inside.tenant().await;
    inside.apply("    - { cron: '0 * * * *', catchup: latest, overlap: allow }\n").await;
    let file = folder.path().join("data/tenants").join(tenant.to_string()).join("tenant.db");
    assert!(file.is_file(), "{} is where the faults go", file.display());
    let (full, sync) = (fault_point::SQLITE_FULL, fault_point::SQLITE_IOERR_FSYNC);
    let faults = [Fault::Before(full), Fault::After(sync), Fault::Before(sync), Fault::After(full)];
    let mut failed = 0;
    for (hour, (fault, restarts)) in (1..).zip(faults.into_iter().flat_map(|f| [(f, false), (f, true)])) {
        let until = start + hour * HOUR;
        inside.run_until(until - HOUR / 2 - 30_000).await;
        fault_point::inject(&file, &[fault]);
        let due = inside.service.schedules.first().unwrap().0;
        inside.clock.advance(u64::try_from(due - inside.clock.now_ms()).unwrap());
        failed += u32::from(inside.service.look_at_schedules(tenant).await.is_err());
        if restarts {
            // Nobody has looked since the commit failed.
            let now = inside.clock.now_ms();
            inside.close().await;
            inside = Inside::open(&folder, now).await;
        }
        inside.run_until(until).await;
    }
    let fired = inside.fired(tenant).await;
    let times: Vec<_> = fired.keys().map(|(_, fire)| (*fire + 30_000 - start) / HOUR).collect();
    assert_eq!(times, (1..=8).collect::<Vec<_>>());
    assert!(fired.values().all(|count| *count == 1), "{fired:?}");
    assert!(failed >= 4, "only {failed} commits failed");
    inside.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_clock_that_jumps_doubles_nothing_and_silences_nothing() {
    let folder = TempDir::new().unwrap();
    let start = at("2026-06-01T00:00:30Z");
    let inside = Inside::open(&folder, start).await;
    let tenant = inside.tenant().await;
    inside.apply("    - { cron: '0 * * * *', catchup: latest, overlap: allow }\n").await;
    inside.run_until(start + 3 * HOUR).await;
    // Forward by a year, and a look there; then back to where it was.
    inside.clock.advance(365 * 24 * 3_600_000);
    let looked = inside.service.look_at_schedules(tenant).await.unwrap();
    assert_eq!((looked.started, looked.caught_up), (1, 0), "the newest is on time there");
    assert!(looked.missed >= 1_000);
    inside.close().await;
    let inside = Inside::open(&folder, start + 3 * HOUR).await;
    inside.run_until(start + 4 * HOUR).await;
    // Back while it runs: what has fired is passed over in silence, and no time is lost.
    inside.service.set_schedules_back().await.unwrap();
    inside.run_until(start + 6 * HOUR).await;
    let fired = inside.fired(tenant).await;
    let times: Vec<_> = fired.keys().map(|(_, fire)| (*fire - start) / HOUR).collect();
    assert_eq!(times, [0, 1, 2, 3, 4, 5, 365 * 24 + 2]);
    assert!(fired.values().all(|count| *count == 1));
    inside.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_decides_what_fires() {
    let folder = TempDir::new().unwrap();
    let start = at("2026-06-01T00:00:30Z");
    let inside = Inside::open(&folder, start).await;
    let tenant = inside.tenant().await;
    let hourly = "    - { cron: '0 * * * *', overlap: allow }\n";
    inside.apply(hourly).await;
    inside.run_until(start + 2 * HOUR).await;
    // Another key of the entry: it keeps its place. Another expression: it begins now.
    inside.apply("    - { cron: '0 * * * *', overlap: allow, catchup: none }\n").await;
    inside.run_until(start + 4 * HOUR).await;
    inside.enable(false).await;
    inside.run_until(start + 7 * HOUR).await;
    inside.enable(true).await;
    inside.run_until(start + 8 * HOUR).await;
    inside.apply("    - { cron: '30 * * * *', overlap: allow }\n").await;
    inside.run_until(start + 9 * HOUR).await;
    // While a tenant is suspended nothing fires; afterwards the policy decides.
    let state = |state| TenantUpdate { title: None, state: Some(state), limits: None };
    let suspended = state(tenantry_protocol::state::TenantState::Suspended);
    inside.service.update_tenant(&inside.admin(Some("acme")), suspended).await.unwrap();
    inside.run_until(start + 12 * HOUR).await;
    let active = state(tenantry_protocol::state::TenantState::Active);
    inside.service.update_tenant(&inside.admin(Some("acme")), active).await.unwrap();
    inside.run_until(start + 13 * HOUR).await;
    inside.service.delete_workflow(&inside.admin(Some("acme")), "w").await.unwrap();
    inside.run_until(start + 15 * HOUR).await;
    let fired = inside.fired(tenant).await;
    let minutes: Vec<_> =
        fired.keys().map(|(_, fire)| (*fire - at("2026-06-01T00:00:00Z")) / 60_000).collect();
    assert_eq!(minutes, [60, 120, 180, 240, 480, 510, 690, 750]);
    inside.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_has_cost_is_told_to_whoever_asks() {
    let folder = TempDir::new().unwrap();
    let start = at("2026-06-01T00:00:30Z");
    let inside = Inside::open(&folder, start).await;
    let tenant = inside.tenant().await;
    inside.apply("    - { cron: '0 * * * *', catchup: latest, catchup-window: 2h, overlap: allow }\n").await;
    inside.run_until(start + 2 * HOUR).await;
    inside.close().await;
    // The fires of 03:00 to 07:00 fell due meanwhile; the last of them is half an hour late.
    let (down, up) = (start + 2 * HOUR, start + 7 * HOUR + HOUR / 2);
    let inside = Inside::open(&folder, up).await;
    crate::watch::start(&inside.service, Some(down), &inside.parts.upkeep);
    until("the downtime is told", || inside.service.downtime.get().is_some()).await;
    let report = inside.service.downtime.get().unwrap();
    assert_eq!((report.from, report.until, report.caught_up, report.missed), (Some(down), up, 1, 4));
    assert_eq!((report.tenants.len(), report.tenants[0].tenant.as_str()), (1, "acme"));
    let admin = inside.admin(Some("acme"));
    let next = inside.service.next_fires(&admin, "w", &NextQuery { limit: Some(1) }).await.unwrap();
    let schedule = &next.schedules[0];
    assert_eq!((schedule.started, schedule.missed), (3, 4));
    assert_eq!(schedule.last_missed, Some(at("2026-06-01T06:00:00Z")));
    assert_eq!(next.fires[0].at, at("2026-06-01T08:00:00Z"));
    let audit = inside.service.list_audit(&admin, &AuditQuery::default()).await.unwrap();
    let missed: Vec<_> = audit.items.iter().filter(|record| record.verb == "schedule.miss").collect();
    assert_eq!((missed.len(), &missed[0].detail["count"]), (1, &serde_json::json!(4)));
    let fired = inside.fired(tenant).await;
    assert!(fired.contains_key(&("0 * * * *".to_owned(), at("2026-06-01T07:00:00Z"))), "{fired:?}");
    // The timer itself fires the next one.
    inside.clock.advance(u64::try_from(HOUR / 2).unwrap());
    until("the next hour is due", || inside.service.schedules.first().is_some_and(|(at, _)| at > up + HOUR))
        .await;
    assert_eq!(inside.fired(tenant).await.len(), 4);
    assert!(inside.parts.upkeep.drain(PATIENCE).await.is_complete());
    inside.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_nothing_due_costs_no_open_file() {
    let folder = TempDir::new().unwrap();
    let start = at("2026-06-01T00:00:30Z");
    let inside = Inside::open(&folder, start).await;
    let tenant = inside.tenant().await;
    inside.apply("    - { cron: '0 9 * * *', overlap: allow }\n").await;
    for number in 0..20 {
        let name = format!("quiet-{number}");
        let create = TenantCreate { name, title: None, limits: TenantLimits::default() };
        inside.service.create_tenant(&inside.admin(None), create).await.unwrap();
    }
    inside.close().await;
    let inside = Inside::open(&folder, start + HOUR).await;
    crate::watch::start(&inside.service, None, &inside.parts.upkeep);
    assert_eq!(inside.service.schedules.tenants(), [tenant]);
    until("no file is open", || inside.service.store.open_count() == 0).await;
    for _ in 0..7 * 60 {
        inside.clock.advance(60_000);
        tokio::task::yield_now().await;
        assert_eq!(inside.service.store.open_count(), 0);
    }
    inside.clock.advance(u64::try_from(HOUR).unwrap());
    let tomorrow = at("2026-06-02T09:00:00Z");
    until("it has fired", || inside.service.schedules.first() == Some((tomorrow, tenant))).await;
    assert!(inside.service.store.is_open(tenant) && inside.service.store.open_count() == 1);
    assert_eq!(inside.fired(tenant).await.len(), 1);
    assert!(inside.parts.upkeep.drain(PATIENCE).await.is_complete());
    inside.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fire_that_gives_its_place_up_is_recorded_under_its_own_schedule() {
    let folder = TempDir::new().unwrap();
    let start = at("2026-06-01T00:00:30Z");
    let inside = Inside::open(&folder, start).await;
    inside.tenant().await;
    let first = "    - { cron: '0 * * * *', overlap: queue }\n";
    inside.apply(&format!("{first}    - {{ cron: '30 * * * *', overlap: cancel-running }}\n")).await;
    // What fires first is on its way for ever, as no stage takes it; what fires then waits, and the second schedule
    // takes the place of all that wait.
    inside.run_until(start + 2 * HOUR).await;
    let admin = inside.admin(Some("acme"));
    let audit = inside.service.list_audit(&admin, &AuditQuery::default()).await.unwrap();
    let skipped = audit.items.iter().filter(|record| record.verb == "schedule.skip");
    let told: Vec<_> = skipped.map(|record| record.detail["schedule"].as_str().unwrap()).collect();
    assert!(told.contains(&"0 * * * *"), "{told:?}");
    let next = inside.service.next_fires(&admin, "w", &NextQuery { limit: Some(1) }).await.unwrap();
    for schedule in &next.schedules {
        let count = told.iter().filter(|text| **text == schedule.schedule).count();
        assert_eq!(u32::try_from(count).unwrap(), schedule.skipped, "{}: {told:?}", schedule.schedule);
    }
    inside.close().await;
}
