//! Looks at a tenant's file that a person put back, before anything of it is served.
//!
//! The file was set aside because it was damaged. What lies in its place now may be repaired, an older copy, somebody
//! else's, or nothing. Must never happen here: a file that is changed before it is known to be whole and the tenant's
//! own.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::TenantId;

use super::connection::{self, Sizes, Use};
use super::{ReadTx, audit, fault, migrate};
use crate::error::{Error, Result};

/// What was found in a file that may be served again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Records of its audit log.
    pub audit_records: u64,
    /// Whether the log verifies. A repaired file may have lost a part of it, which its verification will always tell.
    pub audit_whole: bool,
}

/// Checks the file at `path` and brings it to the present schema.
///
/// Fails with `state-conflict` where there is none, `store-corrupt`, `store-foreign` (another program's, or another
/// tenant's), `store-newer`, `store-read-only`.
pub(super) fn file(path: &Path, id: TenantId, sizes: Sizes, now: i64) -> Result<Checked> {
    if !path.is_file() {
        let detail = format!("there is no tenants/{id}/tenant.db in the data folder");
        return Err(
            Error::new(ErrorCode::StateConflict, detail).with_hint("put the repaired file there first")
        );
    }
    let connection = connection::open(path, Use::Maintain, sizes)?;
    if migrate::identify(&connection, path, migrate::TENANT)? == 0 {
        return Err(Error::new(ErrorCode::StoreForeign, "the file is empty"));
    }
    whole(&connection)?;
    owned(&connection, id)?;
    // A file that SQLite's own tool has repaired is not in WAL mode.
    connection::found(&connection).map_err(|error| fault::sql("make a database", error))?;
    drop(connection);
    let folder = path.parent().unwrap_or(path);
    connection::create_folder(&folder.join("blobs"))?;
    connection::create_folder(&folder.join("scratch"))?;
    migrate::apply(path, migrate::TENANT, sizes, now)?;
    let connection = connection::open(path, Use::Maintain, sizes)?;
    let verified = audit::verify(&ReadTx::new(&connection), None)?;
    Ok(Checked { audit_records: verified.records, audit_whole: verified.ok })
}

fn whole(connection: &Connection) -> Result<()> {
    let failed = |error| fault::sql("check a file", error);
    let told: String =
        connection.query_row("pragma integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if told != "ok" {
        return Err(Error::new(ErrorCode::StoreCorrupt, format!("the file is still damaged: {told}")));
    }
    let orphan: Option<String> =
        connection.query_row("pragma foreign_key_check", [], |row| row.get(0)).optional().map_err(failed)?;
    orphan.map_or(Ok(()), |table| {
        let detail = format!("the file is still damaged: rows of {table} point nowhere");
        Err(Error::new(ErrorCode::StoreCorrupt, detail))
    })
}

fn owned(connection: &Connection, id: TenantId) -> Result<()> {
    match owner(connection)? {
        Some(owner) if owner == id.to_string() => Ok(()),
        Some(owner) => Err(foreign(format!("the file belongs to {owner}, not to {id}"))),
        None => Err(foreign(format!("the file does not say that it belongs to {id}"))),
    }
}

fn foreign(detail: String) -> Error {
    Error::new(ErrorCode::StoreForeign, detail).with_hint("put back the file of this tenant")
}

const OWNER: &str = "select value from meta where name = 'tenant'";
const SET_OWNER: &str = "insert into meta (name, value) values ('tenant', ?1)";

fn owner(connection: &Connection) -> Result<Option<String>> {
    let found = connection.query_row(OWNER, [], |row| row.get(0)).optional();
    found.map_err(|error| fault::sql("read whose file it is", error))
}

/// Sees to it that an opened file is the tenant's own: a file that says nothing yet is told.
pub(super) fn own(connection: &Connection, id: TenantId) -> Result<()> {
    if owner(connection)?.is_some() {
        return owned(connection, id);
    }
    let told = connection.execute(SET_OWNER, [id.to_string()]);
    told.map(drop).map_err(|error| fault::sql("write whose file it is", error))
}
