//! What a failure of SQLite or of the file system means: one table from result codes to error codes.
//!
//! The caller learns the code and a sentence; paths and SQLite's own words go to the operator only.

use rusqlite::ErrorCode as Sqlite;
use rusqlite::ffi;
use tenantry_protocol::error::ErrorCode;

use crate::error::Error;

/// Damage that SQLite tells by its words only: a header that speaks of a format of the future.
const DAMAGED: &str = "unsupported file format";

/// The code that stands for a failure of SQLite.
pub(super) fn code_of(error: &rusqlite::Error) -> ErrorCode {
    use rusqlite::Error as E;
    let (failure, words) = match error {
        E::SqliteFailure(failure, words) => (failure, words.as_deref()),
        E::SqlInputError { error, msg, .. } => (error, Some(msg.as_str())),
        // Tables are strict and their words are checked, so no statement of ours wrote a value that cannot be read; and
        // the rows that are always there, such as the head's, were there.
        E::QueryReturnedNoRows
        | E::FromSqlConversionFailure(..)
        | E::InvalidColumnType(..)
        | E::IntegralValueOutOfRange(..)
        | E::Utf8Error(..) => return ErrorCode::StoreCorrupt,
        _ => return ErrorCode::Internal,
    };
    if words.is_some_and(|words| words.starts_with(DAMAGED)) {
        return ErrorCode::StoreCorrupt;
    }
    match failure.code {
        Sqlite::ConstraintViolation => match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE
            | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | ffi::SQLITE_CONSTRAINT_ROWID
            | ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorCode::Conflict,
            _ => ErrorCode::Internal,
        },
        Sqlite::DatabaseCorrupt | Sqlite::NotADatabase => ErrorCode::StoreCorrupt,
        Sqlite::DiskFull => ErrorCode::StoreFull,
        Sqlite::ReadOnly | Sqlite::CannotOpen | Sqlite::PermissionDenied => ErrorCode::StoreReadOnly,
        Sqlite::SystemIoFailure | Sqlite::OutOfMemory | Sqlite::FileLockingProtocolFailed => {
            ErrorCode::TenantDegraded
        }
        Sqlite::DatabaseBusy | Sqlite::DatabaseLocked | Sqlite::OperationInterrupted => ErrorCode::StoreBusy,
        Sqlite::TooBig => ErrorCode::BodyTooLarge,
        _ => ErrorCode::Internal,
    }
}

/// The code that stands for a failure of the file system.
pub(super) fn code_of_io(error: &std::io::Error) -> ErrorCode {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => ErrorCode::StoreFull,
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => ErrorCode::StoreReadOnly,
        _ => ErrorCode::TenantDegraded,
    }
}

/// A failure of the file system while doing what `operation` says.
pub(super) fn io(operation: &str, error: std::io::Error) -> Error {
    let code = code_of_io(&error);
    Error::new(code, code.title()).with_operator(operation).with_source(error)
}

/// A failure of SQLite while doing what `operation` says.
pub(super) fn sql(operation: &str, error: rusqlite::Error) -> Error {
    let code = code_of(&error);
    Error::new(code, code.title()).with_operator(operation).with_source(error)
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        sql("run a statement", error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(extended: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(extended), None)
    }

    #[test]
    fn every_failure_that_a_person_can_mend_has_its_own_code() {
        let told = [
            (ffi::SQLITE_FULL, ErrorCode::StoreFull),
            (ffi::SQLITE_READONLY, ErrorCode::StoreReadOnly),
            (ffi::SQLITE_CANTOPEN, ErrorCode::StoreReadOnly),
            (ffi::SQLITE_CORRUPT, ErrorCode::StoreCorrupt),
            (ffi::SQLITE_NOTADB, ErrorCode::StoreCorrupt),
            (ffi::SQLITE_IOERR_FSYNC, ErrorCode::TenantDegraded),
            (ffi::SQLITE_BUSY, ErrorCode::StoreBusy),
            (ffi::SQLITE_INTERRUPT, ErrorCode::StoreBusy),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, ErrorCode::Conflict),
            (ffi::SQLITE_CONSTRAINT_CHECK, ErrorCode::Internal),
        ];
        for (extended, code) in told {
            assert_eq!(code_of(&failure(extended)), code, "{extended}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_damage() {
        let words = |words: &str| {
            let failure = ffi::Error::new(ffi::SQLITE_ERROR);
            code_of(&rusqlite::Error::SqliteFailure(failure, Some(words.to_owned())))
        };
        assert_eq!(words("unsupported file format"), ErrorCode::StoreCorrupt);
        assert_eq!(words("near \"selec\": syntax error"), ErrorCode::Internal);
        let text = rusqlite::types::Type::Text;
        for strange in [
            rusqlite::Error::InvalidColumnType(0, "id".to_owned(), text),
            rusqlite::Error::IntegralValueOutOfRange(0, -1),
            rusqlite::Error::QueryReturnedNoRows,
            rusqlite::Error::FromSqlConversionFailure(0, text, "no such word".into()),
        ] {
            assert_eq!(code_of(&strange), ErrorCode::StoreCorrupt, "{strange}");
        }
    }

    #[test]
    fn a_full_or_read_only_file_system_is_told_apart() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(code_of_io(&full), ErrorCode::StoreFull);
        let locked = std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem);
        assert_eq!(code_of_io(&locked), ErrorCode::StoreReadOnly);
    }
}
