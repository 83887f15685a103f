//! One file a command; a noun's verbs are together in its file. A command reads its arguments, calls the daemon
//! through the session and shows what came back: nothing else.

mod audit;
mod channel;
mod completions;
#[cfg(feature = "server")]
mod daemon;
mod dead;
#[cfg(feature = "server")]
mod demo;
mod doctor;
mod event;
mod explain;
mod feed;
mod help;
mod inbox;
mod key;
mod login;
mod notification;
mod queue;
mod run;
#[cfg(feature = "server")]
pub(crate) mod runner;
mod secret;
#[cfg(feature = "server")]
mod started;
mod status;
mod tenant;
mod tui;
#[cfg(feature = "server")]
mod up;
mod var;
mod workflow;

use std::process::ExitCode;

use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use crate::failure::{Ended, Failure, Local};
use crate::invocation::Global;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;

/// What `tenantry` can be asked for.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    #[cfg(feature = "server")]
    Demo(demo::Demo),
    #[cfg(feature = "server")]
    Up(up::Up),
    #[cfg(feature = "server")]
    Down(up::Down),
    Login(login::Login),
    Logout(login::Logout),
    Whoami(login::Whoami),
    Status(status::Status),
    Tui(tui::Tui),
    Tenant(tenant::Tenant),
    Workflow(workflow::Workflow),
    Event(event::Event),
    Run(run::Run),
    Queue(queue::Queue),
    Dead(dead::Dead),
    Channel(channel::Channel),
    Notification(notification::Notification),
    Inbox(inbox::Inbox),
    Secret(secret::Secret),
    Var(var::Var),
    Key(key::Key),
    Audit(audit::Audit),
    Feed(feed::Feed),
    #[cfg(feature = "server")]
    Daemon(daemon::Daemon),
    #[cfg(feature = "server")]
    Runner(runner::Runner),
    Doctor(doctor::Doctor),
    Explain(explain::Explain),
    Completions(completions::Completions),
    Help(help::Help),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self, global: &Global, output: Output) -> Result<ExitCode, Failure> {
        let place = Place::of_process();
        match self {
            #[cfg(feature = "server")]
            Self::Daemon(command) => command.run(global).map(ExitCode::from),
            #[cfg(feature = "server")]
            Self::Runner(command) => command.run(),
            Self::Explain(command) => command.run(output).map(ExitCode::from),
            Self::Completions(command) => command.run(output).map(ExitCode::from),
            Self::Help(command) => command.run(output).map(ExitCode::from),
            other => {
                let session = Session::new(global.target(), place, output);
                drive(other.call(&session)).map(ExitCode::from)
            }
        }
    }

    /// The commands that speak to a daemon.
    async fn call(self, session: &Session) -> Ended {
        match self {
            #[cfg(feature = "server")]
            Self::Demo(command) => command.run(session).await,
            #[cfg(feature = "server")]
            Self::Up(command) => command.run(session).await,
            #[cfg(feature = "server")]
            Self::Down(command) => command.run(session).await,
            Self::Login(command) => command.run(session).await,
            Self::Logout(command) => command.run(session).await,
            Self::Whoami(command) => command.run(session).await,
            Self::Status(command) => command.run(session).await,
            Self::Tui(command) => command.run(session).await,
            Self::Tenant(command) => command.run(session).await,
            Self::Workflow(command) => command.run(session).await,
            Self::Event(command) => command.run(session).await,
            Self::Run(command) => command.run(session).await,
            Self::Queue(command) => command.run(session).await,
            Self::Dead(command) => command.run(session).await,
            Self::Channel(command) => command.run(session).await,
            Self::Notification(command) => command.run(session).await,
            Self::Inbox(command) => command.run(session).await,
            Self::Secret(command) => command.run(session).await,
            Self::Var(command) => command.run(session).await,
            Self::Key(command) => command.run(session).await,
            Self::Audit(command) => command.run(session).await,
            Self::Feed(command) => command.run(session).await,
            Self::Doctor(command) => command.run(session).await,
            // Done without a session, above.
            #[cfg(feature = "server")]
            Self::Daemon(_) | Self::Runner(_) => Ok(Exit::Ok),
            Self::Explain(_) | Self::Completions(_) | Self::Help(_) => Ok(Exit::Ok),
        }
    }
}

/// Runs a command to its end or to Ctrl-C (or whatever else tells a process to go). What the command holds is dropped,
/// and so undone, in both cases.
fn drive(command: impl Future<Output = Ended>) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::local(Local::File, format!("cannot start: {error}")))?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = command => ended,
            () = told_to_go() => Ok(Exit::Interrupted),
        }
    });
    // A thread that still waits for a line from the terminal must not hold the process.
    runtime.shutdown_background();
    ended
}

/// Comes true when the process is told to go. Where a signal cannot be listened to, it keeps its usual effect.
async fn told_to_go() {
    let come = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = come(SignalKind::interrupt()) => {}
        () = come(SignalKind::terminate()) => {}
        () = come(SignalKind::hangup()) => {}
    }
}
