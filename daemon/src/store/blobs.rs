//! Payloads that are too large for a row: files of `blobs/` in the tenant's folder, named by their SHA-256.
//!
//! **Invariant:** a blob is whole and on disk before the row that names it is committed. A blob without a row is
//! harmless; a row without a blob never is.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use tenantry_protocol::id::TenantId;
use tenantry_protocol::merkle::record::to_hex;

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

    async fn blocking<T: Send + 'static>(
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
    if target.exists() {
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
}
