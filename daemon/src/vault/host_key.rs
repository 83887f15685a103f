//! The host key: from a systemd credential, or from a file that only the daemon's user can read.
//!
//! It wraps the tenants' data keys and seals the host's own secrets. Without it no secret opens, so it is made
//! once, before there is anything to seal, and never replaced silently. On a disk that holds both, it protects
//! copies of the databases, not the disk itself.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;
use zeroize::Zeroizing;

use super::seal::{DataKey, Key, Purpose, Sealed};
use super::secret::SecretValue;
use crate::config::Folders;
use crate::error::{Error, Result};

/// The name of the systemd credential.
pub const CREDENTIAL: &str = "tenantry-host-key";
/// The name of the file in the data folder.
pub const FILE: &str = "host.key";
/// What a key file may hold at most: 64 digits and a line end.
const FILE_LIMIT: u64 = 66;

/// What to do where there is no host key yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Make one: the data folder is new.
    Create,
    /// Refuse: there are databases whose secrets a new key could not open.
    Refuse,
}

/// The root of all secrets of this host. It prints nowhere and is wiped when dropped.
pub struct HostKey {
    key: Key,
}

impl HostKey {
    /// Opens the host key of this host; the credential wins over the file.
    pub fn open(folders: &Folders, absent: Absent) -> Result<Self> {
        if let Some(path) = folders.credentials.as_ref().map(|folder| folder.join(CREDENTIAL))
            && path.exists()
        {
            // The folder of credentials is made by systemd for this service alone, on memory that is not swapped.
            return Self::read(&path, &File::open(&path).map_err(|error| unreadable(&path, error))?);
        }
        let path = folders.data.join(FILE);
        let opened =
            OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(&path);
        match opened {
            Ok(file) => {
                check_private(&path, &file)?;
                Self::read(&path, &file)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => match absent {
                Absent::Create => Self::create(&path),
                Absent::Refuse => Err(Error::new(
                    ErrorCode::ConfigInvalid,
                    format!(
                        "the host key {} is missing, and there are databases that need it",
                        path.display()
                    ),
                )
                .with_hint(
                    "put the file back from your backup, or pass the systemd credential tenantry-host-key",
                )),
            },
            Err(error) => Err(unreadable(&path, error)),
        }
    }

    /// A new data key for a tenant, and its wrapped form for the tenant's file.
    pub fn fresh_data_key(&self, tenant: TenantId) -> Result<(DataKey, Sealed)> {
        let data_key = DataKey::new(Key::generate()?);
        let wrapped = self.wrap(tenant, &data_key)?;
        Ok((data_key, wrapped))
    }

    /// Wraps a tenant's data key, also for another host's key when a tenant moves.
    pub fn wrap(&self, tenant: TenantId, data_key: &DataKey) -> Result<Sealed> {
        self.key.seal(&Purpose::DataKey { tenant }, data_key.key().expose())
    }

    /// Unwraps a tenant's data key.
    pub fn unwrap(&self, tenant: TenantId, wrapped: &Sealed) -> Result<DataKey> {
        let plain = self.key.open(&Purpose::DataKey { tenant }, wrapped)?;
        let bytes = plain.expose().try_into().map_err(|_| Error::internal("a data key has not 32 bytes"))?;
        Ok(DataKey::new(Key::new(Zeroizing::new(bytes))))
    }

    /// Seals something of the host's, such as a signing key.
    pub fn seal(&self, name: &str, value: &SecretValue) -> Result<Sealed> {
        self.key.seal(&Purpose::Host { name }, value.expose())
    }

    /// Opens something of the host's.
    pub fn open_sealed(&self, name: &str, sealed: &Sealed) -> Result<SecretValue> {
        self.key.open(&Purpose::Host { name }, sealed)
    }

    fn read(path: &Path, file: &File) -> Result<Self> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LIMIT as usize + 1));
        file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
        let key = parse(&bytes).ok_or_else(|| {
            let detail = format!("{} holds no host key", path.display());
            Error::new(ErrorCode::ConfigInvalid, detail)
                .with_hint("a host key is 32 bytes, raw or as 64 hexadecimal digits")
        })?;
        Ok(Self { key: Key::new(key) })
    }

    /// Writes a new key beside its place, makes it durable, and then gives it its name, so that a crash leaves
    /// either no key or a whole one, and an existing one is never replaced.
    fn create(path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| {
            let detail = format!("make the host key {}: {error}", path.display());
            Error::new(ErrorCode::StoreReadOnly, detail).with_source(error)
        };
        let key = Key::generate()?;
        let beside = beside(path);
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
        let digits = Zeroizing::new(hex(key.expose()));
        file.write_all(digits.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        renameat_with(CWD, &beside, CWD, path, RenameFlags::NOREPLACE)
            .map_err(|error| failed(error.into()))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(Self { key })
    }
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("key.new")
}

/// Refuses a file that others could have read or replaced.
fn check_private(path: &Path, file: &File) -> Result<()> {
    let about = file.metadata().map_err(|error| unreadable(path, error))?;
    let own_uid = rustix::process::geteuid().as_raw();
    let wrong = if !about.is_file() {
        "is not a regular file"
    } else if about.uid() != own_uid {
        "belongs to another user"
    } else if about.mode() & 0o077 != 0 {
        "is open to other users"
    } else {
        return Ok(());
    };
    let detail = format!("the host key {} {wrong}", path.display());
    Err(Error::new(ErrorCode::ConfigInvalid, detail)
        .with_hint(format!("give it to the daemon's user alone: chown, then `chmod 600 {}`", path.display())))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let detail = format!("read the host key {}: {error}", path.display());
    Error::new(ErrorCode::ConfigInvalid, detail).with_source(error)
}

