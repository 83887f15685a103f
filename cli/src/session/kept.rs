//! What a login leaves on disk: one file a socket, readable by its owner only.
//!
//! It holds the key that was given to `tenantry login` (a login by peer credentials has none) and the newest token,
//! so that not every invocation has to log in. **Invariant:** a file that others may read is refused, not repaired:
//! what was exposed has to be looked at by a person.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Local};

/// The largest login file that is read, in bytes.
const FILE_LIMIT: u64 = 64 << 10;

/// A login.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Kept {
    /// The socket that it is for.
    pub(super) socket: PathBuf,
    /// The API key; absent for peer credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    /// The newest token.
    pub(super) token: String,
    /// When the token expires; unix milliseconds.
    pub(super) expires_at: i64,
    /// The tenant that the principal is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<String>,
    /// Whether it comes from this invocation.
    #[serde(skip)]
    pub(super) fresh: bool,
}

impl Kept {
    /// What was kept for a socket, if anything.
    pub(super) fn read(folder: &Path, socket: &Path) -> Result<Option<Self>, Failure> {
        let path = file(folder, socket);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file("read", &path, &error)),
        };
        let own = metadata.uid() == rustix::process::geteuid().as_raw();
        if !metadata.is_file() || !own || metadata.mode() & 0o077 != 0 {
            let message = format!("{} is not a file that only you can read", path.display());
            return Err(Failure::local(Local::LoginExposed, message));
        }
        if metadata.len() > FILE_LIMIT {
            return Ok(None);
        }
        let text = fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
        // What another release wrote is as good as nothing: the login is then made anew.
        Ok(serde_json::from_slice::<Self>(&text).ok().filter(|kept| kept.socket == socket))
    }

    /// Keeps it. A reader sees the old file or the new one, never half of it.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let path = file(folder, &self.socket);
        let write = || -> io::Result<()> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let mut file = tempfile::Builder::new().prefix(".login").tempfile_in(folder)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| Failure::file("write", &path, &error))
    }

    /// Forgets it.
    pub(super) fn remove(folder: &Path, socket: &Path) -> Result<(), Failure> {
        let path = file(folder, socket);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::file("remove", &path, &error))
            }
            _ => Ok(()),
        }
    }
}

fn file(folder: &Path, socket: &Path) -> PathBuf {
    use std::fmt::Write as _;
    let hash = digest(&SHA256, socket.as_os_str().as_encoded_bytes());
    let mut name = String::from("login-");
    for byte in &hash.as_ref()[..8] {
        write!(name, "{byte:02x}").ok();
    }
    folder.join(name + ".json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn kept(socket: &str) -> Kept {
        Kept {
            socket: socket.into(),
            key: Some("tnk_x".to_owned()),
            token: "t".to_owned(),
            expires_at: 5,
            tenant: Some("acme".to_owned()),
            fresh: true,
        }
    }

    #[test]
    fn what_is_kept_is_private_and_comes_back_for_its_socket_only() {
        let folder = tempfile::tempdir().unwrap();
        let logins = folder.path().join("a/logins");
        kept("/run/a.sock").write(&logins).unwrap();
        let path = file(&logins, Path::new("/run/a.sock"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&logins).unwrap().mode() & 0o777, 0o700);
        let back = Kept::read(&logins, Path::new("/run/a.sock")).unwrap().unwrap();
        assert_eq!((back.key.as_deref(), back.fresh), (Some("tnk_x"), false));
        assert!(Kept::read(&logins, Path::new("/run/b.sock")).unwrap().is_none());
        Kept::remove(&logins, Path::new("/run/a.sock")).unwrap();
        assert!(Kept::read(&logins, Path::new("/run/a.sock")).unwrap().is_none());
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let socket = Path::new("/run/a.sock");
        kept("/run/a.sock").write(folder.path()).unwrap();
        let path = file(folder.path(), socket);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let Err(failure) = Kept::read(folder.path(), socket) else { panic!("it was read") };
        assert!(failure.message.contains("only you"));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(Kept::read(folder.path(), socket).is_err(), "a link is not followed");
    }

    #[test]
    fn what_another_release_wrote_is_as_good_as_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let socket = Path::new("/run/a.sock");
        kept("/run/a.sock").write(folder.path()).unwrap();
        fs::write(file(folder.path(), socket), "{\"format\": 2}").unwrap();
        assert!(Kept::read(folder.path(), socket).unwrap().is_none());
    }
}
