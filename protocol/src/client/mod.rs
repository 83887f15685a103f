//! The one client of the local API, used by the command line, the dashboard and the tests.
//!
//! It speaks HTTP/1.1 over the unix socket, keeps one connection for calls and opens one more for each stream.
//! It never prints and never decides what a failure means for the user: see [`ClientError::code`].
//! Go next to [`stream`] for server-sent events.

mod connection;
mod failure;
pub mod stream;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::error::ErrorCode;
use crate::path::Operation;
use crate::principal::{LoggedIn, Login};
use connection::{Call, Connection};
pub use failure::ClientError;

/// How long a call may take, from connecting to the last byte of the answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that a call takes, in bytes. Streams are bounded by line instead.
pub const ANSWER_LIMIT: usize = 64 << 20;

/// How the client gets a new token when it has none or the old one has expired.
#[derive(Clone)]
pub enum Renewal {
    /// It does not: the caller deals with `auth-required`.
    None,
    /// By the socket's peer credentials.
    Peer,
    /// By an API key.
    Key(String),
    /// By the refresh token of the last login.
    Refresh(String),
}

/// What the client holds between calls.
struct State {
    token: Option<String>,
    renewal: Renewal,
    connection: Option<Connection>,
}

/// A client of one daemon. Cheap to clone; clones share connection and token.
#[derive(Clone)]
pub struct Client {
    socket: Arc<Path>,
    timeout: Duration,
    state: Arc<Mutex<State>>,
}

