//! A worker that evaluates jq filters, one after the other, behind a wall without openings.
//!
//! A filter may recurse without end, loop without end or fill the memory, and nothing inside of a process can stop
//! that; so the process is the unit that is thrown away. It reads a [`Request`] and answers with one piece: `v`
//! and JSON text, or `e` and a message. Go next to [`filter`] for the language, to [`alone`]
//! for a worker without a runner.

mod alone;
mod filter;

use std::io::{self, BufReader, Write as _};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};

pub use alone::FilterWorker;

use crate::outer::Failure;
use crate::sandbox::call::FIRST_TO_GO;
use crate::sandbox::wall;
use crate::wire::{from_json, read_piece, write_piece};

/// Memory a worker can be allowed at most for one evaluation, in bytes.
const MEMORY_CEILING: u64 = 2 * 1024 * 1024 * 1024;
/// Processor time of a whole worker, in seconds; the runner's deadline comes long before.
const LIFETIME_CPU_S: u64 = 3_600;

/// One evaluation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The filter.
    pub(crate) filter: String,
    /// JSON text of the input.
    pub(crate) input: String,
    /// Memory on top of what the worker itself needs, in bytes.
    pub(crate) memory_bytes: u64,
    /// JSON text of the result, in bytes.
    pub(crate) output_bytes: u64,
}

/// First byte of an answer: a value follows.
pub(crate) const VALUE: u8 = b'v';
/// First byte of an answer: a message follows.
pub(crate) const ERROR: u8 = b'e';

/// Serves until standard input ends.
pub(crate) fn work() -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // A service manager may have made the daemon the last to be killed, and that is inherited.
    std::fs::write("/proc/self/oom_score_adj", FIRST_TO_GO).ok();
    let base = address_space()?;
    let hard = base.saturating_add(MEMORY_CEILING);
    set(Resource::As, hard, hard)?;
    set(Resource::Cpu, LIFETIME_CPU_S, LIFETIME_CPU_S)?;
    set(Resource::Fsize, 0, 0)?;
    set(Resource::Core, 0, 0)?;
    wall::close_everything()?;
    let mut requests = BufReader::new(io::stdin().lock());
    let mut answers = io::stdout().lock();
    let mut filters = filter::Cache::new();
    while let Some(piece) = read_piece(&mut requests)? {
        let request: Request = from_json(&piece)?;
        drop(piece);
        set(Resource::As, base.saturating_add(request.memory_bytes).min(hard), hard)?;
        let answer = match filters.evaluate(&request) {
            Ok(text) => answer(VALUE, &text),
            Err(message) => answer(ERROR, message.as_bytes()),
        };
        set(Resource::As, hard, hard)?;
        write_piece(&mut answers, &answer)?;
        answers.flush()?;
    }
    Ok(())
}

fn answer(kind: u8, text: &[u8]) -> Vec<u8> {
    let mut piece = Vec::with_capacity(text.len() + 1);
    piece.push(kind);
    piece.extend_from_slice(text);
    piece
}

fn set(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limits = Rlimit { current: Some(soft.min(most)), maximum: Some(hard.min(most)) };
    Ok(setrlimit(resource, limits)?)
}

/// What the program itself takes of the address space, in bytes.
fn address_space() -> io::Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split_ascii_whitespace().next().and_then(|text| text.parse::<u64>().ok());
    let pages = pages.ok_or_else(|| io::Error::other("/proc/self/statm has no size"))?;
    Ok(pages.saturating_mul(rustix::param::page_size() as u64))
}
