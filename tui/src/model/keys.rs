//! What an intent does to the model.

use tenantry_protocol::id::{RunId, TenantId};

use super::cursor::Step;
use super::dead::DeadLetters;
use super::filter::Filter;
use super::run::{OpenRun, RunPane};
use super::{Chooser, Mode, Model, OverviewPane};
use crate::message::{Effect, Intent, LinkState, Request};

/// Takes an intent where the keys go at present.
pub fn intent(model: &mut Model, intent: Intent) -> Vec<Effect> {
    match intent {
        Intent::Quit => return vec![Effect::Quit],
        Intent::Redraw => return vec![Effect::Redraw],
        Intent::Suspend => return vec![Effect::Suspend],
        _ => {}
    }
    match std::mem::take(&mut model.mode) {
        Mode::Panes => panes(model, intent),
        Mode::Help { top } => {
            model.mode = help(top, intent);
            Vec::new()
        }
        Mode::Entry { before } => {
            entry(model, before, intent);
            Vec::new()
        }
        Mode::Chooser(chooser) => {
            choose(model, chooser, intent);
            Vec::new()
        }
    }
}

/// Takes pasted text: only where text is typed, and only its first line.
pub fn paste(model: &mut Model, text: &str) {
    let line = text.lines().next().unwrap_or_default();
    let filter = match &mut model.mode {
        Mode::Entry { .. } => model.filter_mut(),
        Mode::Chooser(chooser) => Some(&mut chooser.filter),
        Mode::Panes | Mode::Help { .. } => None,
    };
    if let Some(filter) = filter {
        line.chars().for_each(|c| filter.push(c));
    }
}

const fn step(intent: Intent) -> Option<Step> {
    match intent {
        Intent::Up => Some(Step::Up),
        Intent::Down => Some(Step::Down),
        Intent::PageUp => Some(Step::PageUp),
        Intent::PageDown => Some(Step::PageDown),
        Intent::First => Some(Step::First),
        Intent::Last => Some(Step::Last),
        _ => None,
    }
}

fn panes(model: &mut Model, intent: Intent) -> Vec<Effect> {
    if let Some(step) = step(intent) {
        walk(model, step);
        return Vec::new();
    }
    match intent {
        Intent::Help => model.mode = Mode::Help { top: 0 },
        Intent::Refresh => return refresh(model),
        Intent::BackOrQuit if model.run.is_none() && model.dead.is_none() => return vec![Effect::Quit],
        Intent::Back | Intent::BackOrQuit => return back(model),
        Intent::Wrap => {
            if let Some(run) = &mut model.run {
                run.log.wraps = !run.log.wraps;
            }
        }
        Intent::DeadLetters if model.run.is_none() => dead_letters(model),
        Intent::NextPane | Intent::PreviousPane => turn(model),
        Intent::Open => return open(model),
        Intent::Filter if model.run.is_none() => {
            let before = model.filter().cloned().unwrap_or_default();
            model.mode = Mode::Entry { before };
        }
        Intent::ChooseTenant if model.run.is_none() => {
            let mut chooser = Chooser::default();
            chooser.cursor.select(model.scope.clone());
            model.mode = Mode::Chooser(chooser);
        }
        _ => {}
    }
    Vec::new()
}

/// There are two panes on each screen: both directions lead to the other one.
fn turn(model: &mut Model) {
    match &mut model.run {
        Some(run) => {
            run.pane = match run.pane {
                RunPane::Steps => RunPane::Log,
                RunPane::Log => RunPane::Steps,
            };
        }
        None => {
            model.pane = match model.pane {
                OverviewPane::Tenants => OverviewPane::Runs,
                OverviewPane::Runs => OverviewPane::Tenants,
            };
        }
    }
}

fn walk(model: &mut Model, step: Step) {
    if let Some(run) = &mut model.run {
        match run.pane {
            RunPane::Steps => {
                let ids = run.step_ids();
                run.cursor.step(step, &ids);
            }
            RunPane::Log => run.log.step(step),
        }
        return;
    }
    if let Some(dead) = &mut model.dead {
        let ids: Vec<_> = dead.visible(|id| model.tenants.name(id)).iter().map(|row| row.job.id).collect();
        dead.cursor.step(step, &ids);
        return;
    }
    match model.pane {
        OverviewPane::Tenants => {
            let rows = model.tenants.visible(model.scope.as_deref());
            let ids: Vec<_> = rows.iter().map(|row| row.tenant).collect();
            model.tenants.cursor.step(step, &ids);
        }
        OverviewPane::Runs => {
            let ids = model.visible_run_ids();
            model.runs.cursor.step(step, &ids);
        }
    }
}

fn refresh(model: &mut Model) -> Vec<Effect> {
    if let LinkState::Lost { .. } = model.link {
        return vec![Effect::Ask(Request::ConnectNow)];
    }
    model.stats_refresh.want_now();
    model.runs_refresh.want_now();
    if let Some(dead) = &mut model.dead {
        dead.refresh.want_now();
    }
    if let Some(run) = &mut model.run {
        run.refresh.want_now();
    }
    Vec::new()
}

