//! A model of a disk that keeps what was synced and is free to lose, reorder or tear the rest.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::Path;

use super::trace::{Op, Trace};
use crate::random::Random;

/// What happens to writes that were not synced when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// Nothing is lost: the process died, the machine did not.
    Nothing,
    /// All of them are lost.
    Everything,
    /// Each of them is there or not, independently: the disk reorders.
    Some,
    /// Each 512-byte sector of each of them is there or not: writes are torn.
    Torn,
}

/// Which syncs the disk honours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// All of them, and a new file's sync keeps its name, as on every journalling file system of Linux.
    Honest,
    /// All of them, and not more than POSIX says: a name is kept only by a sync of its folder.
    Strict,
    /// As with `synchronous=NORMAL`: a sync of a write-ahead log takes effect only when a checkpoint follows. Turns
    /// a recording made at FULL into a control that must fail.
    LogOnlyAtCheckpoint,
}

const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, data: std::ops::Range<usize> },
    Truncate(usize),
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
    /// Syncs that were swallowed cover this many pending changes.
    swallowed: usize,
}

#[derive(Clone)]
enum Naming {
    Link { path: String, id: u32 },
    Unlink { path: String },
    Rename { from: String, to: String },
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, u32>) {
        match self {
            Self::Link { path, id } => {
                names.insert(path.clone(), *id);
            }
            Self::Unlink { path } => {
                names.remove(path);
            }
            Self::Rename { from, to } => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
        }
    }

    fn folder(&self) -> &str {
        let (Self::Link { path, .. } | Self::Unlink { path } | Self::Rename { to: path, .. }) = self;
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// The disk after some operations of a trace.
pub struct Disk<'t> {
    trace: &'t Trace,
    syncs: Syncs,
    files: HashMap<u32, File>,
    folders: HashMap<u32, String>,
    /// Names as the running process sees them.
    live: BTreeMap<String, u32>,
    /// Names that a power cut cannot take away.
    durable: BTreeMap<String, u32>,
    pending: Vec<Naming>,
}

impl<'t> Disk<'t> {
    /// An empty disk.
    pub fn new(trace: &'t Trace, syncs: Syncs) -> Self {
        Self {
            trace,
            syncs,
            files: HashMap::new(),
            folders: HashMap::new(),
            live: BTreeMap::new(),
            durable: BTreeMap::new(),
            pending: Vec::new(),
        }
    }

