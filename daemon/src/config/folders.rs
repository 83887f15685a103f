//! Where files lie: as a system service under /var/lib, /run and /etc, as a user in the XDG folders.

use std::path::{Path, PathBuf};

use super::sections::Paths;
use super::{Environment, Overrides};

/// The folders and sockets of this daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The configuration file, whether it exists or not.
    pub config_file: PathBuf,
    /// Databases and blobs; mode 0700.
    pub data: PathBuf,
    /// Sockets; mode 0750.
    pub runtime: PathBuf,
    /// The socket of the local API.
    pub socket: PathBuf,
    /// Where systemd puts credentials, if it does.
    pub credentials: Option<PathBuf>,
}

impl Folders {
    /// Command line, then environment, then file, then systemd, then the usual place of this user.
    pub(super) fn find(
        paths: &Paths,
        environment: &Environment,
        overrides: &Overrides,
        config_file: &Path,
    ) -> Self {
        let data = overrides
            .data
            .clone()
            .or_else(|| environment.data.clone())
            .or_else(|| paths.data.clone())
            .or_else(|| environment.state_directory.clone())
            .unwrap_or_else(|| usual_data(environment));
        let runtime = overrides
            .runtime
            .clone()
            .or_else(|| environment.runtime.clone())
            .or_else(|| paths.runtime.clone())
            .or_else(|| environment.runtime_directory.clone())
            .unwrap_or_else(|| usual_runtime(environment, &data));
        let socket = paths.socket.clone().unwrap_or_else(|| runtime.join("api.sock"));
        Self {
            config_file: config_file.to_owned(),
            data,
            runtime,
            socket,
            credentials: environment.credentials_directory.clone(),
        }
    }
}

/// The configuration file, and whether somebody named it.
pub(super) fn config_file(environment: &Environment, overrides: &Overrides) -> (PathBuf, bool) {
    if let Some(path) = overrides.config.as_ref().or(environment.config.as_ref()) {
        return (path.clone(), true);
    }
    let folder = match (&environment.configuration_directory, environment.root, &environment.xdg_config) {
        (Some(folder), _, _) => folder.clone(),
        (None, true, _) => PathBuf::from("/etc/tenantry"),
        (None, false, Some(folder)) => folder.join("tenantry"),
        (None, false, None) => home(environment).join(".config/tenantry"),
    };
    (folder.join("tenantry.toml"), false)
}

fn usual_data(environment: &Environment) -> PathBuf {
    match &environment.xdg_state {
        _ if environment.root => PathBuf::from("/var/lib/tenantry"),
        Some(folder) => folder.join("tenantry"),
        None => home(environment).join(".local/state/tenantry"),
    }
}

/// Without a runtime folder of the session the sockets lie beside the data, which has the same owner.
fn usual_runtime(environment: &Environment, data: &Path) -> PathBuf {
    match &environment.xdg_runtime {
        _ if environment.root => PathBuf::from("/run/tenantry"),
        Some(folder) => folder.join("tenantry"),
        None => data.join("runtime"),
    }
}

fn home(environment: &Environment) -> PathBuf {
    environment.home.clone().unwrap_or_else(|| PathBuf::from("/"))
}
