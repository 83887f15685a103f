//! The `due` table: when a tenant's stage next has something to do. A hint that lets idle files stay closed; the
//! truth is in the tenant's own `job` table.

use rusqlite::params;
use tenantry_protocol::id::TenantId;
use tenantry_protocol::state::StageName;

use crate::error::Result;
use crate::store::row::{key, page, word};
use crate::store::{ReadTx, WriteTx};

const PUT: &str = "
insert into due (tenant_id, stage, at) values (?1, ?2, ?3)
on conflict (tenant_id, stage) do update set at = excluded.at";

const DELETE: &str = "delete from due where tenant_id = ?1 and stage = ?2";

/// Notes when the stage is next due, or that nothing is.
pub fn put(tx: &WriteTx, tenant: TenantId, stage: StageName, at: Option<i64>) -> Result<()> {
    match at {
        Some(at) => tx.execute(PUT, params![tenant.as_bytes(), stage.as_str(), at])?,
        None => tx.execute(DELETE, params![tenant.as_bytes(), stage.as_str()])?,
    };
    Ok(())
}

const LIST: &str = "select tenant_id, stage, at from due where at <= ?1 order by at limit ?2";

/// What is due until `until`, the longest due first.
pub fn list(tx: &ReadTx, until: i64, limit: u32) -> Result<Vec<(TenantId, StageName, i64)>> {
    Ok(tx.all(LIST, params![until, page(limit)], |row| Ok((key(row, 0)?, word(row, 1)?, row.get(2)?)))?)
}
