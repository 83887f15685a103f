//! Why a call did not give an answer.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{ErrorCode, Problem};

/// Why a call did not give an answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The daemon answered that it cannot.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// Nothing answers on the socket.
    #[error("no daemon answers on {}", .0.display())]
    Unreachable(PathBuf),
    /// The socket is there, but this user may not open it.
    #[error("this user may not open {}", .0.display())]
    Forbidden(PathBuf),
    /// The connection broke before the answer was complete. What was asked may have happened or not.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer did not come in time. What was asked may have happened or not.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// What came is not what this release understands.
    #[error("{0}")]
    Protocol(String),
}

impl ClientError {
    /// The code under which it is explained and which decides the exit code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Problem(problem) => problem.code,
            Self::Unreachable(_) | Self::Broken(_) => ErrorCode::DaemonUnreachable,
            Self::Forbidden(_) => ErrorCode::SocketForbidden,
            Self::Timeout(_) => ErrorCode::Timeout,
            Self::Protocol(_) => ErrorCode::VersionMismatch,
        }
    }

    /// What connecting to a socket failed with.
    pub(super) fn connect(socket: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Forbidden(socket.to_owned()),
            _ => Self::Unreachable(socket.to_owned()),
        }
    }
}
