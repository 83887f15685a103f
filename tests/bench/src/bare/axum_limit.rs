//! A handler that reads the body and says 202, on as many threads as the daemon has.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;

/// Serves on a free port of the loopback for as long as the process lives.
pub(crate) fn start() -> std::io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    std::thread::Builder::new().name("axum".to_owned()).spawn(move || {
        runtime.block_on(async {
            let router = Router::new().route("/hooks/a/w1", post(answer));
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            // It ends with the process.
            drop(axum::serve(listener, router).await);
        });
    })?;
    Ok(address)
}

async fn answer(body: Bytes) -> (StatusCode, &'static str) {
    if body.is_empty() { (StatusCode::BAD_REQUEST, "") } else { (StatusCode::ACCEPTED, "{}") }
}
