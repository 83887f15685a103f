//! The `variable` table: values that workflows read by name. They are no secrets.

use rusqlite::{Row, params};

use crate::error::Result;
use crate::store::row::page;
use crate::store::{ReadTx, WriteTx};

/// A variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Unique in the tenant.
    pub name: String,
    /// JSON.
    pub value: String,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// Who wrote it, as in the audit log.
    pub updated_by: String,
}

fn variable(row: &Row<'_>) -> rusqlite::Result<Variable> {
    Ok(Variable { name: row.get(0)?, value: row.get(1)?, updated_at: row.get(2)?, updated_by: row.get(3)? })
}

const PUT: &str = "
insert into variable (name, value, updated_at, updated_by)
values (?1, ?2, ?3, ?4)
on conflict (name) do update
set value = excluded.value, updated_at = excluded.updated_at, updated_by = excluded.updated_by";

/// Writes a value.
pub fn put(tx: &WriteTx, variable: &Variable) -> Result<()> {
    let Variable { name, value, updated_at, updated_by } = variable;
    tx.execute(PUT, params![name, value, updated_at, updated_by])?;
    Ok(())
}

const GET: &str = "select name, value, updated_at, updated_by from variable where name = ?1";

/// The variable with this name.
pub fn get(tx: &ReadTx, name: &str) -> Result<Option<Variable>> {
    Ok(tx.one(GET, [name], variable)?)
}

const LIST: &str = "
select name, value, updated_at, updated_by
from variable
where name > ?1
order by name
limit ?2";

/// Variables by name, after the given one.
pub fn list(tx: &ReadTx, after: &str, limit: u32) -> Result<Vec<Variable>> {
    Ok(tx.all(LIST, params![after, page(limit)], variable)?)
}

const COUNT: &str = "select count(*) from variable where name <> ?1";

/// How many there are besides the given one.
pub fn count_others(tx: &ReadTx, name: &str) -> Result<u64> {
    Ok(tx.one(COUNT, [name], |row| row.get::<_, i64>(0))?.unwrap_or_default().unsigned_abs())
}

const DELETE: &str = "delete from variable where name = ?1";

/// Deletes; false if there was none.
pub fn delete(tx: &WriteTx, name: &str) -> Result<bool> {
    Ok(tx.execute(DELETE, [name])? > 0)
}