impl Client {
    /// A client of the daemon on this socket. Nothing is connected before the first call.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        let state = State { token: None, renewal: Renewal::None, connection: None };
        Self { socket: socket.into().into(), timeout: CALL_TIMEOUT, state: Arc::new(Mutex::new(state)) }
    }

    /// The same with another limit for calls.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The socket it speaks to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Sets the token for the calls to come.
    pub async fn set_token(&self, token: Option<String>) {
        self.state.lock().await.token = token;
    }

    /// Sets how an expired token is replaced.
    pub async fn set_renewal(&self, renewal: Renewal) {
        self.state.lock().await.renewal = renewal;
    }

    /// Logs in and keeps the token. A login by peer or key is repeated by itself when the token expires.
    pub async fn login(&self, login: &Login) -> Result<LoggedIn, ClientError> {
        let body = encode_body(Some(login))?;
        let answer: LoggedIn = decode(&self.exchange(Operation::Login, &[], "", body, None).await?)?;
        let mut state = self.state.lock().await;
        state.token = Some(answer.token.clone());
        state.renewal = match login {
            Login::Peer => Renewal::Peer,
            Login::Key { key, .. } => Renewal::Key(key.clone()),
            Login::Refresh { .. } => Renewal::Refresh(answer.refresh_token.clone()),
        };
        Ok(answer)
    }

    /// Calls an operation that takes a query and no body.
    pub async fn get<T: DeserializeOwned>(
        &self,
        operation: Operation,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<T, ClientError> {
        decode(&self.call(operation, path, &encode_query(query)?, None).await?)
    }

    /// Calls an operation that takes a body. `()` sends none, and stands for an answer without content.
    pub async fn send<T: DeserializeOwned>(
        &self,
        operation: Operation,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        decode(&self.call(operation, path, "", encode_body(Some(body))?).await?)
    }

    /// Calls an operation and returns the answer's bytes as they came.
    pub async fn bytes(
        &self,
        operation: Operation,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<Vec<u8>, ClientError> {
        self.call(operation, path, &encode_query(query)?, None).await
    }

    /// Follows an operation that answers with server-sent events, from the start or after `last_id`.
    pub async fn stream(
        &self,
        operation: Operation,
        path: &[&str],
        query: &impl Serialize,
        last_id: Option<&str>,
    ) -> Result<stream::Stream, ClientError> {
        let query = encode_query(query)?;
        let token = self.token().await?;
        match self.open_stream(operation, path, &query, token, last_id).await {
            Err(error) if error.code() == ErrorCode::TokenExpired => {
                let token = self.renew().await?;
                self.open_stream(operation, path, &query, token, last_id).await
            }
            other => other,
        }
    }

    async fn open_stream(
        &self,
        operation: Operation,
        path: &[&str],
        query: &str,
        token: Option<String>,
        last_id: Option<&str>,
    ) -> Result<stream::Stream, ClientError> {
        let connect = async {
            let mut connection = Connection::open(&self.socket).await?;
            let call = Call { operation, path, query, body: None, token: token.as_deref(), last_id };
            let body = connection.start(&call).await?;
            Ok(stream::Stream::new(connection, body))
        };
        tokio::time::timeout(self.timeout, connect).await.map_err(|_| ClientError::Timeout(self.timeout))?
    }

    async fn call(
        &self,
        operation: Operation,
        path: &[&str],
        query: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, ClientError> {
        let token = self.token().await?;
        match self.exchange(operation, path, query, body.clone(), token).await {
            Err(error) if error.code() == ErrorCode::TokenExpired => {
                let token = self.renew().await?;
                self.exchange(operation, path, query, body, token).await
            }
            other => other,
        }
    }

    /// The token that calls carry; without one, a first login by the way that was set.
    async fn token(&self) -> Result<Option<String>, ClientError> {
        let held = self.state.lock().await.token.clone();
        match held {
            Some(token) => Ok(Some(token)),
            None => self.renew().await,
        }
    }

    async fn renew(&self) -> Result<Option<String>, ClientError> {
        let login = match self.state.lock().await.renewal.clone() {
            Renewal::None => return Ok(None),
            Renewal::Peer => Login::Peer,
            Renewal::Key(key) => Login::Key { key, scope: None },
            Renewal::Refresh(refresh_token) => Login::Refresh { refresh_token },
        };
        Ok(Some(Box::pin(self.login(&login)).await?.token))
    }

    async fn exchange(
        &self,
        operation: Operation,
        path: &[&str],
        query: &str,
        body: Option<Vec<u8>>,
        token: Option<String>,
    ) -> Result<Vec<u8>, ClientError> {
        let call = Call { operation, path, query, body, token: token.as_deref(), last_id: None };
        let exchange = async {
            // A connection is taken out for the time of the exchange: a cancelled call never leaves half an
            // answer behind for the next one.
            let kept = self.state.lock().await.connection.take();
            let mut connection = match kept {
                Some(connection) if connection.is_usable() => connection,
                _ => Connection::open(&self.socket).await?,
            };
            let answer = connection.exchange(&call).await;
            if answer.is_ok() || matches!(answer, Err(ClientError::Problem(_))) {
                self.state.lock().await.connection = Some(connection);
            }
            answer
        };
        tokio::time::timeout(self.timeout, exchange).await.map_err(|_| ClientError::Timeout(self.timeout))?
    }
}

/// A value as `key=value&…`; absent values are left out.
fn encode_query(query: &impl Serialize) -> Result<String, ClientError> {
    let value = serde_json::to_value(query).map_err(|error| ClientError::Protocol(error.to_string()))?;
    let mut text = String::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        let value = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(value) => value.clone(),
            other => other.to_string(),
        };
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(key);
        text.push('=');
        crate::path::encode_into(&mut text, &value);
    }
    Ok(text)
}

fn encode_body(body: Option<&impl Serialize>) -> Result<Option<Vec<u8>>, ClientError> {
    let encoded = body.map(serde_json::to_vec).transpose();
    let encoded = encoded.map_err(|error| ClientError::Protocol(error.to_string()))?;
    Ok(encoded.filter(|bytes| bytes != b"null"))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ClientError> {
    let bytes = if bytes.is_empty() { b"null" } else { bytes };
    serde_json::from_slice(bytes)
        .map_err(|error| ClientError::Protocol(format!("unexpected answer: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RunQuery;

    #[test]
    fn queries_leave_out_what_is_absent_and_escape_the_rest() {
        let query = RunQuery { workflow: Some("a&b".into()), limit: Some(5), ..RunQuery::default() };
        assert_eq!(encode_query(&query).ok().as_deref(), Some("?limit=5&workflow=a%26b"));
        assert_eq!(encode_query(&()).ok().as_deref(), Some(""));
    }
}
