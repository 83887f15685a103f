//! One invocation's dealings with the daemon: who it speaks as, for which tenant, and every call it makes.
//!
//! A login is found in this order: the file of `TENANTRY_KEY_FILE`, what `tenantry login` has kept for this socket,
//! the peer credentials of the socket. Commands never see a token. Go next to [`kept`] for what stays on disk.

mod kept;
mod pages;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tenantry_protocol::client::stream::Stream;
use tenantry_protocol::client::{CALL_TIMEOUT, Client, ClientError, Renewal};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::path::Operation;
use tenantry_protocol::principal::{LoggedIn, Login, Whoami};
use tokio::sync::Mutex;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::place::{self, Place};
use kept::Kept;
pub(crate) use pages::Paging;

/// A token that is good for less than this is renewed before it is used.
const TOKEN_MARGIN_MS: i64 = 5_000;

/// The flags that every command takes, as far as they concern the daemon.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    /// `--tenant`.
    pub(crate) tenant: Option<String>,
    /// `--socket`.
    pub(crate) socket: Option<PathBuf>,
    /// `--timeout`.
    pub(crate) timeout: Option<Duration>,
}

/// One invocation's dealings with the daemon.
pub(crate) struct Session {
    /// Where results go.
    pub(crate) output: Output,
    /// The folders of this user.
    pub(crate) place: Place,
    target: Target,
    client: Client,
    login: Mutex<Option<Kept>>,
}

impl Session {
    /// Connects to nothing yet.
    pub(crate) fn new(target: Target, place: Place, output: Output) -> Self {
        let socket = target.socket.clone().unwrap_or_else(|| place.usual_socket());
        // A command that waits uses the time for waiting; each of its calls then has the usual limit.
        let client =
            Client::new(socket).with_timeout(target.timeout.unwrap_or(CALL_TIMEOUT).min(CALL_TIMEOUT));
        Self { output, place, target, client, login: Mutex::new(None) }
    }

    #[cfg(feature = "server")]
    /// The same for another socket.
    pub(crate) fn at(&self, socket: &Path) -> Self {
        let target = Target { socket: Some(socket.to_owned()), ..self.target.clone() };
        Self::new(target, self.place.clone(), self.output)
    }

    /// The socket it speaks to.
    pub(crate) fn socket(&self) -> &Path {
        self.client.socket()
    }

    #[cfg(feature = "server")]
    /// `--socket`, if it was given.
    pub(crate) fn named_socket(&self) -> Option<&Path> {
        self.target.socket.as_deref()
    }

    /// `--timeout`, if it was given.
    pub(crate) const fn timeout(&self) -> Option<Duration> {
        self.target.timeout
    }

    /// The tenant that the command is about.
    pub(crate) async fn tenant(&self) -> Result<String, Failure> {
        if self.target.tenant.as_ref().is_none_or(String::is_empty) {
            self.ensure().await?;
        }
        self.tenant_if_known().await.ok_or_else(|| {
            Failure::usage("which tenant? You may act for more than one")
                .with_hint("name it: `-t NAME`, or set TENANTRY_TENANT; `tenantry tenant list` shows them")
        })
    }

