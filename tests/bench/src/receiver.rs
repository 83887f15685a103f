//! The outside world that actions and notifications reach: answers at once, on a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::board::Board;
use crate::wire::{Inbound, number_after};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";

/// Listens on a free port of the loopback for as long as the process lives.
pub(crate) fn start(board: Arc<Board>) -> std::io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    std::thread::Builder::new().name("receiver".to_owned()).spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                let board = Arc::clone(&board);
                // A caller that ends in the middle of a request is the caller's affair.
                tokio::spawn(async move { drop(serve(stream, &board).await) });
            }
        });
    })?;
    Ok(address)
}

async fn serve(mut stream: TcpStream, board: &Board) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut inbound = Inbound::default();
    while let Some((head, body)) = inbound.next(&mut stream).await? {
        match head.get(6) {
            Some(b'a') => drop(board.actions.fetch_add(1, Relaxed)),
            Some(b'n') => {
                if let Some(number) = number_after(body, b"\"message\":\"") {
                    board.arrived(number);
                }
            }
            _ => {
                if let Some(created) = number_after(body, b"\"timestamp\":") {
                    board.delivered(created);
                }
            }
        }
        stream.write_all(ANSWER).await?;
    }
    Ok(())
}
