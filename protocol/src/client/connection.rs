//! One HTTP/1.1 connection over the unix socket.

use std::path::Path;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::{ANSWER_LIMIT, ClientError};
use crate::error::Problem;
use crate::path::Operation;

/// What one exchange sends.
pub(super) struct Call<'a> {
    pub(super) operation: Operation,
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a str,
    pub(super) body: Option<Vec<u8>>,
    pub(super) token: Option<&'a str>,
    pub(super) last_id: Option<&'a str>,
}

/// An open connection; its driver task ends with it.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    pub(super) async fn open(socket: &Path) -> Result<Self, ClientError> {
        let stream =
            UnixStream::connect(socket).await.map_err(|error| ClientError::connect(socket, &error))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        let driver = tokio::spawn(async move {
            // The exchange that is under way reports the same failure to its caller.
            drop(connection.await);
        });
        Ok(Self { sender, driver })
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a call and reads the whole answer.
    pub(super) async fn exchange(&mut self, call: &Call<'_>) -> Result<Vec<u8>, ClientError> {
        let body = self.start(call).await?;
        collect(body).await
    }

    /// Sends a call and returns the body of a successful answer.
    pub(super) async fn start(&mut self, call: &Call<'_>) -> Result<Incoming, ClientError> {
        let uri = format!("{}{}", call.operation.fill(call.path), call.query);
        let mut request = http::Request::builder()
            .method(call.operation.method().as_str())
            .uri(uri)
            .header(HOST, "tenantry");
        if let Some(token) = call.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(last_id) = call.last_id {
            request = request.header("last-event-id", last_id);
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(call.body.clone().unwrap_or_default()));
        let request = request.body(body).map_err(|error| ClientError::Protocol(error.to_string()))?;
        self.sender.ready().await.map_err(|error| broken(&error))?;
        let answer = self.sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        let bytes = collect(answer.into_body()).await?;
        Err(match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => ClientError::Problem(Box::new(problem)),
            Err(_) => ClientError::Protocol(format!("the daemon answered {status} without a problem body")),
        })
    }
}

async fn collect(body: Incoming) -> Result<Vec<u8>, ClientError> {
    let collected = Limited::new(body, ANSWER_LIMIT).collect().await;
    collected.map(|whole| whole.to_bytes().to_vec()).map_err(|error| ClientError::Broken(error.to_string()))
}

pub(super) fn broken(error: &hyper::Error) -> ClientError {
    ClientError::Broken(error.to_string())
}
