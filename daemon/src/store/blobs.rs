//! Payloads that are too large for a row: files of `blobs/` in the tenant's folder, named by their SHA-256.
//!
//! **Invariant:** a blob is whole and on disk before the row that names it is committed. A blob without a row is
//! harmless; a row without a blob never is.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_NOW};
use tenantry_protocol::id::TenantId;
use tenantry_protocol::merkle::record::{from_hex, to_hex};

use super::{Store, fault};
use crate::error::{Error, Result};

impl Store {
    /// Writes a payload; answers its SHA-256. Writing the same payload again changes nothing.
    pub async fn put_blob(&self, tenant: TenantId, bytes: Bytes) -> Result<[u8; 32]> {
        let folder = self.tenant_folder(tenant).join("blobs");
        self.blocking("write a payload", move || put(&folder, &bytes)).await
    }

    /// Reads a payload, and checks that it is what its name says.
    pub async fn get_blob(&self, tenant: TenantId, hash: [u8; 32]) -> Result<Bytes> {
        let path = path(&self.tenant_folder(tenant).join("blobs"), &hash);
        self.blocking("read a payload", move || get(&path, &hash)).await
    }

    /// The size of a payload in bytes; 0 if it is not there.
    pub fn blob_bytes(&self, tenant: TenantId, hash: &[u8; 32]) -> u64 {
        let path = path(&self.tenant_folder(tenant).join("blobs"), hash);
        fs::metadata(path).map_or(0, |file| file.len())
    }

    /// The payloads of a tenant that were last written before a time (unix milliseconds), at most `limit`.
    pub async fn old_blobs(&self, tenant: TenantId, before_ms: i64, limit: usize) -> Result<Vec<[u8; 32]>> {
        let folder = self.tenant_folder(tenant).join("blobs");
        self.blocking("list payloads", move || old(&folder, before_ms, limit)).await
    }

    /// Deletes a payload, unless it was written again since that time (unix milliseconds). Whoever names a payload
    /// writes it first, so one that no row names and that nobody has written for a while is nobody's.
    pub async fn drop_blob(&self, tenant: TenantId, hash: [u8; 32], before_ms: i64) -> Result<bool> {
        let path = path(&self.tenant_folder(tenant).join("blobs"), &hash);
        self.blocking("delete a payload", move || drop_old(&path, before_ms)).await
    }

    /// Reads a payload at once: for whoever is in a transaction already. Others use [`Store::get_blob`].
    pub fn get_blob_now(&self, tenant: TenantId, hash: &[u8; 32]) -> Result<Bytes> {
        get(&path(&self.tenant_folder(tenant).join("blobs"), hash), hash)
    }

    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let done = self.supervisor.blocking(name, work).join().await;
        done.map_err(|lost| Error::internal(format!("{name}: {lost}")))?
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

fn path(folder: &Path, hash: &[u8; 32]) -> PathBuf {
    folder.join(to_hex(hash))
}

fn put(folder: &Path, bytes: &[u8]) -> Result<[u8; 32]> {
    let io = |error| fault::io("write a payload", error);
    let hash = sha256(bytes);
    let target = path(folder, &hash);
    if is_kept(&target) {
        return Ok(hash);
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    // Two writers of the same payload write the same bytes; the last rename wins.
    let draft = folder.join(format!("{}.{:?}.new", to_hex(&hash), std::thread::current().id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&draft, &target).map_err(io)?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    Ok(hash)
}

/// Held while a payload is found to be there or not: what was found to be there is not deleted in between.
static TURN: Mutex<()> = Mutex::new(());

/// Whether the payload is there already; it is young again then.
fn is_kept(target: &Path) -> bool {
    let _turn = super::locked(&TURN);
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    rustix::fs::utimensat(rustix::fs::CWD, target, &times, AtFlags::empty()).is_ok()
}

fn modified_ms(file: &fs::Metadata) -> i64 {
    file.mtime().saturating_mul(1_000).saturating_add(file.mtime_nsec() / 1_000_000)
}

fn old(folder: &Path, before_ms: i64, limit: usize) -> Result<Vec<[u8; 32]>> {
    let io = |error| fault::io("list payloads", error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(error)),
    };
    let mut old = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        let Some(hash) = name.to_str().and_then(from_hex) else { continue };
        // Gone in between is as good as young.
        if entry.metadata().is_ok_and(|file| modified_ms(&file) < before_ms) {
            old.push(hash);
            if old.len() >= limit {
                break;
            }
        }
    }
    Ok(old)
}

fn drop_old(path: &Path, before_ms: i64) -> Result<bool> {
    let _turn = super::locked(&TURN);
    if !fs::metadata(path).is_ok_and(|file| modified_ms(&file) < before_ms) {
        return Ok(false);
    }
    fs::remove_file(path).map_err(|error| fault::io("delete a payload", error))?;
    Ok(true)
}

fn get(path: &Path, hash: &[u8; 32]) -> Result<Bytes> {
    let bytes = fs::read(path).map_err(|error| fault::io("read a payload", error))?;
    if sha256(&bytes) != *hash {
        return Err(Error::damaged(format!("the payload {} is damaged", path.display())));
    }
    Ok(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_comes_back_and_a_damaged_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("blobs");
        let hash = put(&folder, b"payload").unwrap();
        assert_eq!(put(&folder, b"payload").unwrap(), hash);
        assert_eq!(get(&path(&folder, &hash), &hash).unwrap(), &b"payload"[..]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::write(path(&folder, &hash), b"other").unwrap();
        assert!(get(&path(&folder, &hash), &hash).is_err());
    }

    #[test]
    fn only_an_old_payload_is_dropped_and_writing_it_again_makes_it_young() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("blobs");
        assert_eq!(old(&folder, i64::MAX, 9).unwrap(), Vec::<[u8; 32]>::new(), "no folder, no payloads");
        let hash = put(&folder, b"payload").unwrap();
        let file = path(&folder, &hash);
        let long_ago = Timespec { tv_sec: 1_000, tv_nsec: 0 };
        let times = Timestamps { last_access: long_ago, last_modification: long_ago };
        rustix::fs::utimensat(rustix::fs::CWD, &file, &times, AtFlags::empty()).unwrap();
        assert_eq!(old(&folder, 2_000_000, 9).unwrap(), [hash]);
        put(&folder, b"payload").unwrap();
        assert_eq!(old(&folder, 2_000_000, 9).unwrap(), Vec::<[u8; 32]>::new());
        assert!(!drop_old(&file, 2_000_000).unwrap(), "it was written in between");
        assert!(drop_old(&file, i64::MAX).unwrap() && !file.exists());
    }
}