/// 32 raw bytes, or 64 hexadecimal digits and perhaps a line end.
fn parse(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    if let Ok(raw) = <[u8; 32]>::try_from(bytes) {
        return Some(Zeroizing::new(raw));
    }
    let digits = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let digits = digits.strip_suffix(b"\r").unwrap_or(digits);
    let mut key = Zeroizing::new([0; 32]);
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        *byte = (high? << 4 | low?) as u8;
    }
    Some(key)
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or_default());
    digits.chain(['\n']).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct House {
        folder: tempfile::TempDir,
    }

    impl House {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().expect("a folder") }
        }

        fn folders(&self) -> Folders {
            let data = self.folder.path().to_owned();
            Folders {
                config_file: data.join("tenantry.toml"),
                runtime: data.join("runtime"),
                socket: data.join("api.sock"),
                credentials: Some(data.join("credentials")),
                data,
            }
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join(FILE)
        }

        fn open(&self, absent: Absent) -> Result<HostKey> {
            HostKey::open(&self.folders(), absent)
        }
    }

    fn refusal(opened: Result<HostKey>) -> String {
        opened.err().expect("it is refused").detail().to_owned()
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let house = House::new();
        let first = house.open(Absent::Create).expect("it is made");
        assert_eq!(std::fs::metadata(house.file()).expect("a file").mode() & 0o777, 0o600);
        assert!(!beside(&house.file()).exists());
        let second = house.open(Absent::Refuse).expect("it is found");
        assert_eq!(first.key.expose(), second.key.expose());
        let third = house.open(Absent::Create).expect("it is found");
        assert_eq!(first.key.expose(), third.key.expose());
    }

    #[test]
    fn a_missing_key_is_not_replaced_where_databases_need_it() {
        let house = House::new();
        assert!(refusal(house.open(Absent::Refuse)).contains("is missing"));
        assert!(!house.file().exists());
    }

    #[test]
    fn a_leftover_of_a_crash_does_not_stop_the_next_start() {
        let house = House::new();
        std::fs::write(beside(&house.file()), "half").expect("a file");
        assert!(house.open(Absent::Create).is_ok());
    }

    #[test]
    fn looser_modes_links_and_other_content_are_refused() {
        let house = House::new();
        house.open(Absent::Create).expect("it is made");
        for mode in [0o640, 0o604, 0o660, 0o601] {
            std::fs::set_permissions(house.file(), PermissionsExt::from_mode(mode)).expect("own file");
            assert!(refusal(house.open(Absent::Create)).contains("open to other users"), "{mode:o}");
        }
        std::fs::set_permissions(house.file(), PermissionsExt::from_mode(0o600)).expect("own file");
        for content in ["", "short", &"g".repeat(64), &"0".repeat(63), &"0".repeat(200)] {
            std::fs::write(house.file(), content).expect("own file");
            assert!(refusal(house.open(Absent::Create)).contains("holds no host key"), "{content}");
        }
        let elsewhere = house.folder.path().join("elsewhere");
        std::fs::rename(house.file(), &elsewhere).expect("own file");
        std::os::unix::fs::symlink(&elsewhere, house.file()).expect("a link");
        assert!(house.open(Absent::Create).is_err());
    }

    #[test]
    fn the_credential_wins_over_the_file() {
        let house = House::new();
        house.open(Absent::Create).expect("it is made");
        let credentials = house.folder.path().join("credentials");
        std::fs::create_dir(&credentials).expect("a folder");
        std::fs::write(credentials.join(CREDENTIAL), [7; 32]).expect("a file");
        assert_eq!(house.open(Absent::Refuse).expect("it is found").key.expose(), &[7; 32]);
        std::fs::write(credentials.join(CREDENTIAL), format!("{}\n", "Ab".repeat(32))).expect("a file");
        assert_eq!(house.open(Absent::Refuse).expect("it is found").key.expose(), &[0xab; 32]);
    }

    #[test]
    fn a_data_key_unwraps_for_its_tenant_under_its_host_key_only() {
        let (here, there) = (House::new(), House::new());
        let host = here.open(Absent::Create).expect("it is made");
        let other = there.open(Absent::Create).expect("it is made");
        let (tenant, foreign) = (TenantId::new(1), TenantId::new(2));
        let (data_key, wrapped) = host.fresh_data_key(tenant).expect("random bytes");
        let again = host.unwrap(tenant, &wrapped).expect("it unwraps");
        assert_eq!(data_key.key().expose(), again.key().expose());
        assert!(host.unwrap(foreign, &wrapped).is_err());
        assert!(other.unwrap(tenant, &wrapped).is_err());
        let moved = other.wrap(tenant, &again).expect("it is wrapped");
        assert_eq!(other.unwrap(tenant, &moved).expect("it unwraps").key().expose(), data_key.key().expose());
    }

    #[test]
    fn what_is_sealed_for_the_host_opens_under_its_name() {
        let house = House::new();
        let host = house.open(Absent::Create).expect("it is made");
        let sealed = host.seal("signing-key", &SecretValue::new(vec![1, 2, 3])).expect("it is sealed");
        assert!(host.open_sealed("signing-key", &sealed).is_ok_and(|v| v.expose() == [1, 2, 3]));
        assert!(host.open_sealed("other", &sealed).is_err());
    }
}
