//! Records a workload, cuts it at many points, judges each, and sums up.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::disk::{Disk, Loss, Syncs};
use super::oracle::{self, Subject, Verdict};
use super::trace::{Op, Trace};
use crate::random::Random;

/// A recorded workload: its trace and the folder that it worked in.
pub struct Recording {
    trace: Trace,
    root: String,
}

/// Compiles the shim with the system's C compiler.
pub fn build_shim(folder: &Path) -> io::Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("powercut/shim.c");
    let shim = folder.join("shim.so");
    let status = Command::new("cc")
        .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o"])
        .args([&shim, &source])
        .args(["-ldl", "-pthread"])
        .status()
        .map_err(|error| io::Error::new(error.kind(), format!("run the C compiler `cc`: {error}")))?;
    if status.success() { Ok(shim) } else { Err(io::Error::other(format!("cc ended with {status}"))) }
}

/// Runs `program workload NAME` under the shim in a new folder below `folder`.
pub fn record(program: &Path, shim: &Path, folder: &Path, name: &str, commits: u32) -> io::Result<Recording> {
    let folder = folder.join(name);
    let data = folder.join("data");
    fs::create_dir_all(&data)?;
    let (trace, acks) = (folder.join("trace"), folder.join("acks"));
    fs::write(&acks, "")?;
    let output = Command::new(program)
        .args(["workload", name])
        .arg(&data)
        .arg(&acks)
        .arg(commits.to_string())
        .env("LD_PRELOAD", shim)
        .env("TENANTRY_TRACE_ROOT", &data)
        .env("TENANTRY_TRACE_ACK", &acks)
        .env("TENANTRY_TRACE_FILE", &trace)
        .output()?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("workload {name} ended with {}: {told}", output.status)));
    }
    let trace = Trace::read(&trace)?;
    let [_, writes, syncs, acks] = trace.census();
    if writes == 0 || syncs == 0 || acks == 0 {
        return Err(io::Error::other(format!(
            "nothing recorded: {writes} writes, {syncs} syncs, {acks} acks"
        )));
    }
    Ok(Recording { trace, root: data.to_string_lossy().into_owned() })
}

/// How to cut.
#[derive(Clone, Copy, Debug)]
pub struct Cuts<'a> {
    /// How many points.
    pub count: u32,
    /// Chooses points and losses.
    pub seed: u64,
    /// Which syncs count.
    pub syncs: Syncs,
    /// What un-synced writes may suffer, by turns.
    pub losses: &'a [Loss],
    /// How many cuts are judged at the same time.
    pub threads: usize,
}

/// What came of the cuts.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every cut.
    pub cuts: u32,
    /// Cuts after which an acknowledged commit was gone.
    pub lost: u32,
    /// Cuts after which SQLite found damage.
    pub damaged: u32,
    /// Cuts after which an invariant did not hold.
    pub broken: u32,
    /// The first few failures in words.
    pub examples: Vec<String>,
    /// Time spent judging.
    pub took: Duration,
    /// Recorded writes, syncs and acknowledgements.
    pub recorded: [usize; 3],
}

impl Report {
    /// Cuts that did not keep their promise.
    pub fn failures(&self) -> u32 {
        self.lost + self.damaged + self.broken
    }

    fn add(&mut self, point: usize, loss: Loss, verdict: Verdict) {
        self.cuts += 1;
        let why = match verdict {
            Verdict::Kept => return,
            Verdict::Lost(why) => {
                self.lost += 1;
                why
            }
            Verdict::Damaged(why) => {
                self.damaged += 1;
                why
            }
            Verdict::Broken(why) => {
                self.broken += 1;
                why
            }
        };
        if self.examples.len() < 3 {
            self.examples.push(format!("cut after operation {point}, {loss:?} lost: {why}"));
        }
    }

    fn merge(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.lost += other.lost;
        self.damaged += other.damaged;
        self.broken += other.broken;
        self.examples.extend(other.examples);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [writes, syncs, acks] = self.recorded;
        write!(
            f,
            "{} cuts of {writes} writes, {syncs} syncs, {acks} acks: {} lost acks, {} damaged, {} broken, in {:.1} s",
            self.cuts,
            self.lost,
            self.damaged,
            self.broken,
            self.took.as_secs_f64()
        )?;
        self.examples.iter().take(3).try_for_each(|example| write!(f, "\n    {example}"))
    }
}

/// Cuts a recording at random points and judges each.
pub fn cut(recording: &Recording, subject: &Subject, cuts: Cuts<'_>) -> io::Result<Report> {
    let begun = Instant::now();
    let mut random = Random::new(cuts.seed);
    let ops = recording.trace.ops.len() as u64;
    let mut points: Vec<(usize, Loss, u64)> = (0..cuts.count)
        .map(|i| (random.below(ops + 1) as usize, cuts.losses[i as usize % cuts.losses.len()], random.bits()))
        .collect();
    points.sort_unstable();
    let share = points.len().div_ceil(cuts.threads.max(1)).max(1);
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = points
            .chunks(share)
            .map(|points| scope.spawn(move || judge_all(recording, subject, cuts.syncs, points)))
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|_| Err(io::Error::other("a judge panicked"))))
            .collect::<Vec<_>>()
    });
    let [_, writes, syncs, acks] = recording.trace.census();
    let mut report = Report { recorded: [writes, syncs, acks], ..Report::default() };
    for part in parts {
        report.merge(part?);
    }
    report.took = begun.elapsed();
    Ok(report)
}

/// A folder in memory if there is one: the copies need not last, and there are many.
fn scratch() -> io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir())
    } else {
        tempfile::tempdir()
    }
}

fn judge_all(
    recording: &Recording,
    subject: &Subject,
    syncs: Syncs,
    points: &[(usize, Loss, u64)],
) -> io::Result<Report> {
    let scratch = scratch()?;
    let mut disk = Disk::new(&recording.trace, syncs);
    let mut acknowledged = BTreeMap::new();
    let mut report = Report::default();
    let mut done = 0;
    for (point, loss, seed) in points {
        for op in &recording.trace.ops[done..*point] {
            if let Op::Ack(mark) = op {
                acknowledged.insert(mark.lane, mark.number);
            }
            disk.apply(op);
        }
        done = *point;
        let folder = scratch.path().join("cut");
        fs::create_dir(&folder)?;
        disk.cut(&recording.root, *loss, &mut Random::new(*seed), &folder)?;
        report.add(*point, *loss, oracle::judge(&folder, subject, &acknowledged));
        fs::remove_dir_all(&folder)?;
    }
    Ok(report)
}
