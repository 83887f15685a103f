//! The file tree that calls see, built from nothing: the system's programs and libraries, a few devices, the scratch
//! folder at its own path. What is not put in does not exist, sockets and databases least of all.

use std::fs::{self, DirBuilder, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change, mount_remount,
    move_mount, open_tree,
};

use super::{Step as _, StepError};
use crate::plan::{Level, Plan};

/// The system's own. What a machine does not have is left out.
pub(crate) const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"];
/// The devices a program may count on.
pub(crate) const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// Where names are looked up; often a link out of /etc.
pub(crate) const RESOLVER: &str = "/etc/resolv.conf";
/// Size of the tree itself, which holds mount points only. Bytes, as tmpfs takes them.
const TREE_OPTIONS: &std::ffi::CStr = c"mode=0755,size=1048576";

/// Builds the tree over the scratch root, which is free to serve as a mount point, and returns its root.
pub(crate) fn build(plan: &Plan) -> Result<PathBuf, StepError> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .step("keep mounts to myself")?;
    let scratch = copy_of(&plan.scratch_root)?;
    let mut parts = Vec::new();
    for path in sources(plan) {
        parts.push((path.clone(), Part::of(&path)?));
    }
    let root = plan.scratch_root.clone();
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", &root, "tmpfs", plain, TREE_OPTIONS).step("mount an empty file tree")?;
    for (path, part) in parts {
        part.put(&root, &path)?;
    }
    for path in &plan.hide {
        cover(&root, path)?;
    }
    for (link, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]
    {
        symlink(target, root.join("dev").join(link)).step("make the links in /dev")?;
    }
    for folder in ["proc", "tmp"] {
        make_folders(&root.join(folder))?;
    }
    if plan.level == Level::OwnFiles {
        attach(&copy_of(Path::new("/proc"))?, &root.join("proc"))?;
    }
    let place = inside(&root, &plan.scratch_root);
    make_folders(&place)?;
    attach(&scratch, &place)?;
    let sealed = plain | MountFlags::RDONLY | MountFlags::BIND;
    mount_remount(&root, sealed, "").step("seal the file tree")?;
    Ok(root)
}

fn sources(plan: &Plan) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = SYSTEM.iter().chain(&DEVICES).map(PathBuf::from).collect();
    paths.extend(plan.expose.iter().cloned());
    if let Ok(target) = Path::new(RESOLVER).canonicalize()
        && !target.starts_with("/etc")
    {
        paths.push(target);
    }
    paths.retain(|path| path.symlink_metadata().is_ok());
    // A parent before what lies in it.
    paths.sort();
    paths.dedup();
    paths
}

/// One thing of the machine that calls may see.
enum Part {
    Link(PathBuf),
    Folder(OwnedFd),
    File(OwnedFd),
}

impl Part {
    fn of(path: &Path) -> Result<Self, StepError> {
        let kind = path.symlink_metadata().step(&format!("look at {}", path.display()))?.file_type();
        if kind.is_symlink() {
            let target = fs::read_link(path).step(&format!("read the link {}", path.display()))?;
            return Ok(Self::Link(target));
        }
        let copy = copy_of(path)?;
        Ok(if kind.is_dir() { Self::Folder(copy) } else { Self::File(copy) })
    }

    fn put(self, root: &Path, path: &Path) -> Result<(), StepError> {
        let place = inside(root, path);
        if place.symlink_metadata().is_ok() {
            // A parent of it was put in already.
            return Ok(());
        }
        if let Some(parent) = place.parent() {
            make_folders(parent)?;
        }
        match self {
            Self::Link(target) => symlink(target, &place).step("make a link"),
            Self::Folder(copy) => {
                make_folders(&place)?;
                attach(&copy, &place)
            }
            Self::File(copy) => {
                let mut options = OpenOptions::new();
                let made = options.write(true).create_new(true).mode(0o600).open(&place);
                drop(made.step("make a mount point")?);
                attach(&copy, &place)
            }
        }
    }
}

/// Puts something empty over what must not be seen, where the tree shows it at all.
fn cover(root: &Path, path: &Path) -> Result<(), StepError> {
    let place = inside(root, path);
    let Ok(found) = place.symlink_metadata() else { return Ok(()) };
    let step = format!("hide {}", path.display());
    if found.is_dir() {
        let plain = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("tmpfs", &place, "tmpfs", plain, TREE_OPTIONS).step(&step)
    } else {
        attach(&copy_of(Path::new("/dev/null"))?, &place)
    }
}

fn copy_of(path: &Path) -> Result<OwnedFd, StepError> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags).step(&format!("take {} along", path.display()))
}

fn attach(copy: &OwnedFd, place: &Path) -> Result<(), StepError> {
    move_mount(copy, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .step(&format!("mount {}", place.display()))
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn make_folders(path: &Path) -> Result<(), StepError> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).step(&format!("make {}", path.display()))
}