/// One level up: the run, then the filter, then the scope.
fn back(model: &mut Model) -> Vec<Effect> {
    if model.run.take().is_some() {
        return vec![Effect::Ask(Request::CloseLog)];
    }
    if let Some(filter) = model.filter_mut().filter(|filter| !filter.is_empty()) {
        filter.clear();
    } else if model.dead.take().is_some() {
        // Its list is read anew when it is shown again.
    } else if model.sees_host() && model.scope.take().is_some() {
        model.runs_refresh.want_now();
    }
    Vec::new()
}

fn open(model: &mut Model) -> Vec<Effect> {
    if model.run.is_some() {
        return Vec::new();
    }
    if let Some(dead) = &model.dead {
        let rows = dead.visible(|id| model.tenants.name(id));
        let ids: Vec<_> = rows.iter().map(|row| row.job.id).collect();
        let row = dead.cursor.index(&ids).and_then(|at| rows.get(at));
        let found = row.and_then(|row| row.job.run.map(|run| (run, row.tenant)));
        return found.map(|(run, tenant)| open_run(model, run, tenant)).unwrap_or_default();
    }
    if model.pane == OverviewPane::Tenants {
        let rows = model.tenants.visible(model.scope.as_deref());
        let ids: Vec<_> = rows.iter().map(|row| row.tenant).collect();
        let name = model.tenants.cursor.index(&ids).and_then(|at| rows.get(at)).map(|row| row.name.clone());
        if name.is_some() {
            show_only(model, name);
            model.pane = OverviewPane::Runs;
        }
        return Vec::new();
    }
    let rows = model.visible_runs();
    let ids = model.visible_run_ids();
    let Some(row) = model.runs.cursor.index(&ids).and_then(|at| rows.get(at)) else { return Vec::new() };
    let (id, tenant) = (row.id, row.tenant);
    // From here on the selection means this run, not "the newest".
    model.runs.cursor.select(id);
    open_run(model, id, tenant)
}

fn open_run(model: &mut Model, id: RunId, tenant: TenantId) -> Vec<Effect> {
    let name = model.tenants.name(tenant).map_or_else(|| tenant.to_string(), str::to_owned);
    let mut run = OpenRun::new(id, tenant, name.clone());
    run.refresh.want_now();
    model.run = Some(run);
    vec![Effect::Ask(Request::Log { tenant: name, run: id, after: None })]
}

/// Shows the dead letters, or leaves them.
fn dead_letters(model: &mut Model) {
    if model.dead.take().is_none() {
        let mut dead = DeadLetters::default();
        dead.refresh.want_now();
        model.dead = Some(dead);
    }
}

/// Shows the things of one tenant, or of all.
fn show_only(model: &mut Model, scope: Option<String>) {
    model.scope = scope;
    model.runs_refresh.want_now();
    if let Some(dead) = &mut model.dead {
        dead.refresh.want_now();
    }
}

fn help(top: usize, intent: Intent) -> Mode {
    let rows = crate::keymap::BINDINGS.len();
    let top = match intent {
        Intent::Help | Intent::Back | Intent::BackOrQuit => return Mode::Panes,
        Intent::Up => top.saturating_sub(1),
        Intent::Down => top + 1,
        Intent::PageUp => top.saturating_sub(super::cursor::PAGE_ROWS),
        Intent::PageDown => top + super::cursor::PAGE_ROWS,
        Intent::First => 0,
        Intent::Last => rows,
        _ => top,
    };
    Mode::Help { top: top.min(rows.saturating_sub(1)) }
}

fn entry(model: &mut Model, before: Filter, intent: Intent) {
    if let Some(step) = step(intent) {
        walk(model, step);
        model.mode = Mode::Entry { before };
        return;
    }
    let Some(filter) = model.filter_mut() else { return };
    match intent {
        Intent::Open => return,
        Intent::Back => {
            *filter = before;
            return;
        }
        _ => type_into(filter, intent),
    }
    model.mode = Mode::Entry { before };
}

fn choose(model: &mut Model, mut chooser: Chooser, intent: Intent) {
    let choices = model.choices(&chooser);
    if let Some(step) = step(intent) {
        chooser.cursor.step(step, &choices);
    } else {
        match intent {
            Intent::Back => return,
            Intent::Open => {
                if let Some(choice) = chooser.cursor.index(&choices).and_then(|at| choices.get(at)) {
                    show_only(model, choice.clone());
                }
                return;
            }
            _ => {
                type_into(&mut chooser.filter, intent);
                // What fits best stands first.
                chooser.cursor = super::cursor::Cursor::default();
            }
        }
    }
    model.mode = Mode::Chooser(chooser);
}

fn type_into(filter: &mut Filter, intent: Intent) {
    match intent {
        Intent::Type(c) => filter.push(c),
        Intent::Erase => filter.pop(),
        Intent::EraseAll => filter.clear(),
        _ => {}
    }
}
