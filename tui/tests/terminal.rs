//! The dashboard in a real terminal: it gives it back, it ends when it is gone, it obeys the theme.
//!
//! A terminal pair is opened and the test program starts itself inside, as [`in_a_terminal`].
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it cannot go on")]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tenantry_protocol::client::Client;
use tenantry_tui::{Options, TuiError, run};

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// What ends the alternate screen (xterm's DECRST 1049).
const LEFT: &str = "\u{1b}[?1049l";
/// Tells the program inside which socket to use.
const SOCKET: &str = "TENANTRY_TEST_SOCKET";
/// Tells the program inside to use no colours.
const PLAIN: &str = "TENANTRY_TEST_PLAIN";

#[tokio::test]
#[ignore = "runs inside of the terminal that the other tests open"]
async fn in_a_terminal() {
    let socket = std::env::var_os(SOCKET).expect("the other tests set it");
    let client = Client::new(std::path::PathBuf::from(socket));
    let no_color = std::env::var_os(PLAIN).is_some();
    let code = match run(Options { client, tenant: None, no_color }).await {
        Ok(()) => 0,
        Err(TuiError::TerminalLost) => 129,
        Err(_) => 1,
    };
    std::process::exit(code);
}

/// A terminal with the dashboard in it.
struct Terminal {
    master: File,
    child: Child,
    shown: String,
    _folder: tempfile::TempDir,
}

impl Terminal {
    fn open(plain: bool) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "in_a_terminal", "--ignored", "--nocapture"]);
        command.env(SOCKET, folder.path().join("api.sock"));
        // As with the variable set by the person: crossterm looks at it by itself.
        command.env_remove("NO_COLOR");
        if plain {
            command.env(PLAIN, "1").env("NO_COLOR", "1");
        }
        command.stdin(Stdio::from(slave.try_clone().unwrap()));
        command.stdout(Stdio::from(slave.try_clone().unwrap()));
        command.stderr(Stdio::from(slave));
        let child = command.spawn().unwrap();
        let mut terminal = Self { master: File::from(master), child, shown: String::new(), _folder: folder };
        terminal.until("disconnected");
        terminal
    }

    /// Reads what the dashboard writes until a text is in it.
    fn until(&mut self, text: &str) {
        let since = Instant::now();
        let mut buffer = [0; 4096];
        while !self.shown.contains(text) {
            assert!(since.elapsed() < PATIENCE, "no {text:?} in {:?}", self.shown);
            let read = self.master.read(&mut buffer).unwrap_or_else(|error| {
                panic!("the terminal closed before {text:?} with {error}: {:?}", self.shown)
            });
            self.shown.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }

    /// How the dashboard ended.
    fn code(&mut self) -> Option<i32> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(since.elapsed() < PATIENCE, "the dashboard did not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_person_leaves_and_the_terminal_is_as_before() {
    let mut terminal = Terminal::open(false);
    terminal.until("daemon-unreachable");
    terminal.master.write_all(b"q").unwrap();
    terminal.until(LEFT);
    assert_eq!(terminal.code(), Some(0));
    let state = rustix::termios::tcgetattr(&terminal.master).unwrap();
    assert!(
        state.local_modes.contains(rustix::termios::LocalModes::ICANON | rustix::termios::LocalModes::ECHO)
    );
}

#[test]
fn told_to_end_it_gives_the_terminal_back() {
    let mut terminal = Terminal::open(false);
    let pid = Pid::from_child(&terminal.child);
    kill_process(pid, Signal::TERM).unwrap();
    terminal.until(LEFT);
    assert_eq!(terminal.code(), Some(0));
}

/// The program inside has no controlling terminal, so that no SIGHUP tells it: only the watch can.
#[test]
fn it_ends_when_the_terminal_is_gone() {
    let mut terminal = Terminal::open(false);
    let elsewhere = File::open("/dev/null").unwrap();
    drop(std::mem::replace(&mut terminal.master, elsewhere));
    assert_eq!(terminal.code(), Some(129));
}

#[test]
fn without_colours_none_is_written_and_nothing_resets_the_inverse() {
    let mut terminal = Terminal::open(true);
    terminal.until("disconnected");
    terminal.master.write_all(b"/").unwrap();
    terminal.until("\u{1b}[7m");
    let codes = terminal.shown.split("\u{1b}[").skip(1).filter_map(|code| code.split_once('m'));
    for (code, _) in codes.filter(|(code, _)| code.bytes().all(|b| b.is_ascii_digit() || b == b';')) {
        assert_ne!(code, ";", "crossterm's full reset under NO_COLOR");
        let coloured = code.split(';').any(|n| matches!(n.parse(), Ok(30..=38 | 40..=48 | 90..=107)));
        assert!(!coloured, "a colour was written: {code}");
    }
}

#[test]
fn a_key_redraws_without_asking_the_terminal() {
    let mut terminal = Terminal::open(false);
    terminal.shown.clear();
    terminal.master.write_all(b"\x0c").unwrap();
    terminal.until("disconnected");
    assert!(!terminal.shown.contains("\u{1b}[6n"), "nobody answers where the cursor is");
    terminal.master.write_all(b"q").unwrap();
    assert_eq!(
        {
            terminal.until(LEFT);
            terminal.code()
        },
        Some(0)
    );
}
