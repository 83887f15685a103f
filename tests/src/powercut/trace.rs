//! Reads the shim's records.

use std::io;
use std::ops::Range;
use std::path::Path;

/// One thing that the recorded process asked of the disk, or a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A file or folder was opened; `created` if it was not there before.
    Open { id: u32, path: String, created: bool, folder: bool },
    /// Bytes were written at an offset. The bytes lie in [`Trace::bytes`].
    Write { id: u32, offset: u64, data: Range<usize> },
    /// The file was cut or grown to a size.
    Truncate { id: u32, size: u64 },
    /// The file's (or folder's) content so far was made durable.
    Sync { id: u32 },
    /// A name was removed.
    Unlink { path: String },
    /// A name was moved over another.
    Rename { from: String, to: String },
    /// The workload was told that this commit is done.
    Ack(Mark),
}

/// The `number`th commit of a lane; a lane counts 1, 2, 3, … and waits for each before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Which sequence.
    pub lane: u32,
    /// Position in the sequence, from 1.
    pub number: u32,
}

/// A recorded run.
pub struct Trace {
    bytes: Vec<u8>,
    /// The operations in order.
    pub ops: Vec<Op>,
}

const HEADER: usize = 24;

impl Trace {
    /// Reads a trace file. Fails on a record that makes no sense: half-understood evidence is none.
    pub fn read(path: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let mut ops = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let (op, next) = record(&bytes, at)?;
            ops.extend(op);
            at = next;
        }
        Ok(Self { bytes, ops })
    }

    /// A trace with bytes for writes to point into, and no operations of its own.
    #[cfg(test)]
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, ops: Vec::new() }
    }

    /// The bytes of a write.
    pub fn bytes(&self, data: &Range<usize>) -> &[u8] {
        &self.bytes[data.clone()]
    }

    /// How often each kind of operation occurs: opens, writes, syncs, acks. Shown to people, checked by tests.
    pub fn census(&self) -> [usize; 4] {
        census(&self.ops)
    }

    /// The same of what came before the first acknowledgement.
    pub fn census_until_first_ack(&self) -> [usize; 4] {
        let first = self.ops.iter().position(|op| matches!(op, Op::Ack(_)));
        census(&self.ops[..first.unwrap_or(self.ops.len())])
    }
}

fn census(ops: &[Op]) -> [usize; 4] {
    let count = |want: fn(&Op) -> bool| ops.iter().filter(|op| want(op)).count();
    [
        count(|op| matches!(op, Op::Open { .. })),
        count(|op| matches!(op, Op::Write { .. })),
        count(|op| matches!(op, Op::Sync { .. })),
        count(|op| matches!(op, Op::Ack(_))),
    ]
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("trace: {what}"))
}

/// The operations of the record at `at`, and where the next one begins.
fn record(bytes: &[u8], at: usize) -> io::Result<(Vec<Op>, usize)> {
    let header = bytes.get(at..at + HEADER).ok_or_else(|| bad("a record is cut short"))?;
    let word = |i: usize| header[i..i + 4].iter().rev().fold(0_u32, |n, b| n << 8 | u32::from(*b));
    let long = |i: usize| u64::from(word(i + 4)) << 32 | u64::from(word(i));
    let (op, id, offset, length) = (word(0), word(4), long(8), long(16) as usize);
    let data = at + HEADER..at + HEADER + length;
    let next = data.end;
    let payload = bytes.get(data.clone()).ok_or_else(|| bad("a payload is cut short"))?;
    let text = || String::from_utf8(payload.to_vec()).map_err(|_| bad("a path is not UTF-8"));
    let ops = match op {
        1 => vec![Op::Open { id, path: text()?, created: offset & 1 != 0, folder: offset & 2 != 0 }],
        2 => vec![Op::Write { id, offset, data }],
        3 => vec![Op::Truncate { id, size: offset }],
        4 => vec![Op::Sync { id }],
        5 => vec![Op::Unlink { path: text()? }],
        6 => {
            let both = text()?;
            let (from, to) = both.split_once('\0').ok_or_else(|| bad("a rename has one name"))?;
            vec![Op::Rename { from: from.to_owned(), to: to.to_owned() }]
        }
        7 => text()?.lines().map(|line| mark(line).map(Op::Ack)).collect::<io::Result<_>>()?,
        _ => return Err(bad("an unknown operation")),
    };
    Ok((ops, next))
}

fn mark(line: &str) -> io::Result<Mark> {
    let mut numbers = line.split(' ').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(lane)), Some(Ok(number))) => Ok(Mark { lane, number }),
        _ => Err(bad("a mark is not two numbers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(op: u32, id: u32, offset: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = [op.to_le_bytes(), id.to_le_bytes()].concat();
        bytes.extend(offset.to_le_bytes());
        bytes.extend((payload.len() as u64).to_le_bytes());
        bytes.extend(payload);
        bytes
    }

    fn read(bytes: &[u8]) -> io::Result<Trace> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), bytes)?;
        Trace::read(file.path())
    }

    #[test]
    fn records_become_operations() {
        let bytes = [
            raw(1, 7, 1, b"/d/f"),
            raw(2, 7, 4096, b"abc"),
            raw(4, 7, 0, b""),
            raw(6, 0, 0, b"/d/f\0/d/g"),
            raw(7, 0, 0, b"3 1\n3 2\n"),
        ]
        .concat();
        let trace = read(&bytes).unwrap();
        assert_eq!(trace.census(), [1, 1, 1, 2]);
        assert_eq!(trace.ops[4..], [1, 2].map(|number| Op::Ack(Mark { lane: 3, number })));
        let Op::Write { id: 7, offset: 4096, data } = &trace.ops[1] else { panic!("{:?}", trace.ops[1]) };
        assert_eq!(trace.bytes(data), b"abc");
    }

    #[test]
    fn half_understood_evidence_is_refused() {
        let whole = raw(2, 7, 0, b"abc");
        for bad in [&whole[..10], &whole[..25], &raw(9, 0, 0, b""), &raw(7, 0, 0, b"three\n")] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