    /// Calls an operation that takes a query and no body.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        operation: Operation,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<T, Failure> {
        let token = self.ensure().await?;
        match self.client.get(operation, path, query).await {
            Err(error) if is_stale(&error) && self.again(token).await? => {
                Ok(self.client.get(operation, path, query).await?)
            }
            other => Ok(other?),
        }
    }

    /// Calls an operation that takes a body.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        operation: Operation,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let token = self.ensure().await?;
        match self.client.send(operation, path, body).await {
            Err(error) if is_stale(&error) && self.again(token).await? => {
                Ok(self.client.send(operation, path, body).await?)
            }
            other => Ok(other?),
        }
    }

    /// Calls an operation for its bytes.
    pub(crate) async fn bytes(
        &self,
        operation: Operation,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<Vec<u8>, Failure> {
        let token = self.ensure().await?;
        match self.client.bytes(operation, path, query).await {
            Err(error) if is_stale(&error) && self.again(token).await? => {
                Ok(self.client.bytes(operation, path, query).await?)
            }
            other => Ok(other?),
        }
    }

    /// Follows an operation.
    pub(crate) async fn stream(
        &self,
        operation: Operation,
        path: &[&str],
        query: &impl Serialize,
        last_id: Option<&str>,
    ) -> Result<Stream, Failure> {
        let token = self.ensure().await?;
        match self.client.stream(operation, path, query, last_id).await {
            Err(error) if is_stale(&error) && self.again(token).await? => {
                Ok(self.client.stream(operation, path, query, last_id).await?)
            }
            other => Ok(other?),
        }
    }

    /// A client for something that lasts: it logs in again by itself, and may begin while the daemon is away.
    pub(crate) async fn lasting_client(&self) -> Result<Client, Failure> {
        match self.ensure().await {
            Err(failure) if failure.exit() == Exit::DaemonDown => {
                let kept = Kept::read(&self.place.logins(), self.socket())?;
                let key = kept.and_then(|kept| kept.key);
                self.client.set_renewal(key.map_or(Renewal::Peer, Renewal::Key)).await;
            }
            other => drop(other?),
        }
        Ok(self.client.clone())
    }

    /// The tenant that was named, else the one that the principal is bound to, if any.
    pub(crate) async fn tenant_if_known(&self) -> Option<String> {
        let named = self.target.tenant.clone().filter(|tenant| !tenant.is_empty());
        match named {
            Some(named) => Some(named),
            None => self.login.lock().await.as_ref().and_then(|kept| kept.tenant.clone()),
        }
    }

    /// A client that is not logged in, for the public operations.
    pub(crate) const fn public(&self) -> &Client {
        &self.client
    }

    /// Logs in anew, with a key or by peer credentials, and keeps it for the next invocations.
    pub(crate) async fn log_in(&self, key: Option<String>) -> Result<Whoami, Failure> {
        let (kept, whoami) = self.exchange(key).await?;
        kept.write(&self.place.logins())?;
        *self.login.lock().await = Some(kept);
        Ok(whoami)
    }

    /// Revokes the session and forgets it. `false` if nobody was logged in.
    pub(crate) async fn log_out(&self) -> Result<bool, Failure> {
        let Some(kept) = Kept::read(&self.place.logins(), self.socket())? else { return Ok(false) };
        self.client.set_token(Some(kept.token.clone())).await;
        let answer: Result<serde_json::Value, ClientError> =
            self.client.send(Operation::Logout, &[], &()).await;
        Kept::remove(&self.place.logins(), self.socket())?;
        match answer {
            // The session has ended already, or nobody is there who could end it: what was kept is gone anyway.
            Err(error) if is_stale(&error) || error.code() == ErrorCode::TokenExpired => Ok(true),
            other => Ok(other.map(|_| true)?),
        }
    }

    /// Makes sure that there is a login, and says which token it gave.
    async fn ensure(&self) -> Result<String, Failure> {
        let mut login = self.login.lock().await;
        if let Some(kept) = login.as_ref() {
            return Ok(kept.token.clone());
        }
        let kept = match place::variable("TENANTRY_KEY_FILE") {
            Some(path) => self.exchange(Some(input::key_file(Path::new(&path))?)).await?.0,
            None => self.kept_or_peer().await?,
        };
        let token = kept.token.clone();
        *login = Some(kept);
        Ok(token)
    }

    async fn kept_or_peer(&self) -> Result<Kept, Failure> {
        let logins = self.place.logins();
        let kept = Kept::read(&logins, self.socket())?;
        if let Some(kept) = &kept
            && kept.expires_at - TOKEN_MARGIN_MS > crate::moment::now()
        {
            self.client.set_token(Some(kept.token.clone())).await;
            self.client.set_renewal(kept.key.clone().map_or(Renewal::Peer, Renewal::Key)).await;
            return Ok(kept.clone());
        }
        let (fresh, _) = self.exchange(kept.and_then(|kept| kept.key)).await?;
        // A login by peer credentials costs nothing to repeat: where it cannot be kept, it is not.
        match fresh.write(&logins) {
            Err(failure) if fresh.key.is_some() => Err(failure),
            _ => Ok(fresh),
        }
    }

    /// Logs in again after the daemon did not know the token any more. `false` if that was a fresh one already.
    async fn again(&self, refused: String) -> Result<bool, Failure> {
        let mut login = self.login.lock().await;
        let Some(kept) = login.as_ref().filter(|kept| kept.token == refused && !kept.fresh) else {
            return Ok(false);
        };
        let (fresh, _) = self.exchange(kept.key.clone()).await?;
        drop(fresh.write(&self.place.logins()));
        *login = Some(fresh);
        Ok(true)
    }

    async fn exchange(&self, key: Option<String>) -> Result<(Kept, Whoami), Failure> {
        let login = match &key {
            Some(key) => Login::Key { key: key.clone(), scope: None },
            None => Login::Peer,
        };
        let LoggedIn { token, expires_in_s, principal, .. } =
            self.client.login(&login).await.map_err(|error| {
                let refused = error.code() == ErrorCode::LoginRefused;
                let failure = Failure::from(error);
                if refused && key.is_none() {
                    let hint = "log in with a key: `tenantry login --key-file FILE`";
                    return Failure::new(ErrorCode::AuthRequired, "you are not logged in").with_hint(hint);
                }
                failure
            })?;
        let lifetime = i64::try_from(expires_in_s).unwrap_or(i64::MAX).saturating_mul(1_000);
        let kept = Kept {
            socket: self.socket().to_owned(),
            key,
            token,
            expires_at: crate::moment::now().saturating_add(lifetime),
            tenant: principal.tenant_name.clone().or_else(|| principal.tenant.map(|id| id.to_string())),
            fresh: true,
        };
        Ok((kept, principal))
    }
}

/// Whether the daemon does not know the token: it was revoked, or the daemon is another one than before.
fn is_stale(error: &ClientError) -> bool {
    matches!(error.code(), ErrorCode::AuthRequired | ErrorCode::TokenRevoked)
}

#[cfg(test)]
mod tests;
