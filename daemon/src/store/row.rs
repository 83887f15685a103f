//! How ids and words are laid into columns and read back: ids as 16-byte blobs, words by their wire name.
//!
//! No table is known here. Go to the file of a table for its columns.

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::{FromSqlError, Type};
use tenantry_protocol::id::{
    ChannelId, CredentialId, EventId, JobId, LeaseToken, NotificationId, PrincipalId, RequestId, RunId,
    SessionId, TenantId, WorkflowId,
};
use tenantry_protocol::state::UnknownWord;

/// A list never gives more rows than this, whatever was asked for.
pub const PAGE_LIMIT: u32 = 1_000;

/// Sorts after every id: where a list of newest first begins.
pub(super) const AFTER_ALL: [u8; 16] = [0xff; 16];

/// An id as it is stored.
pub(super) trait Key: Sized {
    fn from_key(bytes: [u8; 16]) -> Self;
    fn to_key(&self) -> &[u8; 16];
}

macro_rules! keys {
    ($($name:ident)+) => { $(
        impl Key for $name {
            fn from_key(bytes: [u8; 16]) -> Self {
                Self::from_bytes(bytes)
            }
            fn to_key(&self) -> &[u8; 16] {
                self.as_bytes()
            }
        }
    )+ };
}

keys!(
    ChannelId CredentialId EventId JobId LeaseToken NotificationId PrincipalId RequestId RunId SessionId
    TenantId WorkflowId
);

/// Reads an id.
pub(super) fn key<T: Key>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    row.get(column).map(T::from_key)
}

/// Reads an id that may be absent.
pub(super) fn key_or_none<T: Key>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(T::from_key))
}

/// Binds an id that may be absent.
pub(super) fn bind<T: Key>(id: Option<&T>) -> Option<&[u8; 16]> {
    id.map(T::to_key)
}

/// Where a list goes on: before the given id, or from the newest.
pub(super) fn before<T: Key>(cursor: Option<&T>) -> &[u8; 16] {
    cursor.map_or(&AFTER_ALL, T::to_key)
}

/// The ids that share the first seven bytes with this one: its millisecond, and four random bits. Ids that are
/// derived from another one are among them.
pub(super) fn same_beginning(id: &[u8; 16]) -> ([u8; 16], [u8; 16]) {
    let (mut first, mut last) = ([0; 16], [0xff; 16]);
    for (at, byte) in id.iter().enumerate().take(7) {
        first[at] = *byte;
        last[at] = *byte;
    }
    (first, last)
}

/// Reads a word of a closed vocabulary.
pub(super) fn word<T: FromStr<Err = UnknownWord>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str().map_err(|error| unreadable(column, error))?;
    text.parse().map_err(|word: UnknownWord| unreadable(column, word))
}

/// Reads a whole number that was written from an unsigned one.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u32> {
    row.get(column)
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(FromSqlError::other(error)))
}

/// The page size that is really used.
pub(super) fn page(limit: u32) -> u32 {
    limit.min(PAGE_LIMIT)
}
