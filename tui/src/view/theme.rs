//! How things look, by meaning.
//!
//! Only the terminal's own foreground, background and the ANSI colours, so that light and dark terminals both work; a
//! state is never told by colour alone, it is always a word too.

use ratatui::style::{Color, Modifier, Style};

/// The styles.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Plain text.
    pub text: Style,
    /// What matters less.
    pub dim: Style,
    /// Headings.
    pub title: Style,
    /// The heading of the pane that has the keys, and keys in the help.
    pub accent: Style,
    /// The selected row of the pane that has the keys.
    pub selected: Style,
    /// It went well.
    pub good: Style,
    /// It went wrong.
    pub bad: Style,
    /// It needs a look.
    pub warn: Style,
    /// It is under way.
    pub busy: Style,
}

impl Theme {
    /// With or without colours.
    pub const fn new(no_color: bool) -> Self {
        if no_color { Self::plain() } else { Self::coloured() }
    }

    const fn coloured() -> Self {
        Self {
            good: Style::new().fg(Color::Green),
            bad: Style::new().fg(Color::Red),
            warn: Style::new().fg(Color::Yellow),
            busy: Style::new().fg(Color::Cyan),
            accent: Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
            ..Self::plain()
        }
    }

    const fn plain() -> Self {
        let text = Style::new();
        Self {
            text,
            dim: Style::new().add_modifier(Modifier::DIM),
            title: Style::new().add_modifier(Modifier::BOLD),
            accent: Style::new().add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED)),
            selected: Style::new().add_modifier(Modifier::REVERSED),
            good: text,
            bad: Style::new().add_modifier(Modifier::BOLD),
            warn: Style::new().add_modifier(Modifier::BOLD),
            busy: text,
        }
    }
}
