//! What Landlock lets through: for a script the system's programs to read and its own folder to write, for a jq worker
//! nothing at all.
//!
//! The kernel's newest rights are asked for and older kernels give what they have; without Landlock nothing is
//! executed. Scopes keep a call from signalling processes, and from abstract sockets, outside of itself.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope,
};

use super::view;

/// The newest version this program knows how to use.
const NEWEST: ABI = ABI::V10;
/// The oldest version with which a script is executed: files are walled off (Linux 5.13).
const MINIMUM: ABI = ABI::V1;

/// What programs read outside of their own folders. Not here: anything with passwords, keys or other users' data.
const ETC: [&str; 32] = [
    "/etc/alternatives",
    "/etc/bash.bashrc",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/inputrc",
    "/etc/issue",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/lsb-release",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/python3",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/etc/timezone",
];
/// What remains readable of /proc where it shows the machine's processes.
const PROC_WITHOUT_PROCESSES: [&str; 7] = [
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/version",
];

/// Why the wall does not stand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WallError {
    /// The kernel has no Landlock, or it is switched off.
    #[error("the kernel does not enforce Landlock; boot with `lsm=landlock,…`, or use Linux 5.13 or newer")]
    Absent,
    /// A step failed.
    #[error("cannot build the Landlock rules: {0}")]
    Rules(#[from] RulesetError),
}

/// The part of the wall that is the same for every script; building it early saves time later.
pub(crate) fn for_scripts(
    expose: &[std::path::PathBuf],
    own_processes: bool,
) -> Result<RulesetCreated, WallError> {
    let read = AccessFs::from_read(NEWEST);
    let execute_only = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
    let mut rules = start()?.create()?;
    for path in view::SYSTEM.iter().filter(|path| **path != "/etc") {
        rules = allow(rules, Path::new(path), execute_only)?;
    }
    for path in expose {
        rules = allow(rules, path, execute_only)?;
    }
    for path in ETC {
        rules = allow(rules, Path::new(path), AccessFs::ReadFile | AccessFs::ReadDir)?;
    }
    for path in view::DEVICES {
        rules = allow(rules, Path::new(path), AccessFs::ReadFile | AccessFs::WriteFile)?;
    }
    if own_processes {
        rules = allow(rules, Path::new("/proc"), read & !AccessFs::Execute)?;
    } else {
        for path in PROC_WITHOUT_PROCESSES {
            rules = allow(rules, Path::new(path), AccessFs::ReadFile.into())?;
        }
    }
    Ok(rules)
}

/// Adds the folders that belong to one call.
pub(crate) fn with_folder(rules: RulesetCreated, folder: &Path) -> Result<RulesetCreated, WallError> {
    let everything = AccessFs::from_all(NEWEST) & !AccessFs::MakeChar & !AccessFs::MakeBlock;
    allow(rules, folder, everything)
}

/// Puts the wall up around this process and all it starts. Returns the Landlock version in force.
pub(crate) fn close(rules: RulesetCreated) -> Result<u32, WallError> {
    let status = rules.restrict_self()?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Err(WallError::Absent),
        (_, LandlockStatus::Available { effective_abi, .. }) => Ok(effective_abi as u32),
        (_, _) => Err(WallError::Absent),
    }
}

/// A wall without any opening: no file, no network, no signal.
pub(crate) fn close_everything() -> Result<u32, WallError> {
    let rules = start()?.handle_access(AccessNet::from_all(NEWEST))?.create()?;
    close(rules)
}

fn start() -> Result<Ruleset, WallError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(MINIMUM))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    Ok(ruleset)
}

/// What does not exist needs no rule.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, WallError> {
    let Ok(place) = PathFd::new(path) else { return Ok(rules) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    Ok(rules.add_rule(PathBeneath::new(place, access))?)
}
