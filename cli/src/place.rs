//! Where the client finds things on this machine: the socket, the state folder. The only room of the client that
//! reads the environment (besides the flags that clap reads).

use std::path::{Path, PathBuf};

/// The socket of a daemon that runs as a system service.
const SYSTEM_SOCKET: &str = "/run/tenantry/api.sock";

/// The folders of this user (XDG Base Directory Specification 0.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `$XDG_STATE_HOME/tenantry`: the data of the user's own daemon and what the client keeps.
    pub(crate) state: PathBuf,
    /// `$XDG_RUNTIME_DIR/tenantry`, where the session has such a folder.
    pub(crate) runtime: Option<PathBuf>,
}

impl Place {
    /// Reads the environment of this process.
    pub(crate) fn of_process() -> Self {
        Self::find(folder("XDG_STATE_HOME"), folder("XDG_RUNTIME_DIR"), folder("HOME"))
    }

    fn find(state: Option<PathBuf>, runtime: Option<PathBuf>, home: Option<PathBuf>) -> Self {
        let home = home.unwrap_or_else(|| PathBuf::from("/"));
        let state = state.unwrap_or_else(|| home.join(".local/state")).join("tenantry");
        Self { state, runtime: runtime.map(|runtime| runtime.join("tenantry")) }
    }

    /// The socket of the user's own daemon. Without a runtime folder of the session it lies beside the data.
    pub(crate) fn own_socket(&self) -> PathBuf {
        self.runtime.clone().unwrap_or_else(|| self.state.join("runtime")).join("api.sock")
    }

    /// The socket to speak to when nobody named one: the user's own daemon if it has made one, else that of the
    /// system service if there is one, else where the user's own would be.
    pub(crate) fn usual_socket(&self) -> PathBuf {
        let own = self.own_socket();
        let system = Path::new(SYSTEM_SOCKET);
        if !is_there(&own) && is_there(system) { system.to_owned() } else { own }
    }

    /// Where the client keeps its logins.
    pub(crate) fn logins(&self) -> PathBuf {
        self.state.join("logins")
    }

    #[cfg(feature = "server")]
    /// Where a daemon that was started by `tenantry up` writes its telemetry.
    pub(crate) fn telemetry(&self) -> PathBuf {
        self.state.join("daemon.log")
    }
}

/// Whether something is there, or might be behind a folder that this user may not search.
fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

fn folder(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A variable of the environment as text; empty counts as absent.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_folders_follow_the_specification() {
        let path = |text: &str| Some(PathBuf::from(text));
        let full = Place::find(path("/s"), path("/run/user/1"), path("/home/me"));
        assert_eq!(full.state, Path::new("/s/tenantry"));
        assert_eq!(full.own_socket(), Path::new("/run/user/1/tenantry/api.sock"));
        let bare = Place::find(None, None, path("/home/me"));
        assert_eq!(bare.state, Path::new("/home/me/.local/state/tenantry"));
        assert_eq!(bare.own_socket(), Path::new("/home/me/.local/state/tenantry/runtime/api.sock"));
    }

    #[test]
    fn the_users_own_daemon_comes_before_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { state: folder.path().to_owned(), runtime: None };
        std::fs::create_dir(folder.path().join("runtime")).unwrap();
        std::fs::write(place.own_socket(), "").unwrap();
        assert_eq!(place.usual_socket(), place.own_socket());
    }
}
