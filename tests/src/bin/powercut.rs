//! Cuts the power of the store at many points and tells what it kept.
//!
//! `cargo run --release -p tenantry-tests --bin powercut -- [--cuts 20000] [--commits 400] [--seed N]`
//!
//! Exit code 0 means: nothing acknowledged was lost, no file was damaged, and the control did fail.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use tenantry_tests::powercut::disk::{Loss, Syncs};
use tenantry_tests::powercut::run::{Bench, Cuts, Report, build_shim, cut, fail};
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
    let (mut cuts, mut commits, mut seed) = (20_000, 400, Random::seed_of_this_run());
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
        "store" => {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            let refused =
                runtime.block_on(workload::store::run(data, acks, commits)).map_err(io::Error::other)?;
            writeln!(io::stdout(), "{refused}")
        }
        "bare-full" => workload::bare::run(data, &acks, commits, "full").map_err(io::Error::other),
        "bare-normal" => workload::bare::run(data, &acks, commits, "normal").map_err(io::Error::other),
        _ => Err(io::Error::other(format!("no workload is called {name}"))),
    }
}

fn whole(count: u32, commits: u32, seed: u64) -> io::Result<bool> {
    let folder = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let shim = build_shim(folder.path())?;
    let bench = Bench { program: &program, shim: &shim, folder: folder.path(), commits };
    let threads = std::thread::available_parallelism()?.get();
    let mut out = io::stdout();
    writeln!(out, "seed {seed}, {commits} commits a workload")?;
    let mut good = true;
    let mut show = |what: &str, passed: bool, report: &dyn std::fmt::Display| -> io::Result<()> {
        good &= passed;
        writeln!(out, "{} {what}: {report}", if passed { "ok  " } else { "FAIL" })
    };
    let honest = Cuts { count, seed, syncs: Syncs::Honest, after_first_ack: false, losses: ALL, threads };
    let control = Cuts { count: count / 10, after_first_ack: true, losses: POWER, ..honest };

    let store = bench.record("store")?;
    let report = cut(&store, &workload::store::SUBJECT, honest)?;
    show("the store", report.failures() == 0, &report)?;
    let strict = Cuts { count: count / 4, syncs: Syncs::Strict, ..honest };
    let report = cut(&store, &workload::store::SUBJECT, strict)?;
    show("the store where names last only by a sync of their folder", report.failures() == 0, &report)?;
    let late = Cuts { syncs: Syncs::LogOnlyAtCheckpoint, ..control };
    let report = cut(&store, &workload::store::SUBJECT, late)?;
    show("the store on a disk that syncs the log late (must fail)", fails(&report), &report)?;

    let runs = (count / 200).max(10);
    let report = fail(&bench, &workload::store::SUBJECT, &store, runs, seed)?;
    show(
        "the store while syncs fail and the disk is full",
        report.failures() == 0 && report.refused > 0,
        &report,
    )?;

    let full = bench.record("bare-full")?;
    let report = cut(&full, &workload::bare::SUBJECT, Cuts { count: count / 10, ..honest })?;
    show("SQLite alone, synchronous=FULL", report.failures() == 0, &report)?;
    let normal = bench.record("bare-normal")?;
    let report = cut(&normal, &workload::bare::SUBJECT, control)?;
    show("SQLite alone, synchronous=NORMAL (must fail)", fails(&report), &report)?;
    Ok(good)
}

/// A control proves something only if nearly every cut loses what was acknowledged.
fn fails(report: &Report) -> bool {
    report.cuts > 0 && report.lost * 10 >= report.cuts * 8
}
