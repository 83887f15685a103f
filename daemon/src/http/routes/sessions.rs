//! Logins and who the caller is.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use tenantry_protocol::principal::{LoggedIn, Login, Whoami};

use super::Shared;
use crate::http::Api;
use crate::http::extract::{Anonymous, Caller, Payload};
use crate::http::listen::PeerInfo;
use crate::http::reply::{Answer, Reply};
use crate::service::sessions::PeerLogin;

pub(in crate::http) async fn login(
    State(api): Shared,
    Anonymous(context): Anonymous,
    Extension(peer): Extension<Arc<PeerInfo>>,
    Payload(body): Payload<Login>,
) -> Reply<LoggedIn> {
    let peer = peer_login(&api, &peer);
    Ok(Answer(api.service.login(&context, peer, body).await?))
}

/// What the kernel says about the caller. A script that the runner started has the daemon's uid and is not it.
fn peer_login(api: &Api, peer: &PeerInfo) -> Option<PeerLogin> {
    let (uid, pid) = peer.uid.zip(peer.pid)?;
    let own = rustix::process::geteuid().as_raw();
    let is_host = (uid == own || uid == 0) && !api.runner.is_descendant(pid);
    Some(PeerLogin { uid, is_host })
}

pub(in crate::http) async fn logout(State(api): Shared, Caller(by): Caller) -> Reply<()> {
    Ok(Answer(api.service.logout(&by).await?))
}

pub(in crate::http) async fn whoami(State(api): Shared, Caller(by): Caller) -> Reply<Whoami> {
    Ok(Answer(api.service.whoami(&by)))
}
