//! Files that people put into a tenant's folder: `inbox` → `processing` → `done` or `failed`.
//!
//! Whoever can write to `inbox` is not trusted: folders are opened without following links, a file is looked at by
//! the folder that was opened, and what is not a plain file with one name is left alone.
//! **Invariant:** a move is on disk before its function returns, and never replaces a file.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use tenantry_protocol::id::{EventId, TenantId};

use super::{Store, fault};
use crate::error::{Error, Result};

/// Files of one folder that one look sees; the next look sees the next ones.
const FILES_AT_ONCE: usize = 1_000;
/// The longest name that is taken, in bytes: with an event's id in front it must still be a name.
const NAME_LIMIT: usize = 200;
/// The folders, beside `tenant.db`.
const FOLDERS: [&str; 4] = ["inbox", "processing", "done", "failed"];

/// A plain file in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written to; seconds and nanoseconds.
    pub modified: (i64, i64),
}

/// What a file in `processing` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// This.
    Bytes(Vec<u8>),
    /// So many bytes, more than may be read.
    TooLarge(u64),
    /// No plain file.
    Strange,
    /// There is no such file.
    Gone,
}

/// Where a file goes when it is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every run succeeded.
    Done,
    /// One did not.
    Failed,
}

impl Ending {
    const fn folder(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl Store {
    /// Makes the folders; answers the inbox.
    pub async fn make_inbox(&self, tenant: TenantId) -> Result<PathBuf> {
        let folder = self.tenant_folder(tenant);
        let made = move || {
            for name in FOLDERS {
                match rustix::fs::mkdir(folder.join(name), Mode::from_raw_mode(0o700)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(failed("make", name, error)),
                }
            }
            Ok(folder.join("inbox"))
        };
        self.blocking("make an inbox", made).await
    }

    /// The plain files that wait in the inbox.
    pub async fn list_inbox(&self, tenant: TenantId) -> Result<Vec<Waiting>> {
        let folder = self.tenant_folder(tenant);
        self.blocking("list an inbox", move || list(&folder)).await
    }

    /// Moves a file from `inbox` to `processing`, under the event that it will be. False if it is gone.
    pub async fn take_from_inbox(&self, tenant: TenantId, name: &str, event: EventId) -> Result<bool> {
        let (folder, from, to) = (self.tenant_folder(tenant), name.to_owned(), kept(event, name));
        self.blocking("take a file", move || relocate(&folder, ("inbox", &from), ("processing", &to))).await
    }

    /// The files in `processing`, with the events that they are or will be.
    pub async fn list_processing(&self, tenant: TenantId) -> Result<Vec<(EventId, String)>> {
        let folder = self.tenant_folder(tenant);
        let names = self.blocking("list files", move || names(&open(&folder, "processing")?)).await?;
        let taken = |name: &String| {
            let (id, rest) = name.split_once('-')?;
            Some((id.parse().ok()?, rest.to_owned()))
        };
        Ok(names.iter().filter_map(taken).collect())
    }

    /// Reads a file in `processing`.
    pub async fn read_processing(
        &self,
        tenant: TenantId,
        event: EventId,
        name: &str,
        limit: u64,
    ) -> Result<Content> {
        let (folder, name) = (self.tenant_folder(tenant), kept(event, name));
        self.blocking("read a file", move || read(&folder, &name, limit)).await
    }

    /// Moves a file from `processing` to where it stays. Nothing happens if that was done before.
    pub async fn finish_file(
        &self,
        tenant: TenantId,
        event: EventId,
        name: &str,
        ending: Ending,
    ) -> Result<()> {
        let (folder, name) = (self.tenant_folder(tenant), kept(event, name));
        let moved = move || relocate(&folder, ("processing", &name), (ending.folder(), &name));
        self.blocking("finish a file", moved).await.map(drop)
    }
}

fn kept(event: EventId, name: &str) -> String {
    format!("{event}-{name}")
}

fn failed(verb: &str, what: &str, error: Errno) -> Error {
    fault::io(&format!("{verb} {what}"), error.into())
}

fn open(folder: &Path, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    rustix::fs::open(folder.join(name), flags, Mode::empty()).map_err(|error| failed("open", name, error))
}

/// The names in a folder that can be names here.
fn names(folder: &OwnedFd) -> Result<Vec<String>> {
    let entries = Dir::read_from(folder).map_err(|error| failed("list", "a folder", error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("list", "a folder", error))?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if !name.starts_with('.') {
            names.push(name.to_owned());
        }
        if names.len() >= FILES_AT_ONCE {
            break;
        }
    }
    Ok(names)
}

/// Whether it is a plain file that has this name and no other.
fn is_plain(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1
}

fn list(folder: &Path) -> Result<Vec<Waiting>> {
    let inbox = open(folder, "inbox")?;
    let mut waiting = Vec::new();
    for name in names(&inbox)? {
        let Ok(stat) = rustix::fs::statat(&inbox, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        if is_plain(&stat) && name.len() <= NAME_LIMIT && !name.chars().any(char::is_control) {
            let size = u64::try_from(stat.st_size).unwrap_or_default();
            let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or_default();
            waiting.push(Waiting { name, size, modified: (stat.st_mtime, nanoseconds) });
        }
    }
    waiting.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(waiting)
}

fn relocate(folder: &Path, from: (&str, &str), to: (&str, &str)) -> Result<bool> {
    let (source, target) = (open(folder, from.0)?, open(folder, to.0)?);
    match rustix::fs::renameat_with(&source, from.1, &target, to.1, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(failed("move", from.1, error)),
    }
    for changed in [&target, &source] {
        rustix::fs::fsync(changed).map_err(|error| failed("move", from.1, error))?;
    }
    Ok(true)
}

fn read(folder: &Path, name: &str, limit: u64) -> Result<Content> {
    let processing = open(folder, "processing")?;
    // A pipe that took the file's place must not hold us up.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::RDONLY;
    let file = match rustix::fs::openat(&processing, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(Content::Gone),
        Err(Errno::LOOP | Errno::NXIO) => return Ok(Content::Strange),
        Err(error) => return Err(failed("open", name, error)),
    };
    let stat = rustix::fs::fstat(&file).map_err(|error| failed("look at", name, error))?;
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    if !is_plain(&stat) {
        return Ok(Content::Strange);
    }
    if size > limit {
        return Ok(Content::TooLarge(size));
    }
    let mut bytes = Vec::new();
    let mut file = std::fs::File::from(file).take(limit.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(|error| fault::io("read a file", error))?;
    // Somebody who still had it open has gone on writing.
    let grown = bytes.len() as u64 > limit;
    Ok(if grown { Content::TooLarge(bytes.len() as u64) } else { Content::Bytes(bytes) })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn house() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in FOLDERS {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        folder
    }

    #[test]
    fn only_plain_files_with_one_name_wait() {
        let house = house();
        let inbox = house.path().join("inbox");
        fs::write(inbox.join("b.csv"), "b").unwrap();
        fs::write(inbox.join("a.csv"), "aa").unwrap();
        fs::write(inbox.join(".hidden"), "x").unwrap();
        fs::write(inbox.join("x".repeat(NAME_LIMIT + 1)), "x").unwrap();
        fs::write(house.path().join("tenant.db"), "secret").unwrap();
        symlink("../tenant.db", inbox.join("link.csv")).unwrap();
        fs::hard_link(house.path().join("tenant.db"), inbox.join("hard.csv")).unwrap();
        fs::create_dir(inbox.join("folder.csv")).unwrap();
        let waiting: Vec<_> = list(house.path()).unwrap().into_iter().map(|w| (w.name, w.size)).collect();
        assert_eq!(waiting, [("a.csv".to_owned(), 2), ("b.csv".to_owned(), 1)]);
    }

    #[test]
    fn a_file_moves_once_and_replaces_nothing() {
        let house = house();
        fs::write(house.path().join("inbox/a"), "new").unwrap();
        assert!(relocate(house.path(), ("inbox", "a"), ("processing", "e-a")).unwrap());
        assert!(!relocate(house.path(), ("inbox", "a"), ("processing", "e-a")).unwrap());
        fs::write(house.path().join("done/e-a"), "old").unwrap();
        assert!(relocate(house.path(), ("processing", "e-a"), ("done", "e-a")).is_err());
        assert_eq!(fs::read(house.path().join("done/e-a")).unwrap(), b"old");
    }

    #[test]
    fn what_took_a_files_place_is_not_read() {
        let house = house();
        let processing = house.path().join("processing");
        fs::write(house.path().join("tenant.db"), "secret").unwrap();
        symlink("../tenant.db", processing.join("link")).unwrap();
        fs::hard_link(house.path().join("tenant.db"), processing.join("hard")).unwrap();
        fs::create_dir(processing.join("folder")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            processing.join("pipe"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        for name in ["link", "hard", "folder", "pipe"] {
            assert_eq!(read(house.path(), name, 100).unwrap(), Content::Strange, "{name}");
        }
        fs::write(processing.join("plain"), "12345").unwrap();
        assert_eq!(read(house.path(), "plain", 5).unwrap(), Content::Bytes(b"12345".to_vec()));
        assert_eq!(read(house.path(), "plain", 4).unwrap(), Content::TooLarge(5));
        assert_eq!(read(house.path(), "absent", 4).unwrap(), Content::Gone);
    }

    #[test]
    fn an_inbox_that_is_a_link_is_not_opened() {
        let house = tempfile::tempdir().unwrap();
        symlink("/etc", house.path().join("inbox")).unwrap();
        assert!(list(house.path()).is_err());
    }
}
