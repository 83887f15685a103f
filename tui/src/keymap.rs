//! Key → intent, the one table. The help bar, the `?` overlay and `docs/dashboard.md` are made from it.
//!
//! **Invariant:** one letter means one thing everywhere. Nothing destructive is reachable with one key.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::message::Intent;

/// Where the keys go at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// The overview has the keys.
    Overview,
    /// The list of dead letters has the keys.
    Dead,
    /// The run that was opened has the keys.
    Run,
    /// A filter is being typed.
    Entry,
    /// A tenant is being chosen.
    Chooser,
    /// The list of keys is open.
    Help,
}

/// One row of the table.
pub struct Binding {
    /// How help spells the keys.
    pub keys: &'static str,
    /// The keys.
    chords: &'static [Chord],
    /// What they mean.
    pub intent: Intent,
    /// One phrase for the `?` overlay.
    pub says: &'static str,
    /// One word for the help bar; empty if it has no place there.
    pub bar: &'static str,
    /// Where it holds.
    contexts: &'static [Context],
}

/// A key with or without Ctrl. Shift is in the character already.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Chord(KeyCode, bool);

const fn key(code: KeyCode) -> Chord {
    Chord(code, false)
}

const fn letter(c: char) -> Chord {
    Chord(KeyCode::Char(c), false)
}

const fn ctrl(c: char) -> Chord {
    Chord(KeyCode::Char(c), true)
}

const SPLIT: &[Context] = &[Context::Overview, Context::Run];
const PANES: &[Context] = &[Context::Overview, Context::Dead, Context::Run];
const OVERVIEW: &[Context] = &[Context::Overview];
const LISTS: &[Context] = &[Context::Overview, Context::Dead];
const RUN: &[Context] = &[Context::Run];
const DEAD: &[Context] = &[Context::Dead];
const TYPED: &[Context] = &[Context::Entry, Context::Chooser];
const ANY: &[Context] =
    &[Context::Overview, Context::Dead, Context::Run, Context::Entry, Context::Chooser, Context::Help];
const READING: &[Context] = &[Context::Overview, Context::Dead, Context::Run, Context::Help];

macro_rules! bindings {
    ($($keys:literal [$($chord:expr),+] => $intent:ident, $bar:literal, $says:literal, $contexts:expr;)+) => {
        /// Every binding, in the order of the help.
        pub const BINDINGS: &[Binding] = &[$(Binding {
            keys: $keys, chords: &[$($chord),+], intent: Intent::$intent, says: $says, bar: $bar, contexts: $contexts,
        }),+];
    };
}

bindings! {
    "enter" [key(KeyCode::Enter)] => Open, "open", "open the selected run, or show only the selected tenant", OVERVIEW;
    "enter" [key(KeyCode::Enter)] => Open, "run", "open the run of the selected dead letter", DEAD;
    "enter" [key(KeyCode::Enter)] => Open, "take", "take what was typed or chosen", TYPED;
    "esc" [key(KeyCode::Esc)] => Back, "back", "one level up: close, clear the filter, show all tenants", READING;
    "esc" [key(KeyCode::Esc)] => Back, "cancel", "leave as it was", TYPED;
    "tab" [key(KeyCode::Tab)] => NextPane, "pane", "next pane", SPLIT;
    "shift-tab" [key(KeyCode::BackTab)] => PreviousPane, "", "previous pane", SPLIT;
    "/" [letter('/')] => Filter, "filter", "show only rows with a text; a leading ! shows those without", LISTS;
    "t" [letter('t')] => ChooseTenant, "tenant", "choose the tenant whose things are shown", LISTS;
    "d" [letter('d')] => DeadLetters, "dead", "show the dead letters, or leave them", LISTS;
    "w" [letter('w')] => Wrap, "wrap", "show long log lines whole, or cut them", RUN;
    "j, down" [letter('j'), key(KeyCode::Down)] => Down, "", "one row down", READING;
    "k, up" [letter('k'), key(KeyCode::Up)] => Up, "", "one row up", READING;
    "down" [key(KeyCode::Down)] => Down, "", "one row down", TYPED;
    "up" [key(KeyCode::Up)] => Up, "", "one row up", TYPED;
    "ctrl-d, pgdn" [ctrl('d'), key(KeyCode::PageDown)] => PageDown, "", "ten rows down", READING;
    "ctrl-u, pgup" [ctrl('u'), key(KeyCode::PageUp)] => PageUp, "", "ten rows up", READING;
    "g, home" [letter('g'), key(KeyCode::Home)] => First, "", "first row; in the list of runs: stay at the newest", READING;
    "G, end" [letter('G'), key(KeyCode::End)] => Last, "", "last row; in a log: follow it", READING;
    "backspace" [key(KeyCode::Backspace)] => Erase, "", "erase a character", TYPED;
    "ctrl-u" [ctrl('u')] => EraseAll, "", "erase everything typed", TYPED;
    "r" [letter('r')] => Refresh, "refresh", "read again; when disconnected: connect now", PANES;
    "?" [letter('?')] => Help, "keys", "show or hide the keys", READING;
    "q" [letter('q')] => BackOrQuit, "quit", "one level up; at the overview: quit", READING;
    "ctrl-c" [ctrl('c')] => Quit, "", "quit", ANY;
    "ctrl-l" [ctrl('l')] => Redraw, "", "paint the screen again", ANY;
    "ctrl-z" [ctrl('z')] => Suspend, "", "suspend; fg comes back", ANY;
}

/// The bindings that hold in a context.
pub fn bindings(context: Context) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.contexts.contains(&context))
}

/// What a key means in a context; `None` if nothing.
pub fn intent(context: Context, event: &KeyEvent) -> Option<Intent> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    let chord = Chord(event.code, control);
    if let Some(binding) = bindings(context).find(|binding| binding.chords.contains(&chord)) {
        return Some(binding.intent);
    }
    match event.code {
        KeyCode::Char(c) if TYPED.contains(&context) && !control => Some(Intent::Type(c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(context: Context, code: KeyCode) -> Option<Intent> {
        intent(context, &KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn no_key_means_two_things_in_one_context() {
        for context in ANY {
            let all: Vec<_> = bindings(*context).collect();
            for (index, binding) in all.iter().enumerate() {
                for other in &all[index + 1..] {
                    let shared = binding.chords.iter().any(|chord| other.chords.contains(chord));
                    assert!(!shared, "{} means two things in {context:?}", binding.keys);
                }
            }
        }
    }

    #[test]
    fn letters_are_text_while_typing() {
        assert_eq!(press(Context::Entry, KeyCode::Char('q')), Some(Intent::Type('q')));
        assert_eq!(press(Context::Overview, KeyCode::Char('q')), Some(Intent::BackOrQuit));
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(intent(Context::Entry, &control_c), Some(Intent::Quit));
    }

    #[test]
    fn keys_of_terminal_multiplexers_are_free() {
        let chords = BINDINGS.iter().flat_map(|binding| binding.chords);
        assert!(chords.filter(|chord| chord.1).all(|chord| !matches!(chord.0, KeyCode::Char('a' | 'b'))));
    }

    #[test]
    fn the_document_lists_every_key() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dashboard.md");
        let document = std::fs::read_to_string(path).expect("docs/dashboard.md is there");
        for binding in BINDINGS {
            let row = format!("| `{}` | {} |", binding.keys, binding.says);
            assert!(document.contains(&row), "docs/dashboard.md lacks {row}");
        }
    }
}