    /// Carries out one operation.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Open { id, path, folder: true, .. } => {
                self.folders.insert(*id, path.clone());
            }
            Op::Open { id, path, created, .. } => {
                let new = !self.files.contains_key(id);
                self.files.entry(*id).or_default();
                if new && *created {
                    self.name(Naming::Link { path: path.clone(), id: *id });
                } else if new {
                    // There before the recording began: as durable as it can be. The recording begins with an empty
                    // folder, so this is a file made by a call that the shim does not see.
                    self.live.insert(path.clone(), *id);
                    self.durable.insert(path.clone(), *id);
                }
            }
            Op::Write { id, offset, data } => {
                self.checkpoint_begins(*id);
                let change = Change::Write { offset: *offset as usize, data: data.clone() };
                self.files.entry(*id).or_default().pending.push(change);
            }
            Op::Truncate { id, size } => {
                self.files.entry(*id).or_default().pending.push(Change::Truncate(*size as usize));
            }
            Op::Sync { id } => self.sync(*id),
            Op::Unlink { path } => self.name(Naming::Unlink { path: path.clone() }),
            Op::Rename { from, to } => self.name(Naming::Rename { from: from.clone(), to: to.clone() }),
            Op::Ack(_) => {}
        }
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.live);
        self.pending.push(naming);
    }

    fn path_of(&self, id: u32) -> Option<&String> {
        self.live.iter().find(|(_, file)| **file == id).map(|(path, _)| path)
    }

    /// A sync makes a file's content durable; a folder's sync makes every change of its names durable.
    fn sync(&mut self, id: u32) {
        if let Some(folder) = self.folders.get(&id) {
            let (done, rest) = self.pending.iter().cloned().partition::<Vec<_>, _>(|n| n.folder() == folder);
            for naming in done {
                naming.apply(&mut self.durable);
            }
            self.pending = rest;
            return;
        }
        let log = self.path_of(id).is_some_and(|path| path.ends_with("-wal"));
        if let Some(file) = self.files.get_mut(&id) {
            if log && self.syncs == Syncs::LogOnlyAtCheckpoint {
                file.swallowed = file.pending.len();
            } else {
                let count = file.pending.len();
                settle(file, count, self.trace);
            }
        }
        if self.syncs == Syncs::Strict {
            return;
        }
        let own = |naming: &Naming| matches!(naming, Naming::Link { id: linked, .. } if *linked == id);
        let (done, rest) = self.pending.iter().cloned().partition::<Vec<_>, _>(own);
        for naming in done {
            naming.apply(&mut self.durable);
        }
        self.pending = rest;
    }

    /// A write to a database proper means that the log before it had to be synced even at NORMAL.
    fn checkpoint_begins(&mut self, id: u32) {
        if self.syncs != Syncs::LogOnlyAtCheckpoint {
            return;
        }
        let log = self.path_of(id).and_then(|path| self.live.get(&format!("{path}-wal")));
        if let Some(file) = log.copied().and_then(|log| self.files.get_mut(&log)) {
            let count = file.swallowed;
            settle(file, count, self.trace);
        }
    }

    /// Writes into `folder` what a power cut now may leave of the files below `root`.
    pub fn cut(&self, root: &str, loss: Loss, random: &mut Random, folder: &Path) -> io::Result<()> {
        let mut names = self.durable.clone();
        for naming in &self.pending {
            if match loss {
                Loss::Nothing => true,
                Loss::Everything => false,
                Loss::Some | Loss::Torn => random.coin(),
            } {
                naming.apply(&mut names);
            }
        }
        for (path, id) in names {
            let (Some(inner), Some(file)) = (path.strip_prefix(root), self.files.get(&id)) else { continue };
            if inner.ends_with("-shm") {
                continue;
            }
            let target = folder.join(inner.trim_start_matches('/'));
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&target, self.content(file, loss, random))?;
        }
        Ok(())
    }

    fn content(&self, file: &File, loss: Loss, random: &mut Random) -> Vec<u8> {
        let mut content = file.durable.clone();
        for change in &file.pending {
            match (loss, change) {
                (Loss::Everything, _) => {}
                (Loss::Torn, Change::Write { offset, data }) => {
                    for start in (0..data.len()).step_by(SECTOR).filter(|_| random.coin()) {
                        let end = data.len().min(start + SECTOR);
                        let part = data.start + start..data.start + end;
                        put(&mut content, offset + start, self.trace.bytes(&part));
                    }
                }
                (Loss::Nothing, _) => change_content(&mut content, change, self.trace),
                (Loss::Some | Loss::Torn, _) => {
                    if random.coin() {
                        change_content(&mut content, change, self.trace);
                    }
                }
            }
        }
        content
    }
}

/// Makes the first `count` pending changes durable.
fn settle(file: &mut File, count: usize, trace: &Trace) {
    for change in file.pending.drain(..count) {
        change_content(&mut file.durable, &change, trace);
    }
    file.swallowed = 0;
}

fn change_content(content: &mut Vec<u8>, change: &Change, trace: &Trace) {
    match change {
        Change::Write { offset, data } => put(content, *offset, trace.bytes(data)),
        Change::Truncate(size) => content.resize(*size, 0),
    }
}

