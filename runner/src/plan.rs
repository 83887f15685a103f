//! What the outermost process decided, handed to the one inside.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tenantry_protocol::runner::{Missing, Sandbox};

/// How far the runner can be taken apart from the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// A file tree and a process tree of its own.
    Apart,
    /// A file tree of its own; the machine's processes stay visible to the kernel's usual checks.
    OwnFiles,
    /// The machine's files and processes; only the walls of each call stand.
    #[default]
    Open,
}

/// Where the process inside works, and what was put in force before it began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The folder of the calls' folders, canonical.
    pub scratch_root: PathBuf,
    /// What calls must not see, as far as it exists.
    pub hide: Vec<PathBuf>,
    /// What calls may read beside the system's own.
    pub expose: Vec<PathBuf>,
    /// The level that this machine allows.
    pub level: Level,
    /// Why better levels were not possible.
    pub missing: Vec<Missing>,
}

impl Plan {
    /// The measures that this level brings, before any call adds its own.
    pub fn sandbox(&self) -> Sandbox {
        let mut names = Vec::new();
        if self.level != Level::Open {
            names.extend(["mount-namespace", "own-file-tree", "ipc-namespace"]);
        }
        if self.level == Level::Apart {
            names.push("pid-namespace");
        }
        let in_force = names.into_iter().map(str::to_owned).collect();
        Sandbox { landlock_abi: 0, in_force, missing: self.missing.clone() }
    }
}
