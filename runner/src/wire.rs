//! The pipes between the runner's own processes: a length (`u32`, little endian) and that many bytes.
//!
//! Both ends are ours, but the far end may have been taken over by what it executes, so lengths are limited here
//! as well.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tenantry_protocol::runner::{BODY_LIMIT, HEADER_LIMIT};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Largest piece that passes.
pub(crate) const PIECE_LIMIT: usize = if BODY_LIMIT > HEADER_LIMIT { BODY_LIMIT } else { HEADER_LIMIT };

/// Writes one piece.
pub(crate) fn write_piece(mut to: impl Write, piece: &[u8]) -> io::Result<()> {
    to.write_all(&length_of(piece)?)?;
    to.write_all(piece)?;
    to.flush()
}

/// Reads one piece; `None` at a clean end.
pub(crate) fn read_piece(mut from: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut piece = vec![0; allowed(length)?];
    from.read_exact(&mut piece)?;
    Ok(Some(piece))
}

/// [`write_piece`] for the side that serves many.
pub(crate) async fn send_piece(mut to: impl AsyncWrite + Unpin, piece: &[u8]) -> io::Result<()> {
    to.write_all(&length_of(piece)?).await?;
    to.write_all(piece).await?;
    to.flush().await
}

/// [`read_piece`] for the side that serves many; an end is an error.
pub(crate) async fn receive_piece(mut from: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let mut piece = vec![0; allowed(length)?];
    from.read_exact(&mut piece).await?;
    Ok(piece)
}

/// As JSON.
pub(crate) fn to_json<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}

/// From JSON.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(io::Error::other)
}

fn length_of(piece: &[u8]) -> io::Result<[u8; 4]> {
    if piece.len() > PIECE_LIMIT {
        return Err(io::Error::other(format!("a piece of {} bytes is over the limit", piece.len())));
    }
    Ok((piece.len() as u32).to_le_bytes())
}

fn allowed(length: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(length) as usize;
    if length > PIECE_LIMIT {
        return Err(io::Error::other(format!("a piece of {length} bytes is over the limit")));
    }
    Ok(length)
}
