//! Tests of the whole model: what a list of messages leads to.

use proptest::prelude::*;
use tenantry_protocol::feed::{Change, FeedItem};
use tenantry_protocol::id::TenantId;
use tenantry_protocol::permission::Role;
use tenantry_protocol::state::{RunState, TenantState};

use super::cursor::PAGE_ROWS;
use super::update::update;
use super::*;
use crate::fixtures::{
    HOSTILE, NOW, dead as dead_job, host_access, log_line, model, overview, run_id, run_item, running,
    status, tenants, unreachable,
};
use crate::message::{Answer, Effect, Intent, Message, Read, Request};

fn press(model: &mut Model, intents: &[Intent]) -> Vec<Effect> {
    intents.iter().flat_map(|intent| update(model, NOW, Message::Intent(*intent))).collect()
}

fn write(model: &mut Model, text: &str) {
    for c in text.chars() {
        press(model, &[Intent::Type(c)]);
    }
}

fn asks(effects: &[Effect]) -> Vec<&Request> {
    effects.iter().filter_map(|e| if let Effect::Ask(request) = e { Some(request) } else { None }).collect()
}

#[test]
fn a_live_link_reads_counters_and_then_runs() {
    let mut model = model([Message::Access(host_access())]);
    let effects = update(&mut model, NOW, Message::Link(LinkState::Live));
    assert_eq!(effects, [Effect::Ask(Request::Stats { tenant: None })]);
    let answer = Answer::Stats { host: Some(Box::new(status())), tenants: tenants() };
    let effects = update(&mut model, NOW, Message::Answer(answer));
    let [Request::Runs { tenants, .. }] = asks(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(tenants[0].1, "acme", "those that ran the most come first");
}

#[test]
fn an_idle_dashboard_never_wakes_up() {
    let model = model(overview().into_iter().take(4));
    assert_eq!(model.wake_at(), None);
}

#[test]
fn a_burst_of_changes_is_one_read_a_second() {
    let mut model = model(overview().into_iter().take(4));
    let mut reads = 0;
    for n in 0..200 {
        let now = NOW + i64::from(n) * 10;
        let item = run_item(1, run_id(now, 1), "w", RunState::Running, None);
        let effects = update(&mut model, now, item);
        let stats = asks(&effects).into_iter().filter(|r| matches!(r, Request::Stats { .. })).count();
        reads += stats;
        if stats > 0 {
            update(&mut model, now, Message::Answer(Answer::Stats { host: None, tenants: tenants() }));
        }
    }
    assert_eq!(reads, 1, "2 s of changes after the read at the start");
    assert_eq!(model.wake_at(), Some(NOW + 2_000));
    let effects = update(&mut model, NOW + 2_000, Message::Clock);
    assert_eq!(asks(&effects).len(), 1);
}

#[test]
fn a_gap_reads_the_runs_again() {
    let mut model = model(overview());
    let gap = FeedItem { at: NOW, tenant: None, change: Change::Gap { dropped: 9 } };
    update(&mut model, NOW + 1_000, Message::Feed(gap));
    let effects = update(&mut model, NOW + 1_000 + refresh::GATHER_MS, Message::Clock);
    assert!(asks(&effects).iter().any(|request| matches!(request, Request::Runs { .. })));
    assert_eq!(model.lost_items, 9);
}

#[test]
fn a_failed_read_is_shown_and_tried_again_later() {
    let mut model = model(overview());
    update(&mut model, NOW + 1_000, Message::Clock);
    let effects =
        update(&mut model, NOW + 1_000, Message::Failed { read: Read::Stats, trouble: unreachable() });
    assert_eq!(effects, []);
    assert_eq!(model.notice, Some(unreachable()));
    assert_eq!(model.stale_ms(), Some(1_000));
    let effects = update(&mut model, NOW + 3_000, Message::Clock);
    assert_eq!(asks(&effects).len(), 1);
    press(&mut model, &[Intent::Down]);
    assert_eq!(model.notice, None, "a key takes note of it");
}

#[test]
fn nothing_is_read_while_disconnected_and_all_of_it_afterwards() {
    let mut model = model(overview());
    press(&mut model, &[Intent::Open]);
    update(&mut model, NOW, Message::Link(LinkState::Lost { trouble: unreachable(), retry_at: NOW + 250 }));
    assert_eq!(model.wake_at(), Some(NOW + 1_000), "the wait is counted down");
    assert_eq!(asks(&press(&mut model, &[Intent::Refresh])), [&Request::ConnectNow]);
    let effects = update(&mut model, NOW + 5_000, Message::Clock);
    assert_eq!(effects, []);
    update(&mut model, NOW + 5_000, Message::Link(LinkState::Connecting));
    // Reads that were under way when the link broke end in failures.
    let run = model.run.as_ref().map(|run| run.id).unwrap();
    update(&mut model, NOW + 5_000, Message::Failed { read: Read::Run(run), trouble: unreachable() });
    let effects = update(&mut model, NOW + 5_000, Message::Link(LinkState::Live));
    let kinds: Vec<_> = asks(&effects).iter().map(|request| std::mem::discriminant(*request)).collect();
    assert_eq!(kinds.len(), 4, "log, stats, runs and the open run: {effects:?}");
}

#[test]
fn what_an_idle_feed_vouched_for_ages_from_the_moment_it_is_lost() {
    let mut model = model(overview().into_iter().take(4));
    let lost = LinkState::Lost { trouble: unreachable(), retry_at: NOW };
    update(&mut model, NOW + 60_000, Message::Link(lost.clone()));
    update(&mut model, NOW + 62_000, Message::Link(LinkState::Connecting));
    update(&mut model, NOW + 65_000, Message::Link(lost));
    assert_eq!(model.stale_ms(), Some(5_000));
}

#[test]
fn a_run_is_opened_and_left() {
    let mut model = model(overview());
    let newest = model.visible_run_ids()[0];
    let effects = press(&mut model, &[Intent::Open]);
    let tenant = "globex".to_owned();
    let tenant = model.run.as_ref().map_or(tenant, |run| run.tenant_name.clone());
    let wanted = [
        Request::Log { tenant: tenant.clone(), run: newest, after: None },
        Request::Run { tenant, run: newest },
    ];
    assert_eq!(asks(&effects), [&wanted[0], &wanted[1]]);
    update(&mut model, NOW, Message::Answer(Answer::Run(Box::new(running(newest)))));
    update(&mut model, NOW, Message::Log { run: newest, lines: vec![log_line(1, HOSTILE)] });
    assert_eq!(model.run.as_ref().map(|run| run.step_ids().len()), Some(3));
    assert_eq!(asks(&press(&mut model, &[Intent::BackOrQuit])), [&Request::CloseLog]);
    assert_eq!(model.run.is_none().then(|| model.visible_run_ids()[0]), Some(newest));
    // What comes late for a run that was left is dropped.
    update(&mut model, NOW, Message::Answer(Answer::Run(Box::new(running(newest)))));
    assert!(model.run.is_none());
}

#[test]
fn q_leaves_one_level_and_at_the_top_the_dashboard() {
    let mut model = model(overview());
    press(&mut model, &[Intent::Open, Intent::Help]);
    for _ in 0..2 {
        assert!(!press(&mut model, &[Intent::BackOrQuit]).contains(&Effect::Quit));
    }
    assert!(press(&mut model, &[Intent::BackOrQuit]).contains(&Effect::Quit));
}

#[test]
fn a_filter_narrows_survives_a_visit_and_is_cancelled() {
    let mut model = model(overview());
    press(&mut model, &[Intent::Filter]);
    write(&mut model, "failed");
    press(&mut model, &[Intent::Open]);
    assert_eq!(model.visible_runs().len(), 3);
    press(&mut model, &[Intent::Open]);
    assert!(model.run.is_some());
    press(&mut model, &[Intent::Back, Intent::Filter, Intent::EraseAll]);
    write(&mut model, "!");
    press(&mut model, &[Intent::Back]);
    assert_eq!(model.runs.filter.text(), "failed", "esc puts back what was");
    press(&mut model, &[Intent::Back]);
    assert_eq!(model.visible_runs().len(), 12);
}

#[test]
fn pasted_text_is_never_taken_as_keys() {
    let mut model = model(overview());
    update(&mut model, NOW, Message::Pasted("q\nq".to_owned()));
    assert_eq!(model.context(), Context::Overview);
    press(&mut model, &[Intent::Filter]);
    update(&mut model, NOW, Message::Pasted("acme\u{1b}[2J\nsecond".to_owned()));
    assert_eq!(model.runs.filter.text(), "acme[2J");
}

#[test]
fn a_tenant_is_chosen_and_left() {
    let mut model = model(overview());
    press(&mut model, &[Intent::ChooseTenant]);
    write(&mut model, "glo");
    let effects = press(&mut model, &[Intent::Open]);
    assert_eq!(model.scope.as_deref(), Some("globex"));
    assert!(asks(&effects).iter().any(|r| matches!(r, Request::Runs { tenants, .. } if tenants.len() == 1)));
    assert!(model.visible_runs().iter().all(|row| model.tenants.name(row.tenant) == Some("globex")));
    press(&mut model, &[Intent::Back]);
    assert_eq!(model.scope, None);
}

#[test]
fn a_key_of_one_tenant_sees_that_tenant_only() {
    let access = Access { principal: "ci".to_owned(), role: Role::Viewer, tenant: Some("acme".to_owned()) };
    let mut model = model([Message::Access(access)]);
    let effects = update(&mut model, NOW, Message::Link(LinkState::Live));
    assert_eq!(effects, [Effect::Ask(Request::Stats { tenant: Some("acme".to_owned()) })]);
    let only = tenants().into_iter().filter(|row| row.name == "acme").collect();
    update(&mut model, NOW, Message::Answer(Answer::Stats { host: None, tenants: only }));
    // Its feed need not repeat whose it is.
    let change =
        Change::Run { run: run_id(NOW, 9), workflow: "w".to_owned(), state: RunState::Queued, error: None };
    update(&mut model, NOW, Message::Feed(FeedItem { at: NOW, tenant: None, change }));
    assert_eq!(model.visible_runs().len(), 1);
    press(&mut model, &[Intent::Back, Intent::Back]);
    assert_eq!(model.scope.as_deref(), Some("acme"), "there is nothing above it");
    press(&mut model, &[Intent::ChooseTenant]);
    let Mode::Chooser(chooser) = &model.mode else { panic!("{:?}", model.mode) };
    assert_eq!(model.choices(chooser), [Some("acme".to_owned())]);
}

#[test]
fn a_deleted_tenant_takes_its_runs_along() {
    let mut model = model(overview());
    let change = Change::Tenant { name: "acme".to_owned(), state: None, degraded: false };
    let tenant = Some(TenantId::from_bytes([1; 16]));
    update(&mut model, NOW, Message::Feed(FeedItem { at: NOW, tenant, change }));
    assert_eq!((model.tenants.all().len(), model.visible_runs().len()), (2, 8));
}

#[test]
fn a_tenant_that_becomes_degraded_is_seen_at_once() {
    let mut model = model(overview());
    let change =
        Change::Tenant { name: "acme".to_owned(), state: Some(TenantState::Quarantined), degraded: true };
    update(&mut model, NOW, Message::Feed(FeedItem { at: NOW, tenant: None, change }));
    assert_eq!(tenants::condition(&model.tenants.all()[0]), "quarantined");
}

#[test]
fn dead_letters_are_read_opened_and_left() {
    let mut model = model(overview());
    let effects = press(&mut model, &[Intent::DeadLetters]);
    let [Request::Dead { tenants }] = asks(&effects)[..] else { panic!("{effects:?}") };
    let globex = tenants[0].clone();
    assert_eq!((tenants.len(), globex.1.as_str()), (1, "globex"), "only tenants that have any are asked");
    let run = run_id(NOW, 5);
    let lists = vec![(globex.0, vec![dead_job(1, run, HOSTILE), dead_job(2, run, "x")])];
    update(&mut model, NOW, Message::Answer(Answer::Dead(lists)));
    press(&mut model, &[Intent::Filter]);
    write(&mut model, "CHARGE-1");
    press(&mut model, &[Intent::Open]);
    let effects = press(&mut model, &[Intent::Open]);
    let log = Request::Log { tenant: "globex".to_owned(), run, after: None };
    assert_eq!(asks(&effects)[0], &log);
    press(&mut model, &[Intent::BackOrQuit]);
    assert_eq!(model.context(), Context::Dead, "back to where it was opened");
    assert_eq!(model.filter().map(Filter::text), Some("CHARGE-1"));
    assert!(!press(&mut model, &[Intent::BackOrQuit, Intent::BackOrQuit]).contains(&Effect::Quit));
    assert_eq!(model.context(), Context::Overview);
}

#[test]
fn dead_letters_are_read_again_when_their_number_changes() {
    let mut model = model(overview());
    press(&mut model, &[Intent::DeadLetters]);
    update(&mut model, NOW, Message::Answer(Answer::Dead(Vec::new())));
    let mut rows = tenants();
    rows[1].queues[1].dead = 9;
    let answer = Answer::Stats { host: None, tenants: rows };
    update(&mut model, NOW + 2_000, Message::Answer(answer));
    let effects = update(&mut model, NOW + 2_000 + refresh::GATHER_MS, Message::Clock);
    assert!(
        matches!(asks(&effects)[..], [.., Request::Dead { tenants }] if tenants.len() == 2),
        "{effects:?}"
    );
    let effects =
        update(&mut model, NOW + 2_200, Message::Failed { read: Read::Dead, trouble: unreachable() });
    assert_eq!(effects, []);
    assert!(model.wake_at().is_some(), "it is tried again");
}

fn intents() -> impl Strategy<Value = Intent> {
    use Intent as I;
    prop_oneof![
        Just(I::Back),
        Just(I::BackOrQuit),
        Just(I::Help),
        Just(I::Refresh),
        Just(I::Up),
        Just(I::Down),
        Just(I::PageUp),
        Just(I::PageDown),
        Just(I::First),
        Just(I::Last),
        Just(I::NextPane),
        Just(I::Open),
        Just(I::Open),
        Just(I::Filter),
        Just(I::ChooseTenant),
        Just(I::DeadLetters),
        Just(I::Wrap),
        Just(I::Erase),
        Just(I::EraseAll),
        any::<char>().prop_map(I::Type),
    ]
}

fn changes() -> impl Strategy<Value = Change> {
    let state = prop::sample::select(RunState::ALL);
    prop_oneof![
        any::<u64>().prop_map(|dropped| Change::Gap { dropped }),
        (0..20_i64, state).prop_map(|(ms, state)| Change::Run {
            run: run_id(NOW + ms, 0),
            workflow: HOSTILE.to_owned(),
            state,
            error: Some(HOSTILE.to_owned()),
        }),
        (0..3_usize, any::<bool>()).prop_map(|(n, gone)| Change::Tenant {
            name: tenants()[n].name.clone(),
            state: (!gone).then_some(TenantState::Active),
            degraded: gone,
        }),
    ]
}

fn times() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), any::<i64>()]
}

