//! Cuts the power of the store at many points and tells what it kept.
//!
//! `cargo run --release -p tenantry-tests --bin powercut -- [--cuts 20000] [--commits 400] [--seed N]`
//!
//! Exit code 0 means: nothing acknowledged was lost, no file was damaged, and the control did fail.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use tenantry_tests::powercut::disk::{Loss, Syncs};
use tenantry_tests::powercut::run::{Cuts, build_shim, cut, record};
use tenantry_tests::powercut::workload::{self, Acks};
use tenantry_tests::random::Random;

const ALL: &[Loss] = &[Loss::Everything, Loss::Some, Loss::Torn, Loss::Nothing];
const POWER: &[Loss] = &[Loss::Everything, Loss::Some, Loss::Torn];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = match args.as_slice() {
        ["workload", name, data, acks, commits] => {
            work(name, Path::new(data), Path::new(acks), commits).map(|()| true)
        }
        _ => options(&args).and_then(|(cuts, commits, seed)| whole(cuts, commits, seed)),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _written = writeln!(io::stderr(), "powercut: {error}");
            ExitCode::from(2)
        }
    }
}

fn options(args: &[&str]) -> io::Result<(u32, u32, u64)> {
    let (mut cuts, mut commits, mut seed) = (20_000, 400, Random::seed_from_clock());
    let usage = || io::Error::other("usage: powercut [--cuts N] [--commits N] [--seed N]");
    for pair in args.chunks(2) {
        let [name, value] = pair else { return Err(usage()) };
        let value: u64 = value.parse().map_err(|_| usage())?;
        match *name {
            "--cuts" => cuts = value as u32,
            "--commits" => commits = value as u32,
            "--seed" => seed = value,
            _ => return Err(usage()),
        }
    }
    Ok((cuts, commits, seed))
}

fn work(name: &str, data: &Path, acks: &Path, commits: &str) -> io::Result<()> {
    let commits = commits.parse().map_err(io::Error::other)?;
    let acks = Acks::open(acks)?;
    match name {
        "bare-full" => workload::bare(data, &acks, commits, "full").map_err(io::Error::other),
        "bare-normal" => workload::bare(data, &acks, commits, "normal").map_err(io::Error::other),
        _ => Err(io::Error::other(format!("no workload is called {name}"))),
    }
}

fn whole(count: u32, commits: u32, seed: u64) -> io::Result<bool> {
    let folder = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let shim = build_shim(folder.path())?;
    let threads = std::thread::available_parallelism()?.get();
    let mut out = io::stdout();
    writeln!(out, "seed {seed}, {commits} commits a workload")?;
    let mut good = true;
    let mut show = |what: &str, passed: bool, report: &dyn std::fmt::Display| -> io::Result<()> {
        good &= passed;
        writeln!(out, "{} {what}: {report}", if passed { "ok  " } else { "FAIL" })
    };
    let honest = Cuts { count, seed, syncs: Syncs::Honest, losses: ALL, threads };
    let control = Cuts { count: count / 10, losses: POWER, ..honest };

    let full = record(&program, &shim, folder.path(), "bare-full", commits)?;
    let report = cut(&full, &workload::BARE, honest)?;
    show("SQLite alone, synchronous=FULL", report.failures() == 0, &report)?;
    let report = cut(&full, &workload::BARE, Cuts { syncs: Syncs::LogOnlyAtCheckpoint, ..control })?;
    show(
        "the same on a disk that syncs the log late (must fail)",
        report.lost * 10 >= report.cuts * 8,
        &report,
    )?;
    let normal = record(&program, &shim, folder.path(), "bare-normal", commits)?;
    let report = cut(&normal, &workload::BARE, control)?;
    show("SQLite alone, synchronous=NORMAL (must fail)", report.lost * 10 >= report.cuts * 8, &report)?;
    Ok(good)
}