/// A write past the end leaves a hole of zeros, as a file system does.
fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk on which `ops` were done; every write puts 1,024 bytes of its own number at offset 0.
    fn after(ops: &[&str]) -> (Trace, Vec<Op>) {
        let mut bytes = Vec::new();
        let mut trace = Vec::new();
        let open = |path: &str, id, folder| Op::Open { id, path: path.to_owned(), created: true, folder };
        for op in ops {
            let begin = bytes.len();
            trace.push(match *op {
                "open" => open("/d/f", 1, false),
                "open folder" => open("/d", 2, true),
                "sync" => Op::Sync { id: 1 },
                "sync folder" => Op::Sync { id: 2 },
                "cut to 3" => Op::Truncate { id: 1, size: 3 },
                "rename" => Op::Rename { from: "/d/f".to_owned(), to: "/d/g".to_owned() },
                number => {
                    bytes.extend(std::iter::repeat_n(number.as_bytes()[0], 1024));
                    Op::Write { id: 1, offset: 0, data: begin..bytes.len() }
                }
            });
        }
        (Trace::of(bytes), trace)
    }

    fn left(ops: &[&str], loss: Loss, seed: u64) -> Option<(String, Vec<u8>)> {
        let (trace, ops) = after(ops);
        let mut disk = Disk::new(&trace, Syncs::Honest);
        for op in &ops {
            disk.apply(op);
        }
        let folder = tempfile::tempdir().unwrap();
        disk.cut("/d", loss, &mut Random::new(seed), folder.path()).unwrap();
        let entry = fs::read_dir(folder.path()).unwrap().next()?.unwrap();
        Some((entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
    }

    #[test]
    fn a_sync_keeps_and_its_lack_loses() {
        let synced = Some(("f".to_owned(), vec![b'1'; 1024]));
        assert_eq!(left(&["open", "1", "sync", "2"], Loss::Everything, 1), synced);
        assert_eq!(left(&["open", "1"], Loss::Everything, 1), None, "even the name is gone");
        assert_eq!(left(&["open", "1", "2"], Loss::Nothing, 1), Some(("f".to_owned(), vec![b'2'; 1024])));
        assert_eq!(left(&["open", "1", "cut to 3"], Loss::Nothing, 1), Some(("f".to_owned(), vec![b'1'; 3])));
    }

    #[test]
    fn a_rename_needs_the_folder_synced() {
        let begin = ["open folder", "open", "1", "sync", "rename"];
        assert_eq!(left(&begin, Loss::Everything, 1).map(|f| f.0), Some("f".to_owned()));
        let synced = [&begin[..], &["sync folder"]].concat();
        assert_eq!(left(&synced, Loss::Everything, 1).map(|f| f.0), Some("g".to_owned()));
    }

    #[test]
    fn losses_reorder_and_tear() {
        let contents = |loss| {
            let ops = ["open", "0", "sync", "1", "2"];
            (0..64).filter_map(|seed| left(&ops, loss, seed)).map(|(_, content)| content).collect::<Vec<_>>()
        };
        let whole = |n: u8| vec![n; 1024];
        let some = contents(Loss::Some);
        assert!([b'0', b'1', b'2'].iter().all(|n| some.contains(&whole(*n))), "each write may be lost alone");
        assert!(some.iter().all(|content| content.iter().all(|b| *b == content[0])), "no write is torn");
        assert!(
            contents(Loss::Torn).iter().any(|content| content[0] != content[512]),
            "writes are torn at sectors"
        );
    }

    #[test]
    fn a_late_log_sync_waits_for_the_checkpoint() {
        let bytes = vec![b'x'; 8];
        let trace = Trace::of(bytes);
        let open = |id, path: &str| Op::Open { id, path: path.to_owned(), created: true, folder: false };
        let log = Op::Write { id: 2, offset: 0, data: 0..8 };
        let mut disk = Disk::new(&trace, Syncs::LogOnlyAtCheckpoint);
        for op in [open(1, "/d/db"), open(2, "/d/db-wal"), log, Op::Sync { id: 2 }] {
            disk.apply(&op);
        }
        assert_eq!(disk.files[&2].durable, b"", "the sync was swallowed");
        disk.apply(&Op::Write { id: 1, offset: 0, data: 0..8 });
        assert_eq!(disk.files[&2].durable, b"xxxxxxxx", "the checkpoint needs it");
    }
}
