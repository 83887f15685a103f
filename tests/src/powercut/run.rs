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

/// Where recorded programs and their folders lie.
pub struct Bench<'a> {
    /// The program that does `workload NAME DATA ACKS COMMITS`.
    pub program: &'a Path,
    /// The shim.
    pub shim: &'a Path,
    /// Every recording gets a folder of its own below it.
    pub folder: &'a Path,
    /// Commits that each workload makes.
    pub commits: u32,
}

impl Bench<'_> {
    fn run(&self, name: &str, label: &str, fault: Option<&str>) -> io::Result<(PathBuf, u32)> {
        let folder = self.folder.join(label);
        let data = folder.join("data");
        fs::create_dir_all(&data)?;
        let acks = folder.join("acks");
        fs::write(&acks, "")?;
        let mut command = Command::new(self.program);
        command
            .args(["workload", name])
            .arg(&data)
            .arg(&acks)
            .arg(self.commits.to_string())
            .env("LD_PRELOAD", self.shim)
            .env("TENANTRY_TRACE_ROOT", &data)
            .env("TENANTRY_TRACE_ACK", &acks)
            .env("TENANTRY_TRACE_FILE", folder.join("trace"));
        if let Some(fault) = fault {
            command.env("TENANTRY_FAULT", fault);
        }
        let output = command.output()?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("workload {label} ended with {}: {told}", output.status)));
        }
        let refused = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_default();
        Ok((folder, refused))
    }

    /// Records a workload.
    pub fn record(&self, name: &str) -> io::Result<Recording> {
        let (folder, _) = self.run(name, name, None)?;
        let trace = Trace::read(&folder.join("trace"))?;
        let [_, writes, syncs, acks] = trace.census();
        if writes == 0 || syncs == 0 || acks == 0 {
            let what = format!("nothing recorded: {writes} writes, {syncs} syncs, {acks} acks");
            return Err(io::Error::other(what));
        }
        Ok(Recording { trace, root: folder.join("data").to_string_lossy().into_owned() })
    }

    /// Does a workload while some of its calls fail, then judges what is on the disk; answers how often the store
    /// refused, too. The workload repeats what was refused, so an answer that was not true leaves a gap or a double.
    pub fn with_fault(&self, name: &str, fault: &str, subject: &Subject) -> io::Result<(Verdict, u32)> {
        let (folder, refused) = self.run(name, &fault.replace(' ', "-"), Some(fault))?;
        let mut acknowledged = BTreeMap::new();
        for op in Trace::read(&folder.join("trace"))?.ops {
            if let Op::Ack(mark) = op {
                acknowledged.insert(mark.lane, mark.number);
            }
        }
        let verdict = oracle::judge(&folder.join("data"), subject, &acknowledged);
        fs::remove_dir_all(&folder)?;
        Ok((verdict, refused))
    }
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
    /// Cuts only where something was acknowledged before: only there a control can lose it.
    pub after_first_ack: bool,
    /// What un-synced writes may suffer, by turns.
    pub losses: &'a [Loss],
    /// How many cuts are judged at the same time.
    pub threads: usize,
}

/// Makes writes and syncs of a workload fail, `runs` times at random places, and judges what is left each time.
pub fn fail(
    bench: &Bench<'_>,
    subject: &Subject,
    like: &Recording,
    runs: u32,
    seed: u64,
) -> io::Result<Report> {
    let begun = Instant::now();
    let [_, writes, syncs, acks] = like.trace.census();
    // Earlier failures keep a daemon from starting, which is an answer too; here it is about a running one.
    let [_, early_writes, early_syncs, _] = like.trace.census_until_first_ack();
    let mut random = Random::new(seed);
    let mut report = Report { recorded: [writes, syncs, acks], ..Report::default() };
    for number in 0..runs {
        // An input/output error when syncing, a full disk when writing: a single failure, or a row of them.
        let (kind, range, error) = if number % 2 == 0 {
            ("sync", early_syncs..syncs, 5)
        } else {
            ("write", early_writes..writes, 28)
        };
        let first = 1 + range.start as u64 + random.below(range.len() as u64);
        let count = 1 + random.below(1 + u64::from(number) % 12);
        let fault = format!("{kind} {first} {count} {error}");
        let (verdict, refused) = bench.with_fault("store", &fault, subject)?;
        report.refused += refused;
        report.add_at(|| fault.clone(), verdict);
    }
    report.took = begun.elapsed();
    Ok(report)
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
    /// Commits that the store refused because a call had failed.
    pub refused: u32,
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

    fn add_at(&mut self, place: impl FnOnce() -> String, verdict: Verdict) {
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
            self.examples.push(format!("{}: {why}", place()));
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
            "{} cuts of {writes} writes, {syncs} syncs, {acks} acks{}: {} lost acks, {} damaged, {} broken, in {:.1} s",
            self.cuts,
            if self.refused > 0 { format!(", {} refused and repeated", self.refused) } else { String::new() },
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
    let ops = &recording.trace.ops;
    let acked = ops.iter().position(|op| matches!(op, Op::Ack(_))).unwrap_or_default() as u64 + 1;
    let begin = if cuts.after_first_ack { acked } else { 0 };
    let span = ops.len() as u64 + 1 - begin;
    let mut points: Vec<(usize, Loss, u64)> = (0..cuts.count)
        .map(|i| {
            (
                (begin + random.below(span)) as usize,
                cuts.losses[i as usize % cuts.losses.len()],
                random.bits(),
            )
        })
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
        let verdict = oracle::judge(&folder, subject, &acknowledged);
        report.add_at(|| format!("cut after operation {point}, {loss:?} lost"), verdict);
        fs::remove_dir_all(&folder)?;
    }
    Ok(report)
}
