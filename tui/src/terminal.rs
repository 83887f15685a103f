//! The terminal: taken over at the start, given back at the end, whatever the end is.
//!
//! **Invariant:** raw mode and the alternate screen never outlive the guard, not even in a panic; and nothing is
//! printed to a terminal that is gone.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};

use crate::TuiError;
use crate::model::Model;
use crate::view;
use crate::view::theme::Theme;

/// Whether the terminal is taken over at present. Restoring twice would print over what follows.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is taken over.
pub struct Screen {
    /// Never dropped: ratatui's own clean-up prints to standard error when the terminal is gone, and panics when that
    /// is gone as well. [`give_back`] is the clean-up.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
    theme: Theme,
}

impl Screen {
    /// Takes the terminal over.
    pub fn open(theme: Theme) -> Result<Self, TuiError> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(TuiError::NoTerminal);
        }
        // crossterm 0.29 writes a full reset instead of a colour when NO_COLOR is set, which wipes out the inverse
        // of the selected row (fixed upstream after 0.29). The theme without colours writes none by itself.
        crossterm::style::force_color_output(true);
        restore_on_panic();
        take()?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(64 << 10, io::stdout()));
        match Terminal::new(backend) {
            Ok(terminal) => Ok(Self { terminal: ManuallyDrop::new(terminal), theme }),
            Err(error) => {
                give_back();
                Err(error.into())
            }
        }
    }

    /// Shows the model.
    pub fn draw(&mut self, model: &Model) -> Result<(), TuiError> {
        // Bracketed, so that a slow connection shows whole frames.
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        let theme = self.theme;
        self.terminal.draw(|frame| view::draw(frame, model, &theme))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Ok(())
    }

    /// Forgets what is on the screen: the next frame is painted whole.
    pub fn forget(&mut self) -> Result<(), TuiError> {
        // `Terminal::clear` asks the terminal where its cursor is; the answer would be taken for keys.
        let area = Rect::from((Position::ORIGIN, self.terminal.size()?));
        Ok(self.terminal.resize(area)?)
    }

    /// Gives the terminal back for a while, to the shell.
    pub fn leave(&self) {
        give_back();
    }

    /// Takes the terminal over again.
    pub fn enter(&mut self) -> Result<(), TuiError> {
        take()?;
        self.forget()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let entered = execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide);
    if entered.is_err() {
        give_back();
    }
    entered
}

/// Gives the terminal back. A terminal that is gone is no error: there is nothing to give back.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    drop(execute!(out, EndSynchronizedUpdate, DisableBracketedPaste, LeaveAlternateScreen, Show));
    drop(out.flush());
    drop(disable_raw_mode());
}

/// The message of a panic must reach the shell's screen, not the one that is about to vanish.
fn restore_on_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
    });
}
