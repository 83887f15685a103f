//! Reads a request's body, bounded in size and time.
//!
//! What must never happen here: more bytes in memory than the limit, a body that is waited for without an end.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use tenantry_protocol::error::ErrorCode;

use crate::clock::Clock;
use crate::error::Error;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than the limit, in bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It did not arrive in time.
    #[error("the body did not arrive within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The connection broke, or the body is not framed as it says.
    #[error("the body ended before it was complete")]
    Lost,
}

impl BodyError {
    /// The code it is answered with.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::TooLarge(_) => ErrorCode::BodyTooLarge,
            Self::Timeout(_) => ErrorCode::Timeout,
            Self::Lost => ErrorCode::BadRequest,
        }
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// Reads the body to its end, at most `limit` bytes and for at most `timeout`. A length that is too large is
/// refused before anything is read. A body that arrives in one piece is not copied.
pub async fn read_body<B>(body: B, limit: usize, timeout: Duration, clock: &Clock) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
{
    let hint = body.size_hint();
    if hint.lower() > limit as u64 {
        return Err(BodyError::TooLarge(limit));
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let collected = clock.timeout(timeout, collect(body, hint.lower() as usize, limit)).await;
    collected.unwrap_or(Err(BodyError::Timeout(timeout)))
}

async fn collect<B>(body: B, expected: usize, limit: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        // Trailers are read and dropped.
        let Ok(data) = frame.map_err(|_| BodyError::Lost)?.into_data() else { continue };
        if first.len() + all.len() + data.len() > limit {
            return Err(BodyError::TooLarge(limit));
        }
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.reserve(expected.max(first.len() + data.len()));
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}
