//! Mutated inputs for everything that reads what strangers write: workflow texts, expressions, signature headers, cron
//! expressions.
//!
//! Mutations begin from a corpus of good and bad inputs. What an input *led to* (which findings, which refusal) is its
//! shape; an input with a new shape joins the corpus, so that later mutations go deeper. Runs on the stable compiler
//! without instrumentation, repeats from its seed, and writes each input down before it is tried, so that one that ends
//! the process is found.
//!
//! What must never happen here: a target that only asks whether it panicked. Each has an oracle; see [`targets`].

mod corpus;
mod mutate;
pub mod targets;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub use self::targets::Target;
use crate::random::Random;

/// The longest that one input may take: far more than a 256 KiB workflow takes.
const INPUT_LIMIT: Duration = Duration::from_secs(5);
/// Inputs that are kept; beyond it old ones are replaced.
const CORPUS_LIMIT: usize = 4_096;

/// What one run of a target is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is tried.
    pub target: Target,
    /// For how long, in time of the processor.
    pub time: Duration,
    /// Repeats the same inputs, as far as the time goes.
    pub seed: u64,
    /// Where the input under trial and a bad one are written; nowhere in short forms.
    pub folder: Option<PathBuf>,
}

/// What one run of a target found.
#[derive(Debug)]
pub struct Report {
    target: Target,
    seed: u64,
    /// Inputs that were tried.
    pub inputs: u64,
    /// Different things that they led to.
    pub shapes: usize,
    slowest: Duration,
    /// What is wrong, and the input that shows it.
    pub bad: Option<(String, Vec<u8>)>,
}

impl Report {
    /// Whether nothing wrong was found.
    pub const fn is_good(&self) -> bool {
        self.bad.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, seed, inputs, shapes, slowest, bad } = self;
        write!(f, "{target}: {inputs} inputs, {shapes} shapes, slowest {slowest:.1?}, seed {seed}: ")?;
        match bad {
            None => f.write_str("nothing found"),
            Some((what, input)) => write!(f, "{what}\n{}", String::from_utf8_lossy(input)),
        }
    }
}

/// How long this thread has been at work. A busy machine that stands still for seconds makes no input a slow one.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Tries inputs until the time is over or something is wrong.
pub fn run(plan: &Plan) -> io::Result<Report> {
    let Plan { target, time, seed, folder } = plan;
    let mut random = Random::new(*seed);
    let mut corpus = corpus::of(*target)?;
    let current = folder.as_ref().map(|folder| folder.join(format!("{target}.current")));
    let begun = worked();
    let mut report =
        Report { target: *target, seed: *seed, inputs: 0, shapes: 0, slowest: Duration::ZERO, bad: None };
    let mut shapes = HashSet::new();
    let words = corpus::words(*target);
    while worked().saturating_sub(begun) < *time || (report.inputs as usize) < corpus.len().min(64) {
        // The corpus itself first, then mutations of it.
        let input = match corpus.get(report.inputs as usize) {
            Some(input) if report.shapes < report.inputs as usize + 1 && report.inputs < 2_000 => {
                input.clone()
            }
            _ => mutate::mutated(&corpus, &words, &mut random),
        };
        if let Some(current) = &current {
            std::fs::write(current, &input)?;
        }
        let started = worked();
        let tried = catch_unwind(AssertUnwindSafe(|| target.try_input(&input)));
        let took = worked().saturating_sub(started);
        report.inputs += 1;
        if took > report.slowest {
            report.slowest = took;
            if let Some(folder) = folder {
                std::fs::write(folder.join(format!("{target}.slowest")), &input)?;
            }
        }
        let judged = match tried {
            Ok(judged) if took <= INPUT_LIMIT => judged,
            Ok(_) => Err(format!("took {took:.1?}")),
            Err(_) => Err("panicked".to_owned()),
        };
        match judged {
            Ok(shape) if shapes.insert(shape) => {
                if corpus.len() < CORPUS_LIMIT {
                    corpus.push(input);
                } else {
                    let at = random.below(CORPUS_LIMIT as u64) as usize;
                    corpus[at] = input;
                }
            }
            Ok(_) => {}
            Err(what) => {
                if let Some(folder) = folder {
                    std::fs::write(folder.join(format!("{target}.bad")), &input)?;
                }
                report.bad = Some((what, input));
                break;
            }
        }
        report.shapes = shapes.len();
    }
    Ok(report)
}
