//! The reference benchmark: work W1 (a signed 500-byte webhook → durable → one HTTP call → recorded → one HTTP
//! notification) against a daemon that it starts, with its own load generator and receiver on the same machine, and
//! beside it what bare SQLite and bare axum do there.
//!
//! It knows the daemon only from outside: its listener, its socket, its files, its process. Begin with [`phases`];
//! `docs/performance.md` says how to read what comes out.

mod bare;
mod board;
mod daemon;
mod generator;
mod phases;
mod process;
mod receiver;
mod report;
mod request;
mod tenants;
mod wire;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use board::Board;
use daemon::Daemon;
use phases::{Bench, check, flood, latency, limits, memory, neighbour, sustained};
use report::Report;

/// Measures the reference work W1 against a daemon of the same build
#[derive(Debug, Parser)]
struct Options {
    /// What to measure; everything if left out
    phases: Vec<Phase>,
    /// How long each phase counts
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Tenants that are loaded
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=100))]
    tenants: u16,
    /// Connections of the load generator; few do not flood, and the daemon allows one address 256
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u16).range(1..=250))]
    connections: u16,
    /// Where the daemon's folder is made; beside the build if left out, because a disk in memory proves nothing
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Leave the daemon's folder, to look into it
    #[arg(long)]
    keep: bool,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// End-to-end and accept times at 50 events a second
    Latency,
    /// Completed runs a second with the pipeline just full
    Sustained,
    /// Accepts a second, and what becomes of runs and notifications meanwhile
    Flood,
    /// One tenant floods, another's times
    Neighbour,
    /// Resident memory with a hundred idle tenants
    Memory,
    /// Bare SQLite and bare axum
    Limits,
    /// How long a workflow of 2,000 lines is checked
    Check,
}

impl Options {
    fn wants(&self, phase: Phase) -> bool {
        self.phases.is_empty() || self.phases.contains(&phase)
    }

    fn place(&self) -> io::Result<PathBuf> {
        if let Some(place) = &self.dir {
            return Ok(place.clone());
        }
        let own = std::env::current_exe()?;
        let target = own.parent().and_then(Path::parent);
        target.map(Path::to_owned).ok_or_else(|| io::Error::other("the benchmark has no folder; give --dir"))
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            drop(writeln!(io::stderr(), "the benchmark failed: {error}"));
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> io::Result<bool> {
    let place = options.place()?;
    drop(writeln!(
        io::stderr(),
        "building the daemon if it is not fresh; its folder lies in {}",
        place.display()
    ));
    tenantry_tests::binary::tenantry();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(measure(options, &place))?;
    report.print(options.output == Output::Json)?;
    Ok(report.holds())
}

async fn measure(options: &Options, place: &Path) -> io::Result<Report> {
    let board = Arc::new(Board::new().map_err(io::Error::other)?);
    let receiver = receiver::start(Arc::clone(&board))?;
    let mut report = Report::new(process::machine(), options.tenants.into(), options.seconds);
    report.tell("machine", "load average when it begins", process::load_average(), "");
    let mut before = limits::Before { sustained: None, group: None, accepts: None };
    let loaded = [Phase::Latency, Phase::Sustained, Phase::Flood, Phase::Neighbour];
    if loaded.into_iter().any(|phase| options.wants(phase)) {
        let mut bench = prepare(options, place, &board, receiver, report).await?;
        let done = under_load(options, &mut bench).await;
        conclude(options, &mut bench);
        report = bench.report;
        before = limits::Before { sustained: bench.sustained, group: bench.group, accepts: bench.accepts };
        if let Err(error) = done {
            report.fail(format!("a phase could not be measured to its end: {error}"));
        }
    }
    if options.wants(Phase::Memory) {
        memory::measure(&mut report, place, receiver).await?;
    }
    if options.wants(Phase::Limits) {
        let window = Duration::from_secs(options.seconds);
        limits::measure(&mut report, place, options.connections.into(), window, &before).await?;
    }
    if options.wants(Phase::Check) {
        check::measure(&mut report)?;
    }
    report.tell("machine", "load average when it ends", process::load_average(), "");
    Ok(report)
}

async fn prepare(
    options: &Options,
    place: &Path,
    board: &Arc<Board>,
    receiver: SocketAddr,
    report: Report,
) -> io::Result<Bench> {
    let daemon = Daemon::start(place).await?;
    let create = async |name: String| {
        let made = tenants::create(&daemon.client, &name, receiver).await.map_err(io::Error::other)?;
        Ok::<_, io::Error>((name, made))
    };
    let mut webhooks = Vec::new();
    for index in 0..options.tenants {
        webhooks.push(create(format!("loaded-{index}")).await?.1);
    }
    let neighbour = create("neighbour".to_owned()).await?;
    Ok(Bench {
        board: Arc::clone(board),
        daemon,
        webhooks,
        neighbour,
        connections: options.connections.into(),
        seconds: options.seconds,
        report,
        sustained: None,
        group: None,
        accepts: None,
    })
}

async fn under_load(options: &Options, bench: &mut Bench) -> io::Result<()> {
    if options.wants(Phase::Latency) {
        latency::measure(bench).await?;
    }
    if options.wants(Phase::Sustained) {
        sustained::measure(bench).await?;
    }
    if options.wants(Phase::Flood) {
        flood::measure(bench).await?;
    }
    if options.wants(Phase::Neighbour) {
        neighbour::measure(bench).await?;
    }
    Ok(())
}

/// What must hold after all of it, and what the daemon itself complained about.
fn conclude(options: &Options, bench: &mut Bench) {
    let (left, repeats) = (bench.board.outstanding(), bench.board.repeats.load(Relaxed));
    let report = &mut bench.report;
    report.judge("balance", "accepted but never notified", left as f64, "runs", report::Target::AtMost(0.0));
    report.judge("balance", "notified twice or unasked", repeats as f64, "runs", report::Target::AtMost(0.0));
    report.tell("balance", "requests of steps", bench.board.actions.load(Relaxed) as f64, "requests");
    report.tell("balance", "notified", bench.board.completed() as f64, "runs");
    report.notes.extend(bench.daemon.complaints());
    if options.keep {
        let kept = bench.daemon.keep();
        bench.report.notes.push(format!("the daemon's folder is left in {}", kept.display()));
    }
}
