//! What the screen looks like, at the sizes that must work, and that no tenant's text is obeyed.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::theme::Theme;
use crate::fixtures::{
    HOSTILE, NOW, dead, log_line, model, overview, run_id, run_item, running, tenants, unreachable,
};
use crate::message::{Answer, Intent, LinkState, Message};
use crate::model::Model;
use crate::model::update::update;
use tenantry_protocol::state::RunState;

fn render(model: &Model, width: u16, height: u16, no_color: bool) -> Buffer {
    let theme = Theme::new(no_color);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| super::draw(frame, model, &theme)).unwrap();
    terminal.backend().buffer().clone()
}

/// The cells as text. A wide character covers the cell behind it.
fn text(buffer: &Buffer) -> String {
    let rows = buffer.content().chunks(usize::from(buffer.area.width));
    let mut out = String::new();
    for row in rows {
        let mut covered = 0;
        let mut line = String::new();
        for cell in row {
            if covered > 0 {
                covered -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            covered = ratatui::text::Span::raw(cell.symbol()).width().saturating_sub(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Draws and looks at every cell: nothing in it is obeyed by a terminal.
pub(crate) fn assert_safe(model: &Model, width: u16, height: u16) {
    for cell in render(model, width, height, false).content() {
        let unsafe_char = cell.symbol().chars().find(|c| {
            c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        });
        assert_eq!(unsafe_char, None, "in {:?}", cell.symbol());
    }
}

fn screen(model: &Model, width: u16, height: u16) -> String {
    text(&render(model, width, height, false))
}

fn press(mut model: Model, intents: &[Intent]) -> Model {
    for intent in intents {
        update(&mut model, NOW, Message::Intent(*intent));
    }
    model
}

fn opened() -> Model {
    let mut model = press(model(overview()), &[Intent::Open]);
    let id = model.visible_run_ids()[0];
    update(&mut model, NOW, Message::Answer(Answer::Run(Box::new(running(id)))));
    let lines = (1..=30).map(|seq| log_line(seq, &format!("line {seq}"))).collect();
    update(&mut model, NOW, Message::Log { run: id, lines });
    press(model, &[Intent::Down])
}

fn hostile() -> Model {
    let mut rows = tenants();
    rows[1].name = HOSTILE.to_owned();
    let mut messages = overview();
    messages.push(Message::Answer(Answer::Stats { host: None, tenants: rows }));
    messages.push(run_item(1, run_id(NOW, 77), HOSTILE, RunState::Failed, Some(HOSTILE)));
    let mut model = press(model(messages), &[Intent::Open]);
    let id = model.visible_run_ids()[0];
    let mut view = running(id);
    view.workflow = HOSTILE.to_owned();
    view.error = Some(HOSTILE.to_owned());
    view.steps[0].id = HOSTILE.to_owned();
    view.steps[0].error = Some(HOSTILE.to_owned());
    view.steps[0].attempts[0].error = Some(HOSTILE.to_owned());
    update(&mut model, NOW, Message::Answer(Answer::Run(Box::new(view))));
    update(
        &mut model,
        NOW,
        Message::Log { run: id, lines: vec![log_line(1, HOSTILE), log_line(2, "\ta\tb")] },
    );
    model
}

#[test]
fn the_overview_at_every_size() {
    let model = model(overview());
    insta::assert_snapshot!("overview_120x40", screen(&model, 120, 40));
    insta::assert_snapshot!("overview_80x24", screen(&model, 80, 24));
    insta::assert_snapshot!("overview_60x15", screen(&model, 60, 15));
}

#[test]
fn a_run_at_every_size() {
    let model = opened();
    insta::assert_snapshot!("run_120x40", screen(&model, 120, 40));
    insta::assert_snapshot!("run_80x24", screen(&model, 80, 24));
    insta::assert_snapshot!("run_60x15", screen(&model, 60, 15));
}

#[test]
fn long_log_lines_are_cut_or_shown_whole() {
    let mut model = opened();
    let id = model.run.as_ref().map(|run| run.id).unwrap();
    update(&mut model, NOW, Message::Log { run: id, lines: vec![log_line(31, &"long ".repeat(20))] });
    assert!(screen(&model, 60, 15).contains("long l…\n"));
    let model = press(model, &[Intent::Wrap]);
    insta::assert_snapshot!("wrapped_60x15", screen(&model, 60, 15));
}

#[test]
fn hostile_texts_are_shown_not_obeyed() {
    let model = hostile();
    insta::assert_snapshot!("hostile_run_80x24", screen(&model, 80, 24));
    let left = press(model.clone(), &[Intent::Back]);
    insta::assert_snapshot!("hostile_overview_120x40", screen(&left, 120, 40));
    for (width, height) in [(120, 40), (80, 24), (60, 15), (7, 3), (1, 1)] {
        assert_safe(&model, width, height);
        assert_safe(&left, width, height);
    }
}

#[test]
fn disconnected_says_why_and_what_is_next() {
    let mut messages = overview();
    messages.push(Message::Link(LinkState::Lost { trouble: unreachable(), retry_at: NOW + 4_000 }));
    insta::assert_snapshot!("lost_80x24", screen(&model(messages), 80, 24));
    let nothing = [Message::Link(LinkState::Lost { trouble: unreachable(), retry_at: NOW + 250 })];
    insta::assert_snapshot!("lost_at_the_start_60x15", screen(&model(nothing), 60, 15));
}

#[test]
fn dead_letters() {
    let shown = press(model(overview()), &[Intent::DeadLetters]);
    insta::assert_snapshot!("dead_reading_60x15", screen(&shown, 60, 15));
    let mut shown = shown;
    let run = run_id(NOW, 5);
    let jobs = vec![
        dead(
            1,
            run,
            "egress-denied: 10.0.0.1 is private; add an allow-list entry to the tenant if it is meant",
        ),
        dead(2, run, HOSTILE),
    ];
    let globex = tenants()[0].tenant;
    update(&mut shown, NOW, Message::Answer(Answer::Dead(vec![(globex, jobs)])));
    insta::assert_snapshot!("dead_80x24", screen(&shown, 80, 24));
    insta::assert_snapshot!("dead_60x15", screen(&press(shown.clone(), &[Intent::Down]), 60, 15));
    assert_safe(&shown, 120, 40);
}

#[test]
fn nothing_yet() {
    insta::assert_snapshot!("connecting_60x15", screen(&model([]), 60, 15));
    let mut messages = overview();
    messages.truncate(2);
    messages.push(Message::Answer(Answer::Stats {
        host: Some(Box::new(crate::fixtures::status())),
        tenants: Vec::new(),
    }));
    insta::assert_snapshot!("no_tenant_80x24", screen(&model(messages), 80, 24));
}

#[test]
fn what_lies_over_the_panes() {
    insta::assert_snapshot!("help_60x15", screen(&press(model(overview()), &[Intent::Help]), 60, 15));
    let chooser = press(model(overview()), &[Intent::ChooseTenant, Intent::Down]);
    insta::assert_snapshot!("chooser_80x24", screen(&chooser, 80, 24));
    let entry = press(model(overview()), &[Intent::Filter, Intent::Type('f'), Intent::Type('a')]);
    insta::assert_snapshot!("filter_60x15", screen(&entry, 60, 15));
}

#[test]
fn without_colours_the_selected_row_is_inverse_and_marked() {
    for model in [model(overview()), opened(), press(model(overview()), &[Intent::ChooseTenant])] {
        let buffer = render(&model, 80, 24, true);
        for cell in buffer.content() {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{:?}", cell.symbol());
        }
        let inverse = buffer.content().iter().filter(|cell| cell.modifier.contains(Modifier::REVERSED));
        let inverse: Vec<_> = inverse.map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(inverse.first(), Some(&">"), "the marker is part of the inverse row");
        assert!(inverse.len() >= 48);
    }
}

#[test]
fn with_colours_no_background_is_painted_and_no_colour_is_fixed() {
    for cell in render(&opened(), 120, 40, false).content() {
        assert_eq!(cell.bg, Color::Reset);
        let fixed = matches!(cell.fg, Color::Rgb(..) | Color::Indexed(_) | Color::White | Color::Black);
        assert!(!fixed, "{:?} does not follow the terminal's palette", cell.fg);
    }
}
