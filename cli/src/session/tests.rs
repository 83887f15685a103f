//! Logins against a daemon that only knows how to log in, over a real socket.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tenantry_protocol::id::{RequestId, SessionId, TenantId};
use tokio::net::UnixListener;

use super::*;
use crate::output::Format;

/// What the daemon believes.
#[derive(Default)]
struct Beliefs {
    /// Logins so far; the last one's token is good.
    logins: Vec<Value>,
    /// No token is good, and peers are refused.
    refuses_peers: bool,
    forgets: bool,
    lifetime_s: u64,
}

/// A daemon in a folder that is also the state folder of the user.
struct Gatekeeper {
    folder: TempDir,
    beliefs: Arc<Mutex<Beliefs>>,
}

impl Gatekeeper {
    fn start(lifetime_s: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("api.sock")).unwrap();
        let beliefs = Arc::new(Mutex::new(Beliefs { lifetime_s, ..Beliefs::default() }));
        let shared = Arc::clone(&beliefs);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { folder, beliefs }
    }

    /// A new invocation.
    fn session(&self) -> Session {
        let socket: PathBuf = self.folder.path().join("api.sock");
        let target = Target { socket: Some(socket), timeout: Some(Duration::from_secs(20)), tenant: None };
        let place = Place { state: self.folder.path().join("state"), runtime: None };
        Session::new(target, place, Output::new(Format::Json, true, true))
    }

    fn logins(&self) -> usize {
        self.beliefs.lock().unwrap().logins.len()
    }
}

async fn whoami(session: &Session) -> Result<Whoami, Failure> {
    session.get(Operation::Whoami, &[], &()).await
}

async fn answer(
    request: Request<Incoming>,
    beliefs: Arc<Mutex<Beliefs>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body: Value = serde_json::from_slice(&body.collect().await?.to_bytes()).unwrap_or_default();
    let mut beliefs = beliefs.lock().unwrap();
    let principal = json!({
        "subject": "pri", "name": "ci", "role": "operator", "tenant": TenantId::from_bytes([1; 16]),
        "tenant-name": "acme", "session": SessionId::from_bytes([1; 16]), "permissions": [],
    });
    let problem = |code: ErrorCode| {
        let problem = json!({
            "code": code, "title": "", "status": code.status(), "detail": "no",
            "request_id": RequestId::from_bytes([1; 16]),
        });
        (code.status(), problem)
    };
    let (status, answer) = if parts.uri.path() == "/v1/login" {
        if beliefs.refuses_peers && body["with"] == "peer" {
            problem(ErrorCode::LoginRefused)
        } else {
            beliefs.logins.push(body);
            beliefs.forgets = false;
            let token = format!("token-{}", beliefs.logins.len());
            let lifetime = beliefs.lifetime_s;
            (
                200,
                json!({ "token": token, "expires-in-s": lifetime, "refresh-token": "r", "principal": principal }),
            )
        }
    } else {
        let good = format!("Bearer token-{}", beliefs.logins.len());
        let given = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
        if given == Some(&good) && !beliefs.forgets {
            (200, principal)
        } else {
            problem(ErrorCode::TokenRevoked)
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    Ok(response)
}

#[tokio::test]
async fn one_login_serves_many_invocations() {
    let daemon = Gatekeeper::start(600);
    for _ in 0..3 {
        assert_eq!(whoami(&daemon.session()).await.unwrap().name, "ci");
    }
    assert_eq!(daemon.logins(), 1);
}

#[tokio::test]
async fn a_token_that_has_run_out_is_renewed_before_it_is_used() {
    let daemon = Gatekeeper::start(1);
    whoami(&daemon.session()).await.unwrap();
    whoami(&daemon.session()).await.unwrap();
    assert_eq!(daemon.logins(), 2);
}

#[tokio::test]
async fn a_token_that_the_daemon_has_forgotten_is_renewed_once() {
    let daemon = Gatekeeper::start(600);
    whoami(&daemon.session()).await.unwrap();
    daemon.beliefs.lock().unwrap().forgets = true;
    whoami(&daemon.session()).await.unwrap();
    assert_eq!(daemon.logins(), 2);
    // A session whose fresh token is refused does not go round in circles.
    let session = daemon.session();
    session.log_in(None).await.unwrap();
    daemon.beliefs.lock().unwrap().forgets = true;
    assert!(whoami(&session).await.is_err_and(|failure| failure.is(ErrorCode::TokenRevoked)));
    assert_eq!(daemon.logins(), 3);
}

#[tokio::test]
async fn a_key_is_kept_and_brings_its_tenant() {
    let daemon = Gatekeeper::start(1);
    daemon.beliefs.lock().unwrap().refuses_peers = true;
    daemon.session().log_in(Some("tnk_1".to_owned())).await.unwrap();
    assert_eq!(daemon.session().tenant().await.unwrap(), "acme");
    assert!(daemon.beliefs.lock().unwrap().logins.iter().all(|login| login["key"] == "tnk_1"));
    assert!(daemon.session().log_out().await.unwrap());
    assert!(!daemon.session().log_out().await.unwrap(), "nothing is left");
}

#[tokio::test]
async fn who_may_not_come_in_is_told_how() {
    let daemon = Gatekeeper::start(600);
    daemon.beliefs.lock().unwrap().refuses_peers = true;
    let failure = whoami(&daemon.session()).await.unwrap_err();
    assert!(failure.is(ErrorCode::AuthRequired), "{failure:?}");
    assert!(failure.hint.is_some_and(|hint| hint.contains("--key-file")));
}
