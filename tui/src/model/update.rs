//! `(model, message) → effects`: every decision of the dashboard.
//!
//! **Invariant:** pure and total. No message, in no order, panics or leaves a selection outside of its list.

use tenantry_protocol::feed::{Change, FeedItem};
use tenantry_protocol::id::TenantId;

use super::Model;
use super::keys;
use super::runs::RunChange;
use crate::message::{Answer, Effect, LinkState, Message, Read, Request};

/// Takes a message that came at `now` (unix milliseconds) and says what is to be done.
pub fn update(model: &mut Model, now: i64, message: Message) -> Vec<Effect> {
    model.now = now;
    // Thousands of feed items may come between two frames; whoever draws settles once.
    let settles = !matches!(message, Message::Feed(_));
    let mut effects = Vec::new();
    match message {
        Message::Intent(intent) => {
            model.notice = None;
            effects.extend(keys::intent(model, intent));
        }
        Message::Pasted(text) => keys::paste(model, &text),
        Message::Clock => {}
        Message::Link(state) => effects.extend(link(model, state)),
        Message::Access(access) => {
            if access.tenant.is_some() {
                model.scope.clone_from(&access.tenant);
            }
            model.access = Some(access);
        }
        Message::Feed(item) => feed(model, &item),
        Message::Answer(answer) => take(model, answer),
        Message::Failed { read, trouble } => {
            match read {
                Read::Stats => model.stats_refresh.failed(),
                Read::Runs => model.runs_refresh.failed(),
                Read::Dead => {
                    if let Some(dead) = &mut model.dead {
                        dead.refresh.failed();
                    }
                }
                Read::Run(id) => {
                    if let Some(run) = model.run.as_mut().filter(|run| run.id == id) {
                        run.refresh.failed();
                        run.trouble = Some(trouble.clone());
                    }
                }
            }
            model.notice = Some(trouble);
        }
        Message::Log { run, lines } => {
            if let Some(open) = model.run.as_mut().filter(|open| open.id == run) {
                open.log.push(lines);
                open.log.trouble = None;
            }
        }
        Message::LogEnd { run, trouble } => {
            if let Some(open) = model.run.as_mut().filter(|open| open.id == run) {
                open.log.ended = trouble.is_none();
                open.log.trouble = trouble;
            }
        }
    }
    if settles {
        settle(model);
    }
    effects.extend(reads(model).into_iter().map(Effect::Ask));
    effects
}

/// The link is in another state: once it is live, everything shown is read again.
fn link(model: &mut Model, state: LinkState) -> Option<Effect> {
    let live = state == LinkState::Live;
    if !live && model.link == LinkState::Live {
        model.live_until = Some(model.now);
    }
    model.link = state;
    if !live {
        return None;
    }
    model.stats_refresh.want_now();
    model.runs_refresh.want_now();
    if let Some(dead) = &mut model.dead {
        dead.refresh.want_now();
    }
    let run = model.run.as_mut()?;
    run.refresh.want_now();
    (!run.log.ended).then(|| {
        let after = run.log.last_seq();
        Effect::Ask(Request::Log { tenant: run.tenant_name.clone(), run: run.id, after })
    })
}

/// Something changed at the daemon. Counters and queues may have: they are read again soon.
fn feed(model: &mut Model, item: &FeedItem) {
    model.stats_refresh.want(model.now);
    // A feed of one tenant need not repeat whose it is.
    let only = model.tenants.all().first().filter(|_| !model.sees_host()).map(|row| row.tenant);
    let tenant = item.tenant.or(only);
    match &item.change {
        Change::Gap { dropped } => {
            model.lost_items = model.lost_items.saturating_add(*dropped);
            model.runs_refresh.want(model.now);
            want_dead(model);
            if let Some(run) = &mut model.run {
                run.refresh.want(model.now);
            }
        }
        Change::Run { run, workflow, state, error } => {
            if let Some(tenant) = tenant {
                let error = error.as_deref();
                let change = RunChange { id: *run, tenant, workflow, state: *state, error, at: item.at };
                model.runs.apply(&change);
            }
            touch(model, *run);
        }
        Change::Step { run, .. } => touch(model, *run),
        Change::Tenant { state: None, .. } => {
            model.tenants.apply(tenant, &item.change);
            let tenants = &model.tenants;
            model.runs.keep_tenants(|id| tenants.name(id).is_some());
        }
        Change::Tenant { .. } => {
            model.tenants.apply(tenant, &item.change);
        }
        Change::Dead { .. } => want_dead(model),
        Change::Workflow { .. }
        | Change::Event { .. }
        | Change::Notification { .. }
        | Change::Missed { .. } => {}
    }
}

