//! Keys in, and the watch over the terminal itself.
//!
//! Two threads that block in the kernel until there is something: no tick. The reader is apart from the loop because
//! crossterm 0.29 never returns from a read once the terminal is gone (crossterm#793, seen at 96 % of a core); the
//! watch notices that and the loop ends, and with the process so does the reader. Both live as long as the process.

use std::thread;

use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::{mpsc, oneshot};

use crate::TuiError;

/// How many keys may wait for the loop.
const KEYS_LIMIT: usize = 256;

/// What comes from the terminal.
pub struct Input {
    /// Keys, pasted text and new sizes.
    pub events: mpsc::Receiver<Event>,
    /// Completes when the terminal is gone.
    pub gone: oneshot::Receiver<()>,
}

impl Input {
    /// Starts reading.
    pub fn open() -> Result<Self, TuiError> {
        let (keys, events) = mpsc::channel(KEYS_LIMIT);
        let (lost, gone) = oneshot::channel();
        thread::Builder::new().name("tui-keys".to_owned()).spawn(move || read_keys(&keys))?;
        thread::Builder::new().name("tui-watch".to_owned()).spawn(move || watch(lost))?;
        Ok(Self { events, gone })
    }
}

fn read_keys(keys: &mpsc::Sender<Event>) {
    while let Ok(event) = event::read() {
        if keys.blocking_send(event).is_err() {
            return;
        }
    }
}

/// Waits until the terminal is hung up. Asks for no events: POLLHUP and POLLERR come unasked, and nothing else wakes.
fn watch(lost: oneshot::Sender<()>) {
    let stdin = std::io::stdin();
    loop {
        let mut watched = [PollFd::new(&stdin, PollFlags::empty())];
        match poll(&mut watched, None) {
            Ok(0) | Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Ok(_) | Err(_) => break,
        }
    }
    // A loop that has ended already does not mind.
    lost.send(()).ok();
}
