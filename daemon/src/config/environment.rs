//! The variables of the process's environment that the daemon knows, read once.

use std::path::PathBuf;

/// What the environment says. Empty variables count as absent, as the XDG specification asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `TENANTRY_CONFIG`: the configuration file.
    pub config: Option<PathBuf>,
    /// `TENANTRY_DATA`: the data folder.
    pub data: Option<PathBuf>,
    /// `TENANTRY_RUNTIME_DIR`: the folder of the sockets.
    pub runtime: Option<PathBuf>,
    /// `TENANTRY_LOG`: a telemetry filter that replaces `[telemetry] level`.
    pub log: Option<String>,
    /// `STATE_DIRECTORY`, set by systemd.
    pub state_directory: Option<PathBuf>,
    /// `RUNTIME_DIRECTORY`, set by systemd.
    pub runtime_directory: Option<PathBuf>,
    /// `CONFIGURATION_DIRECTORY`, set by systemd.
    pub configuration_directory: Option<PathBuf>,
    /// `CREDENTIALS_DIRECTORY`, set by systemd.
    pub credentials_directory: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub xdg_state: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// Whether the process runs as root.
    pub root: bool,
}

impl Environment {
    /// Reads the variables of this process.
    pub fn of_process() -> Self {
        Self {
            config: path("TENANTRY_CONFIG"),
            data: path("TENANTRY_DATA"),
            runtime: path("TENANTRY_RUNTIME_DIR"),
            log: path("TENANTRY_LOG").and_then(|text| text.into_os_string().into_string().ok()),
            state_directory: first_path("STATE_DIRECTORY"),
            runtime_directory: first_path("RUNTIME_DIRECTORY"),
            configuration_directory: first_path("CONFIGURATION_DIRECTORY"),
            credentials_directory: path("CREDENTIALS_DIRECTORY"),
            xdg_state: path("XDG_STATE_HOME"),
            xdg_config: path("XDG_CONFIG_HOME"),
            xdg_runtime: path("XDG_RUNTIME_DIR"),
            home: path("HOME"),
            root: rustix::process::geteuid().is_root(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// systemd separates several folders by colons; the first is ours.
fn first_path(name: &str) -> Option<PathBuf> {
    let value = path(name)?;
    value.to_str().and_then(|text| text.split(':').next()).map(PathBuf::from)
}