/// The dead letters that are shown may have changed.
fn want_dead(model: &mut Model) {
    if let Some(dead) = &mut model.dead {
        dead.refresh.want(model.now);
    }
}

/// The open run changed.
fn touch(model: &mut Model, id: tenantry_protocol::id::RunId) {
    if let Some(run) = model.run.as_mut().filter(|run| run.id == id) {
        run.refresh.want(model.now);
    }
}

fn take(model: &mut Model, answer: Answer) {
    match answer {
        Answer::Stats { host, tenants } => {
            let known = model.tenants.all().len();
            let before = total_dead(&model.tenants);
            model.tenants.replace(tenants);
            model.stats_refresh.succeeded(model.now);
            model.host = host;
            // One that was retried or discarded is not told by the feed, but counted.
            if total_dead(&model.tenants) != before {
                want_dead(model);
            }
            if known == 0 {
                // Runs are read by tenant: now it is known by which.
                model.runs_refresh.want_now();
            }
        }
        Answer::Runs { asked, lists } => {
            for (tenant, views) in lists {
                model.runs.merge(asked, tenant, views);
            }
            model.runs_refresh.succeeded(model.now);
        }
        Answer::Dead(lists) => {
            if let Some(dead) = &mut model.dead {
                dead.replace(lists);
                dead.refresh.succeeded(model.now);
            }
        }
        Answer::Run(view) => {
            if let Some(run) = model.run.as_mut().filter(|run| run.id == view.id) {
                run.view = Some(*view);
                run.trouble = None;
                run.refresh.succeeded(model.now);
            }
        }
    }
}

/// Selections take note of where they stand in what is shown. Changes nothing that is seen now; it decides which
/// neighbour is selected when the selected thing goes away.
pub fn settle(model: &mut Model) {
    let tenants: Vec<TenantId> =
        model.tenants.visible(model.scope.as_deref()).iter().map(|row| row.tenant).collect();
    model.tenants.cursor.settle(&tenants);
    let runs = model.visible_run_ids();
    model.runs.cursor.settle(&runs);
    if let Some(dead) = &mut model.dead {
        let ids: Vec<_> = dead.visible(|id| model.tenants.name(id)).iter().map(|row| row.job.id).collect();
        dead.cursor.settle(&ids);
    }
    if let Some(run) = &mut model.run {
        let steps = run.step_ids();
        run.cursor.settle(&steps);
    }
}

/// What is due to be read now.
fn reads(model: &mut Model) -> Vec<Request> {
    let mut requests = Vec::new();
    if model.link != LinkState::Live {
        return requests;
    }
    if model.stats_refresh.begin(model.now) {
        let tenant = model.access.as_ref().and_then(|access| access.tenant.clone());
        requests.push(Request::Stats { tenant });
    }
    // Without the tenants nobody knows whose runs to read; their answer asks again.
    if !model.tenants.all().is_empty() && model.runs_refresh.begin(model.now) {
        let tenants = run_tenants(model);
        requests.push(Request::Runs { asked: model.runs.told(), tenants });
    }
    if let Some(dead) = &mut model.dead
        && !model.tenants.all().is_empty()
        && dead.refresh.begin(model.now)
    {
        let with = model.tenants.scoped(model.scope.as_deref()).filter(|row| super::tenants::dead(row) > 0);
        let tenants = with.take(super::RUN_TENANTS).map(|row| (row.tenant, row.name.clone())).collect();
        requests.push(Request::Dead { tenants });
    }
    if let Some(run) = &mut model.run
        && run.refresh.begin(model.now)
    {
        requests.push(Request::Run { tenant: run.tenant_name.clone(), run: run.id });
    }
    requests
}

fn total_dead(tenants: &super::tenants::Tenants) -> u64 {
    tenants.all().iter().fold(0, |sum, row| sum.saturating_add(super::tenants::dead(row)))
}

/// Whose runs are read: the tenant in scope, else those that ran the most.
fn run_tenants(model: &Model) -> Vec<(TenantId, String)> {
    let mut rows: Vec<_> = model.tenants.scoped(model.scope.as_deref()).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.counters.runs_started));
    rows.iter().take(super::RUN_TENANTS).map(|row| (row.tenant, row.name.clone())).collect()
}