fn messages() -> impl Strategy<Value = Message> {
    let ids = (0..20_i64).prop_map(|ms| run_id(NOW + ms, 0));
    prop_oneof![
        6 => intents().prop_map(Message::Intent),
        1 => any::<String>().prop_map(Message::Pasted),
        1 => Just(Message::Clock),
        1 => prop_oneof![
            Just(LinkState::Connecting),
            Just(LinkState::Live),
            times().prop_map(|retry_at| LinkState::Lost { trouble: unreachable(), retry_at }),
        ].prop_map(Message::Link),
        1 => any::<bool>().prop_map(|host| Message::Access(Access {
            tenant: (!host).then(|| "acme".to_owned()), ..host_access()
        })),
        4 => (changes(), prop::option::of(0..4_u8), times()).prop_map(|(change, tenant, at)| {
            Message::Feed(FeedItem { at, tenant: tenant.map(|n| TenantId::from_bytes([n; 16])), change })
        }),
        2 => (0..4_usize).prop_map(|n| Message::Answer(Answer::Stats {
            host: Some(Box::new(status())), tenants: tenants().into_iter().take(n).collect(),
        })),
        2 => (any::<u64>(), prop::collection::vec(ids.clone(), 0..5)).prop_map(|(asked, ids)| {
            let views = ids.into_iter().map(running).collect();
            Message::Answer(Answer::Runs { asked, lists: vec![(TenantId::from_bytes([1; 16]), views)] })
        }),
        2 => (ids.clone(), times(), prop::option::of(times())).prop_map(|(id, from, to)| {
            let mut view = running(id);
            (view.accepted_at, view.created_at, view.ended_at) = (from, from, to);
            view.steps.iter_mut().for_each(|step| (step.started_at, step.ended_at) = (to, Some(from)));
            Message::Answer(Answer::Run(Box::new(view)))
        }),
        1 => ids.clone().prop_map(|id| Message::Failed { read: Read::Run(id), trouble: unreachable() }),
        1 => (0..20_u8).prop_map(|n| Message::Answer(Answer::Dead(vec![(
            TenantId::from_bytes([n % 4; 16]),
            (0..n).map(|n| dead_job(n, run_id(NOW, n), HOSTILE)).collect(),
        )]))),
        1 => Just(Message::Failed { read: Read::Dead, trouble: unreachable() }),
        1 => Just(Message::Failed { read: Read::Stats, trouble: unreachable() }),
        2 => (ids.clone(), any::<i64>()).prop_map(|(run, seq)| Message::Log {
            run, lines: vec![log_line(seq, HOSTILE)],
        }),
        1 => ids.prop_map(|run| Message::LogEnd { run, trouble: Some(unreachable()) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_messages_panic_or_leave_a_selection_outside_of_its_list(
        script in prop::collection::vec((messages(), -5_000..5_000_i64), 0..80),
        (width, height) in (1..130_u16, 1..45_u16),
    ) {
        let mut model = model([]);
        let mut now = NOW;
        for (message, passes) in script {
            now += passes;
            update(&mut model, now, message);
            if passes > 0 {
                super::update::settle(&mut model);
            }
            let ids = model.visible_run_ids();
            prop_assert_eq!(model.runs.cursor.index(&ids).is_some(), !ids.is_empty());
            prop_assert!(model.runs.cursor.index(&ids).is_none_or(|at| at < ids.len()));
            let rows = model.tenants.visible(model.scope.as_deref());
            let ids: Vec<_> = rows.iter().map(|row| row.tenant).collect();
            prop_assert!(model.tenants.cursor.index(&ids).is_none_or(|at| at < ids.len()));
            if let Some(dead) = &model.dead {
                let rows = dead.visible(|id| model.tenants.name(id));
                let ids: Vec<_> = rows.iter().map(|row| row.job.id).collect();
                prop_assert!(dead.cursor.index(&ids).is_none_or(|at| at < ids.len()));
            }
            prop_assert!(model.runs.len() <= runs::RUNS_KEPT);
            prop_assert!(model.wake_at().is_none_or(|at| at <= now + refresh::RETRY_LIMIT_MS));
        }
        crate::view::tests::assert_safe(&model, width, height);
    }
}

#[test]
fn a_page_key_moves_a_page() {
    let mut model = model(overview());
    press(&mut model, &[Intent::PageDown]);
    assert_eq!(model.runs.cursor.index(&model.visible_run_ids()), Some(PAGE_ROWS));
    press(&mut model, &[Intent::PageDown]);
    assert_eq!(model.runs.cursor.index(&model.visible_run_ids()), Some(11));
}
