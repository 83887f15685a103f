//! Why a request did not get its answer, as a closed list that retry policies and callers read.
//!
//! What must never happen here: a header, a body, a query or credentials in a message. An address is named by its
//! host only, because paths and queries carry secrets.

use std::fmt;

use tenantry_protocol::error::ErrorCode;
use tenantry_workflow::retry::FailureClass;

use crate::error::Error;

/// Why a request did not get its answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The guard does not let the request out.
    #[error("{host} may not be reached: it is {why}")]
    Denied {
        /// Whom the address names.
        host: String,
        /// What the address is.
        why: &'static str,
    },
    /// The name has no address.
    #[error("the name {host} could not be resolved: {why}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// No connection came about.
    #[error("no connection to {host}: {why}")]
    Connect {
        /// Whom the address names.
        host: String,
        /// What the operating system said.
        why: String,
    },
    /// The connection is not trusted: certificate or handshake.
    #[error("no trusted connection to {host}: {why}")]
    Tls {
        /// Whom the address names.
        host: String,
        /// What the handshake failed by.
        why: String,
    },
    /// The connection broke before the answer was complete.
    #[error("the connection to {host} was lost: {why}")]
    Lost {
        /// Whom the address names.
        host: String,
        /// How it broke.
        why: String,
    },
    /// The answer was not complete in time.
    #[error("{host} did not answer within {after_ms} ms")]
    Timeout {
        /// Whom the address names.
        host: String,
        /// The time given, in milliseconds.
        after_ms: u64,
    },
    /// The answer is larger than the limit.
    #[error("the answer of {host} is larger than {limit} bytes")]
    TooLarge {
        /// Whom the address names.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is not HTTP/1.1, or not an answer to this request.
    #[error("the answer of {host} is not understood: {why}")]
    Protocol {
        /// Whom the address names.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// The address of the request cannot be used.
    #[error("the address {url} cannot be used: {why}")]
    BadUrl {
        /// The address without path and query.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The request holds a header or a method that is not the sender's to choose.
    #[error("the request cannot be sent: {why}")]
    BadRequest {
        /// What is wrong with it.
        why: String,
    },
}

impl EgressError {
    pub(super) fn bad_url(text: &str, why: impl fmt::Display) -> Self {
        let shown = url::Url::parse(text).map(|url| {
            let host: String = url.host_str().unwrap_or_default().chars().take(100).collect();
            format!("{}://{host}/…", url.scheme())
        });
        Self::BadUrl { url: shown.unwrap_or_else(|_| "given".to_owned()), why: why.to_string() }
    }

    /// The code it is answered with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Denied { .. } => ErrorCode::EgressDenied,
            Self::Timeout { .. } => ErrorCode::ActionTimeout,
            Self::BadUrl { .. } | Self::BadRequest { .. } => ErrorCode::InvalidInput,
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Lost { .. }
            | Self::TooLarge { .. }
            | Self::Protocol { .. } => ErrorCode::ActionFailed,
        }
    }

    /// The kind of failure that retry policies decide by. Only what cannot fare better later is permanent; an
    /// answer that is not understood may come from something half broken in between.
    pub const fn failure(&self) -> FailureClass {
        match self {
            Self::Timeout { .. } => FailureClass::Timeout,
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Lost { .. }
            | Self::Protocol { .. } => FailureClass::Connect,
            Self::Denied { .. } | Self::TooLarge { .. } | Self::BadUrl { .. } | Self::BadRequest { .. } => {
                FailureClass::Permanent
            }
        }
    }

    /// Whether the same request may fare better later.
    pub const fn is_transient(&self) -> bool {
        !matches!(self.failure(), FailureClass::Permanent)
    }
}

impl From<EgressError> for Error {
    fn from(error: EgressError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
