//! The loop that takes connections and gives each its seat.
//!
//! What must never happen here: a spin when accepting fails, a connection without a seat, a drain that does not
//! wait for those who are served.

use std::error::Error as StdError;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::net::{TcpStream, UnixStream};

use super::connection::House;
use super::seats::{Full, Seats};
use super::{ListenLimits, Listener, PeerInfo, RequestBody};
use crate::clock::Clock;
use crate::supervise::{Stop, Supervisor};

/// The first pause after a failed accept, doubled while it goes on failing.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// The longest pause between two tries to accept.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What those are told for whom there is no seat. Their request is not read.
const NO_SEAT: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What a peer is told that has all of its share already.
const NO_SHARE: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// Serves the listener until the stop, then until every request under way is answered. `service` gets each request
/// with what is known about its peer, and runs in the connection's own task.
pub async fn serve<S, F, B>(
    listener: Listener,
    limits: ListenLimits,
    service: S,
    clock: Clock,
    supervisor: Supervisor,
    stop: Stop,
) where
    S: Fn(Request<RequestBody>, Arc<PeerInfo>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let seats = Seats::new(&limits);
    let house = Arc::new(House { limits, stop: stop.clone(), service });
    let mut pause = Duration::ZERO;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener) => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                // Out of file descriptors or memory: nothing comes of trying again at once.
                if pause.is_zero() {
                    tracing::warn!(%error, "no connection can be accepted at present");
                }
                pause = (pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
                tokio::select! {
                    () = clock.sleep(pause) => continue,
                    () = stop.cancelled() => break,
                }
            }
        };
        pause = Duration::ZERO;
        let seat = match seats.take(&peer) {
            Ok(seat) => seat,
            Err(full) => {
                turn_away(&stream, full);
                continue;
            }
        };
        let (house, peer) = (Arc::clone(&house), Arc::new(peer));
        let connection = supervisor.spawn_once("http connection", async move {
            let _seat = seat;
            match stream {
                Stream::Unix(stream) => house.serve(stream, peer).await,
                Stream::Tcp(stream) => house.serve(stream, peer).await,
            }
        });
        // It ends by itself; the seats know when all have.
        drop(connection);
    }
    drop(listener);
    seats.empty().await;
}

async fn accept(listener: &Listener) -> io::Result<(Stream, PeerInfo)> {
    match listener {
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            let peer =
                PeerInfo::of_unix(&stream).map_err(|_| io::Error::from(ErrorKind::ConnectionAborted))?;
            Ok((Stream::Unix(stream), peer))
        }
        Listener::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            // A socket that cannot do this still works, only slower.
            drop(stream.set_nodelay(true));
            Ok((Stream::Tcp(stream), PeerInfo::of_tcp(address.ip())))
        }
    }
}

/// Errors that accept(2) reports for the connection it would have returned.
fn is_of_one_connection(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Says why, as far as that fits into the socket's empty buffer, and closes.
fn turn_away(stream: &Stream, full: Full) {
    let words = match full {
        Full::House => NO_SEAT,
        Full::Share => NO_SHARE,
    };
    let said = match stream {
        Stream::Unix(stream) => stream.try_write(words),
        Stream::Tcp(stream) => stream.try_write(words),
    };
    tracing::debug!(?full, told = said.is_ok(), "connection turned away");
}
