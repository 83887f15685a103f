//! Scratch folders: made empty before a call, removed after it, whatever the call put there.
//!
//! **Invariant:** a folder is removed only when every process of its call is dead, so nothing moves under the
//! removal; and a link is removed, never followed.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A call's folder.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes it. An existing one is an error: it would be another call's.
    pub(super) fn make(root: &Path, name: &str) -> io::Result<Self> {
        let path = root.join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all there is in it. Blocks for as long as the disk takes.
    pub(super) fn remove(&self) -> io::Result<()> {
        if fs::remove_dir(&self.path).is_ok() {
            return Ok(());
        }
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                open_up(&self.path)?;
                fs::remove_dir_all(&self.path)
            }
            other => other,
        }
    }
}

/// Gives this user every right on every folder below; a call may have taken them away.
fn open_up(folder: &Path) -> io::Result<()> {
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_all_that_is_in_it_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = root.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "1").unwrap();
        let folder = Folder::make(root.path(), "call").unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::os::unix::fs::symlink(&outside, folder.path().join("a/link")).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("root")).unwrap();
        fs::set_permissions(folder.path().join("a"), Permissions::from_mode(0o000)).unwrap();
        open_up(folder.path()).unwrap();
        folder.remove().unwrap();
        assert!(!folder.path().exists());
        assert!(outside.join("kept").exists());
    }

    #[test]
    fn a_folder_is_never_shared() {
        let root = tempfile::tempdir().unwrap();
        let _first = Folder::make(root.path(), "call").unwrap();
        assert!(Folder::make(root.path(), "call").is_err());
        let mode = fs::metadata(root.path().join("call")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
