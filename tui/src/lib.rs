//! The dashboard: what the daemon does, live, in a terminal.
//!
//! message → update → effect. The [`model`] is plain data and decides; [`link`] talks to the daemon; [`view`] draws the
//! model; [`keymap`] is the one table of keys; this file only carries messages between them. It is drawn at most ten
//! times a second, and never while nothing happens.
//! To add a pane: a file in `model/`, a file in `view/panes/`, its keys in [`keymap`].

pub mod clock;
#[cfg(test)]
mod fixtures;
pub mod input;
pub mod keymap;
pub mod link;
pub mod message;
pub mod model;
pub mod pace;
pub mod signals;
pub mod terminal;
pub mod view;

use std::io;
use std::time::Duration;

use crossterm::event::Event;
use jiff::tz::TimeZone;
use tenantry_protocol::client::Client;
use tenantry_protocol::error::ErrorCode;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use input::Input;
use link::Link;
use message::{Effect, Message, Read, Request, Trouble};
use model::Model;
use model::update::{settle, update};
use pace::Pace;
use signals::Signals;
use terminal::Screen;
use view::theme::Theme;

/// How many messages are taken before the next frame is considered.
const BATCH: usize = 512;

/// What the dashboard needs to begin.
pub struct Options {
    /// A client that can log in; the dashboard connects by itself and goes on when the daemon is away.
    pub client: Client,
    /// Show only this tenant at first.
    pub tenant: Option<String>,
    /// Draw without colours.
    pub no_color: bool,
}

/// Why the dashboard could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Input or output is no terminal.
    #[error("the dashboard needs a terminal for input and output")]
    NoTerminal,
    /// The terminal is gone. Print nothing more: there is nobody to read it. The customary exit code is 129.
    #[error("the terminal is gone")]
    TerminalLost,
    /// The terminal refused something.
    #[error("the terminal does not work: {0}")]
    Terminal(io::Error),
    /// The task that talks to the daemon is gone, which is a mistake of this program.
    #[error("the link to the daemon has stopped")]
    LinkStopped,
}

impl From<io::Error> for TuiError {
    /// A write may notice before the watch does that the terminal is gone: it gives EIO then (tty_ioctl(4)).
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::IO.raw_os_error() => Self::TerminalLost,
            _ => Self::Terminal(error),
        }
    }
}

/// Runs the dashboard until the person leaves it, the terminal is gone, or the process is told to stop.
///
/// What goes wrong at the daemon is shown and never ends it. The terminal is restored before this returns.
pub async fn run(options: Options) -> Result<(), TuiError> {
    let screen = Screen::open(Theme::new(options.no_color))?;
    let mut input = Input::open()?;
    let mut signals = Signals::new()?;
    let (messages, mut incoming) = mpsc::channel(link::MESSAGES_LIMIT);
    let (requests, asked) = mpsc::channel(link::REQUESTS_LIMIT);
    // Dropped at the end, and the link with it.
    let mut tasks = JoinSet::new();
    tasks.spawn(Link::new(options.client, options.tenant.clone(), asked, messages).run());

    let model = Model::new(clock::unix_ms(), TimeZone::system(), options.tenant);
    let mut dashboard =
        Dashboard { model, screen, requests, pace: Pace::new(), left: false, suspends: false };
    let mut batch = Vec::with_capacity(BATCH);
    while !dashboard.left {
        let wake = dashboard.wake(Instant::now());
        tokio::select! {
            biased;
            _ = &mut input.gone => return Err(TuiError::TerminalLost),
            end = signals.told_to_end() => return end,
            event = input.events.recv() => match event {
                Some(event) => dashboard.terminal_event(event)?,
                None => return Err(TuiError::TerminalLost),
            },
            count = incoming.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return Err(TuiError::LinkStopped);
                }
                dashboard.pace.change();
                for message in batch.drain(..) {
                    dashboard.take(message)?;
                }
            }
            () = sleep_until(wake), if wake.is_some() => {}
        }
        if std::mem::take(&mut dashboard.suspends) {
            dashboard.screen.leave();
            signals.stop_until_continued().await?;
            dashboard.screen.enter()?;
            dashboard.pace.hasten();
        }
        dashboard.look_at_the_clock()?;
    }
    Ok(())
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

/// The running dashboard: the model and what carries out its effects.
struct Dashboard {
    model: Model,
    screen: Screen,
    requests: mpsc::Sender<Request>,
    pace: Pace,
    left: bool,
    suspends: bool,
}

impl Dashboard {
    /// When the loop must go round though nothing comes in.
    fn wake(&self, now: Instant) -> Option<Instant> {
        let model = self.model.wake_at().map(|at| {
            let wait = at.saturating_sub(clock::unix_ms()).max(0);
            now + Duration::from_millis(wait as u64)
        });
        model.into_iter().chain(self.pace.due(now)).min()
    }

    /// Does what is due: tells the model the time if it asked for that, and draws.
    fn look_at_the_clock(&mut self) -> Result<(), TuiError> {
        if self.model.wake_at().is_some_and(|at| at <= clock::unix_ms()) {
            self.pace.change();
            self.take(Message::Clock)?;
        }
        let now = Instant::now();
        if !self.left && self.pace.due(now).is_some_and(|at| at <= now) {
            settle(&mut self.model);
            self.screen.draw(&self.model)?;
            self.pace.drawn(now, Instant::now());
        }
        Ok(())
    }

    /// A key, pasted text or a new size.
    fn terminal_event(&mut self, event: Event) -> Result<(), TuiError> {
        self.pace.hasten();
        match event {
            Event::Key(key) => match keymap::intent(self.model.context(), &key) {
                Some(intent) => self.take(Message::Intent(intent)),
                None => Ok(()),
            },
            Event::Paste(text) => self.take(Message::Pasted(text)),
            // The next frame takes the new size.
            Event::Resize(..) | Event::FocusGained | Event::FocusLost | Event::Mouse(_) => Ok(()),
        }
    }

    fn take(&mut self, message: Message) -> Result<(), TuiError> {
        for effect in update(&mut self.model, clock::unix_ms(), message) {
            match effect {
                Effect::Quit => self.left = true,
                Effect::Redraw => self.screen.forget()?,
                Effect::Suspend => self.suspends = true,
                Effect::Ask(request) => self.ask(request),
            }
        }
        Ok(())
    }

    /// Asks the link. Its queue is full only when it hangs; then the read has failed and is tried again.
    fn ask(&mut self, request: Request) {
        let Err(refused) = self.requests.try_send(request) else { return };
        let read = match refused.into_inner() {
            Request::Stats { .. } => Read::Stats,
            Request::Runs { .. } => Read::Runs,
            Request::Dead { .. } => Read::Dead,
            Request::Run { run, .. } => Read::Run(run),
            Request::ConnectNow | Request::Log { .. } | Request::CloseLog => return,
        };
        let code = ErrorCode::Timeout;
        let trouble = Trouble {
            code,
            detail: "the link to the daemon does not answer".to_owned(),
            hint: code.remedy().to_owned(),
        };
        // A failed read asks for nothing before its wait is over.
        update(&mut self.model, clock::unix_ms(), Message::Failed { read, trouble });
    }
}
