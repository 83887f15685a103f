//! The sender of the demo's webhooks: one HTTP request over TCP to the ingress listener, as GitHub would make it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::failure::{Failure, Local};

/// How long a request may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 64 << 10;

/// What the ingress listener answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The body; null if it is not JSON.
    pub(super) body: Value,
}

/// Sends a push event.
pub(super) async fn push(
    ingress: SocketAddr,
    path: &str,
    signature: &str,
    delivery: &str,
    body: &[u8],
) -> Result<Answer, Failure> {
    let request = Request::post(path)
        .header(HOST, ingress.to_string())
        .header(CONTENT_TYPE, "application/json")
        .header("user-agent", "GitHub-Hookshot/tenantry-demo")
        .header("x-github-event", "push")
        .header("x-github-delivery", delivery)
        .header("x-hub-signature-256", signature)
        .body(Full::new(Bytes::copy_from_slice(body)));
    let request = request.map_err(|error| failed(&error))?;
    tokio::time::timeout(LIMIT, exchange(ingress, request))
        .await
        .unwrap_or_else(|elapsed| Err(failed(&elapsed)))
}

async fn exchange(ingress: SocketAddr, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
    let stream = TcpStream::connect(ingress).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await;
        let body = body.map_err(|error| failed(error.as_ref()))?.to_bytes();
        Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // The connection may end before the last bytes of the answer have been taken.
        _ = connection => answer.await,
    }
}

fn failed(error: &(dyn std::error::Error + '_)) -> Failure {
    Failure::local(Local::DemoFailed, format!("the webhook could not be sent: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::demo::receiver::Receiver;

    #[tokio::test]
    async fn what_is_sent_is_what_is_received() {
        let receiver = Receiver::start().await.unwrap();
        let answer = push(receiver.address(), "/hooks/a/github", "sha256=0", "d-1", b"{}").await.unwrap();
        assert_eq!((answer.status, answer.body["stars"].as_u64()), (200, Some(41)));
        let received = receiver.received("/hooks/a/github");
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].header("x-hub-signature-256"), "sha256=0");
        assert_eq!(&received[0].body[..], b"{}");
    }

    #[tokio::test]
    async fn nobody_there_is_a_failure() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(push(address, "/", "s", "d", b"").await.is_err());
    }
}
