//! Who is at the other end of the local socket, as the kernel says it.
//!
//! The credentials are those of the process that connected; a descriptor that is handed on keeps them. So they
//! open exactly one door, the login without a key, and every request after that shows a token.

use std::os::fd::AsFd;

use crate::error::{Error, Result};

/// The process that connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its effective user id at the time of the connection.
    pub uid: u32,
    /// Its process id at the time of the connection; for the audit record only, since it may be reused.
    pub pid: i32,
}

/// Reads the peer's credentials (`SO_PEERCRED`) of a connected unix socket.
pub fn of_socket(socket: impl AsFd) -> Result<Peer> {
    let credentials = rustix::net::sockopt::socket_peercred(socket)
        .map_err(|error| Error::internal("read the peer's credentials").with_source(error))?;
    Ok(Peer { uid: credentials.uid.as_raw(), pid: credentials.pid.as_raw_nonzero().get() })
}

/// Whether the peer may log in as host admin without a key: the daemon's own user, or root.
pub const fn is_host(peer: Peer, own_uid: u32) -> bool {
    peer.uid == own_uid || peer.uid == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_names_this_process() {
        let (left, _right) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let peer = of_socket(&left).expect("credentials");
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        assert_eq!(peer.pid.cast_unsigned(), std::process::id());
    }

    #[test]
    fn only_the_own_user_and_root_are_the_host() {
        let peer = |uid| Peer { uid, pid: 1 };
        assert!(is_host(peer(990), 990));
        assert!(is_host(peer(0), 990));
        assert!(!is_host(peer(1000), 990));
        // Inside of a user namespace a foreign user shows as the overflow uid.
        assert!(!is_host(peer(65_534), 990));
    }
}
