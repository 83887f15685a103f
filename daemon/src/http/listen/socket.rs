//! Where listeners come from: a socket file of our own, an address, or sockets that systemd has opened for us.
//!
//! What must never happen here: the removal of a socket on which somebody answers, or of a file that is no socket; a
//! socket that others can open before its mode is set.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::AddressFamily;
use rustix::net::sockopt::{socket_acceptconn, socket_domain};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tenantry_protocol::error::ErrorCode;
use tokio::net::{TcpListener, UnixListener};

use super::Listener;
use crate::error::{Error, Result};

/// The longest path of a socket file: `sun_path` of unix(7), less its end.
const MAX_SOCKET_PATH: usize = 107;

/// A socket file of ours; removed when dropped, unless it is somebody else's by then.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|file| identity(&file) == self.identity);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "socket file stays behind");
        }
    }
}

fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::PermissionDenied => ErrorCode::SocketForbidden,
        ErrorKind::AddrInUse => ErrorCode::Conflict,
        _ => ErrorCode::Internal,
    };
    Error::new(code, format!("{what} {}: {error}", path.display())).with_source(error)
}

/// Binds a socket file with `mode` (such as 0o660) in a folder that is made with `folder_mode` where it is missing.
/// A socket file on which nobody answers is replaced. Use it from inside of a tokio runtime.
pub fn bind_unix(path: &Path, mode: u32, folder_mode: u32) -> Result<(Listener, SocketFile)> {
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        let detail = format!("the socket path {} is longer than {MAX_SOCKET_PATH} bytes", path.display());
        return Err(Error::new(ErrorCode::ConfigInvalid, detail).with_hint("set a shorter `paths.socket`"));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder, folder_mode).map_err(|error| failed("make the folder", folder, error))?;
    }
    make_room(path)?;
    let listener = StdUnixListener::bind(path).map_err(|error| failed("bind the socket", path, error))?;
    let file = fs::symlink_metadata(path).map_err(|error| failed("look at the socket", path, error))?;
    let file = SocketFile { path: path.to_owned(), identity: identity(&file) };
    // Until here only the umask and the folder's mode protect it; nobody is accepted before this returns.
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|error| failed("set the mode of the socket", path, error))?;
    let listener = unix_listener(listener).map_err(|error| failed("listen on the socket", path, error))?;
    Ok((listener, file))
}

/// Makes the folder where it is missing; one that is there keeps its mode.
fn make_folder(folder: &Path, mode: u32) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(mode).create(folder)?;
    // The daemon's umask leaves nothing to the group, but the group is who the socket is for.
    fs::set_permissions(folder, Permissions::from_mode(mode))
}

/// Removes a socket file that a dead process has left behind.
fn make_room(path: &Path) -> Result<()> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at the socket", path, error)),
    };
    if !file.file_type().is_socket() {
        let detail = format!("{} exists and is not a socket", path.display());
        return Err(
            Error::new(ErrorCode::Conflict, detail).with_hint("move it away, or set another `paths.socket`")
        );
    }
    match UnixStream::connect(path) {
        Ok(_) => {
            let detail = format!("another process answers on {}", path.display());
            Err(Error::new(ErrorCode::Conflict, detail).with_hint("stop it, or use another runtime folder"))
        }
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| failed("remove the stale socket", path, error))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("ask who answers on", path, error)),
    }
}

fn unix_listener(listener: StdUnixListener) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener).map(Listener::Unix)
}

/// Listens on a network address. Port 0 takes a free one; [`TcpListener::local_addr`] tells which.
pub async fn bind_tcp(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let code = match error.kind() {
            ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable | ErrorKind::PermissionDenied => {
                ErrorCode::Conflict
            }
            _ => ErrorCode::Internal,
        };
        let hint = "another process listens there, or the address is not this machine's";
        Error::new(code, format!("listen on {address}: {error}")).with_hint(hint).with_source(error)
    })
}

/// Listeners that systemd has opened and passed on (sd_listen_fds(3)), by the name of their unit's
/// `FileDescriptorName=`.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Those called `api`.
    pub api: Vec<Listener>,
    /// Those called `ingress`.
    pub ingress: Vec<Listener>,
}

/// Takes the listeners that were passed to this process; none is not an error. Call it once, from inside of a tokio
/// runtime. Needs the system call `pidfd_getfd`, by which a number becomes an owned descriptor.
pub fn inherited() -> Result<Inherited> {
    let wrong = |what: &str, error: io::Error| {
        Error::new(ErrorCode::ConfigInvalid, format!("{what}: {error}"))
            .with_hint("check the socket units: FileDescriptorName=api or ingress, Accept=no")
            .with_source(error)
    };
    let mut found = Inherited::default();
    let passed =
        sd_notify::listen_fds_with_names().map_err(|error| wrong("read the passed sockets", error))?;
    for (number, name) in passed {
        let place = match name.as_str() {
            "api" => &mut found.api,
            "ingress" => &mut found.ingress,
            _ => {
                tracing::warn!(name, "passed socket has no use here");
                continue;
            }
        };
        let listener = own(number).and_then(listener_of);
        place.push(listener.map_err(|error| wrong(&format!("take the passed socket {name}"), error))?);
    }
    Ok(found)
}

/// A second descriptor of the same open socket, which is ours to close.
pub(super) fn own(number: i32) -> io::Result<OwnedFd> {
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(this, number, PidfdGetfdFlags::empty())?)
}

pub(super) fn listener_of(socket: OwnedFd) -> io::Result<Listener> {
    if !socket_acceptconn(socket.as_fd())? {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it does not listen"));
    }
    match socket_domain(socket.as_fd())? {
        AddressFamily::UNIX => unix_listener(socket.into()),
        AddressFamily::INET | AddressFamily::INET6 => {
            let listener = std::net::TcpListener::from(socket);
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener).map(Listener::Tcp)
        }
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "it is neither a unix nor an internet socket")),
    }
}
